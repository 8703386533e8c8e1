"""RNA models of the package multimolecule (the extra `peers`): RiNALMo, RNABERT, ERNIE-RNA, UTR-LM and others.

The network is that package's, the weights come from a folder or the hub; letters, windows and pooling are ours.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from ribospace.alphabet import END, FIRST_LETTER, LETTERS, PAD, START, VOCABULARY_SIZE, Tokens, tokenize
from ribospace.encoders.network import NetworkEncoder, Rows
from ribospace.errors import UserError
from ribospace.files import existing_file, sha256
from ribospace.models.checkpoint import differences
from ribospace.models.rnafm_checkpoint import HUB_FILES
from ribospace.net.hub import hub_folder, is_hub_name

BATCH_TOKENS = 2048
SPARE = 4  # positions that no nucleotide has: special tokens, and rows that some models leave out in front
#: What a checkpoint may hold beside the network: heads of its tasks, and a pooler that was never trained.
UNUSED = re.compile(r"(.*_)?(head|heads|pooler|decoder|predictions)\.|.*position_ids$|.*(inv_freq|pairwise_bias_map)$")


class MultimoleculeEncoder(NetworkEncoder):
    """A model of multimolecule, in fp32.

    Molecules of one length share a batch, without padding: in some of these models padding changes what stands beside
    it.

    Parameters
    ----------
    source
        A folder with config.json, vocab.txt and model.safetensors, or `multimolecule/NAME` or
        `multimolecule/NAME@REVISION` on the hub.
    pooling
        "mean" over nucleotides, or the "first" token, cls.
    layer
        Whose output: 0 what enters the first block, up to the last, which is the default.

    Raises
    ------
    UserError
        If multimolecule is not installed, has no such model, or the model does not embed each nucleotide; if weights
        are missing, too many or of another size (they are named).
    """

    def __init__(self, source: Path | str, pooling: str = "mean", layer: int | None = None) -> None:
        super().__init__(pooling)
        name, folder, location = _found(source)
        files = [existing_file(folder / file) for file in HUB_FILES]
        config = _config(folder)
        layers = int(getattr(config, "num_hidden_layers", 0))
        if layer is not None and not 0 <= layer <= layers:
            raise UserError(f"{name} has no layer {layer}. Choose one of 0 to {layers}.")
        self.layer = None if layer == layers else layer
        self.name = re.sub(r"\W", "_", name) + ("" if self.layer is None else f"_layer{layer}")
        self.location = location if self.layer is None else f"{location}:{layer}"
        self.revision = sha256(*files)[:12]
        self.width, self.piece = int(config.hidden_size), 256
        self.window = int(config.max_position_embeddings) - SPARE
        self.ids = _ids(folder)
        self.model = _network(folder, config).to(self.device)
        self._require_tokens()

    def _batches(self, lengths: Rows) -> list[Rows]:
        order = np.argsort(-lengths, kind="stable")
        batches = []
        for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
            rows = max(1, BATCH_TOKENS // (int(lengths[same[0]]) + 2)) if len(same) else 1
            batches += [same[start : start + rows] for start in range(0, len(same), rows)]
        return batches

    @torch.inference_mode()
    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        ids = self.ids[torch.from_numpy(windows.padded(rows)).long()].to(self.device)
        out = self.model(input_ids=ids, output_hidden_states=self.layer is not None)
        embedded = out.last_hidden_state if self.layer is None else out.hidden_states[self.layer]
        return list(embedded.float())

    def _require_tokens(self) -> None:
        try:
            shape = tuple(self._embedded(tokenize(["ACGU"]), np.array([0]))[0].shape)
        except Exception as error:  # whatever a network says that reads something else
            raise UserError(
                f"{self.name} does not read RNA letter by letter ({_first(error)}). Choose another."
            ) from error
        if shape != (6, self.width):
            raise UserError(f"{self.name} gives no vector for each nucleotide. Choose another model.")


def _found(source: Path | str) -> tuple[str, Path, str]:
    """A model's name, its folder, and what to name to find the same again."""
    path = Path(source)
    if not path.exists() and is_hub_name(str(source)):
        repository = str(source).partition("@")[0]
        path = hub_folder(str(source), HUB_FILES)
        return repository.partition("/")[2], path, f"{repository}@{path.name}"
    folder = path if path.is_dir() else path.parent
    return str(_read_json(folder / HUB_FILES[0]).get("model_type", folder.name)), folder, str(folder.absolute())


def _config(folder: Path) -> Any:
    try:
        import multimolecule  # noqa: F401 (tells transformers of its models)
        from transformers import AutoConfig
    except ImportError as error:
        raise UserError(
            f"The model in {folder} needs multimolecule, which is not installed: pip install 'ribospace[peers]'."
        ) from error
    kind = _read_json(folder / HUB_FILES[0]).get("model_type")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{folder}: multimolecule has no model {kind!r} like this ({_first(error)}).") from error
    if not all(hasattr(config, size) for size in ("hidden_size", "max_position_embeddings")):
        raise UserError(f"The model {kind!r} in {folder} does not embed nucleotides. Choose another.")
    return config


def _network(folder: Path, config: Any) -> torch.nn.Module:
    from transformers import AutoModel

    try:
        model = AutoModel.from_config(config, add_pooling_layer=False, trust_remote_code=False)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: no network can be made of its config ({_first(error)}).") from error
    path = folder / HUB_FILES[-1]
    try:
        found = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged: {error}. Copy it again.") from error
    prefix = re.compile(rf"^(model|{re.escape(str(config.model_type))})\.")
    tensors = {prefix.sub("", key): value for key, value in found.items()}
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    tensors = {key: value.float() for key, value in tensors.items() if key in expected or not UNUSED.match(key)}
    required = {key: shape for key, shape in expected.items() if key in tensors or not UNUSED.match(key)}
    wrong = differences(required, {key: tuple(value.shape) for key, value in tensors.items()})
    if wrong:
        raise UserError(f"{path} is no whole {config.model_type}: {wrong}. Fetch it again, or name another checkpoint.")
    model.load_state_dict(tensors, strict=False)
    return model.float().eval()  # type: ignore[no-any-return]


def _ids(folder: Path) -> Tensor:
    """(VOCABULARY_SIZE,) int64: the model's id for each of ours, by what vocab.txt calls it, never by its place."""
    try:
        row = {token: number for number, token in enumerate((folder / HUB_FILES[1]).read_text("utf-8").split())}
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / HUB_FILES[1]} is damaged: {error}. Copy it again.") from error
    missing = [token for token in ("<cls>", "<eos>", "<pad>", "<unk>", *"ACGU") if token not in row]
    if missing:
        raise UserError(
            f"The vocabulary in {folder} lacks {', '.join(missing)}: its model does not read RNA letter by letter, or "
            "the file is damaged. Choose another."
        )
    ids = torch.full((VOCABULARY_SIZE,), row["<unk>"])
    ids[START], ids[END], ids[PAD] = row["<cls>"], row["<eos>"], row["<pad>"]
    for number, letter in enumerate(LETTERS, FIRST_LETTER):
        ids[number] = row.get(letter, row["<unk>"])
    return ids


def _read_json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(existing_file(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}. Copy it again.") from error
    if not isinstance(said, dict):
        raise UserError(f"{path} is no model's config. Copy it again.")
    return said


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
