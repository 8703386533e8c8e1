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
from ribospace.files import existing_file, exists, sha256
from ribospace.models.checkpoint import differences
from ribospace.models.rnafm_checkpoint import HUB_FILES
from ribospace.net.hub import hub_folder, is_hub_name

BATCH_TOKENS, DEVICE_TOKENS = 2048, 16_384  # of a batch on a processor, and elsewhere
ENDS = 2  # cls and eos, which stand around the nucleotides
PROTEIN = "EFLPQ"  # letters that proteins have and RNA has not
#: What a checkpoint may hold beside the network: heads of its tasks, and a pooler that was never trained.
UNUSED = re.compile(r"(.*_)?(head|heads|pooler|decoder|predictions)\.|.*position_ids$|.*(inv_freq|pairwise_bias_map)$")


class MultimoleculeEncoder(NetworkEncoder):
    """A model of multimolecule, in fp32.

    Molecules of one length share a batch, so there is no padding that a model could let through. As many nucleotides
    are read at once as the config has positions for, beside cls and eos; also where positions are rotary and would go
    on, as the config states what the model was made for.

    Parameters
    ----------
    source
        A folder with config.json, vocab.txt and model.safetensors, a .safetensors beside the other two, or
        `multimolecule/NAME` or `multimolecule/NAME@REVISION` on the hub.
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
        _require_package(source)
        name, files, location = _found(source)
        config = _config(files[0])
        layers = int(getattr(config, "num_hidden_layers", 0))
        if layer is not None and not 0 <= layer <= layers:
            raise UserError(f"{name} has no layer {layer}. Choose one of 0 to {layers}.")
        self.layer = None if layer == layers else layer
        self.name = re.sub(r"\W", "_", name) + ("" if self.layer is None else f"_layer{layer}")
        self.location = location if self.layer is None else f"{location}:{layer}"
        self.revision = sha256(*files)[:12]
        self.width, self.piece = int(config.hidden_size), 256
        self.ids = _ids(files[1], config)
        model = _network(files[2], config)
        _require_pairs(files[1], model, self.ids)
        self.window = int(config.max_position_embeddings) - ENDS - _rows_in_front(model, config)
        self.model = model.to(self.device)
        self._require_tokens()

    def _batches(self, lengths: Rows) -> list[Rows]:
        budget = BATCH_TOKENS if self.device.type == "cpu" else DEVICE_TOKENS
        order = np.argsort(-lengths, kind="stable")
        batches = []
        for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
            rows = max(1, budget // (int(lengths[same[0]]) + ENDS)) if len(same) else 1
            batches += [same[start : start + rows] for start in range(0, len(same), rows)]
        return batches

    @torch.inference_mode()
    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        ids = self.ids[torch.from_numpy(windows.padded(rows)).long()].to(self.device)
        wanted = self.layer is not None
        out = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=wanted)
        embedded = out.last_hidden_state if self.layer is None else out.hidden_states[self.layer]
        return list(embedded.flatten(0, -3).float())  # RNA-MSM's layers have an axis more, for an alignment

    def _require_tokens(self) -> None:
        try:
            shape = next(self.token_embeddings(tokenize(["ACGU"]))).shape
        except UserError:
            raise
        except Exception as error:  # whatever a network says that reads something else
            raise UserError(
                f"{self.name} fails on a single molecule: {_first(error)}. Choose another model."
            ) from error
        if shape != (4, self.width):
            raise UserError(f"{self.name} gives no vector for each nucleotide. Choose another model.")


def _require_package(source: Path | str) -> None:
    """Before anything is fetched. The package seeds torch's generator when imported, which is nobody else's wish."""
    try:
        with torch.random.fork_rng(devices=[]):
            import multimolecule  # noqa: F401 (tells transformers of its models)
    except ImportError as error:
        if error.name != "multimolecule":
            raise UserError(
                f"{source} needs multimolecule, which is installed but does not load: {_first(error)}. "
                "Install it again: pip install --force-reinstall 'ribospace[peers]'"
            ) from error
        raise UserError(
            f"{source} needs multimolecule, which is not installed: pip install 'ribospace[peers]'"
        ) from error


def _found(source: Path | str) -> tuple[str, list[Path], str]:
    """A model's name, its config, vocabulary and weights, and what to name to find the same again."""
    path = Path(source)
    if not exists(path) and is_hub_name(str(source)):
        repository = str(source).partition("@")[0]
        folder = hub_folder(str(source), HUB_FILES)
        return repository.partition("/")[2], [folder / file for file in HUB_FILES], f"{repository}@{folder.name}"
    weights = path / HUB_FILES[-1] if path.is_dir() else path
    files = [existing_file(weights.parent / file) for file in HUB_FILES[:-1]] + [existing_file(weights)]
    return str(_read_json(files[0]).get("model_type")), files, str(path.absolute())


def _config(path: Path) -> Any:
    from transformers import AutoConfig

    kind = _read_json(path).get("model_type")
    try:
        config = AutoConfig.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path.parent}: multimolecule has no model {kind!r} like this ({_first(error)}).") from error
    if not type(config).__module__.startswith("multimolecule."):
        raise UserError(f"{path.parent} holds a model of the type {kind!r}, none of multimolecule's. Choose another.")
    if not all(isinstance(getattr(config, size, None), int) for size in ("hidden_size", "max_position_embeddings")):
        raise UserError(f"{path} does not say how many nucleotides a {kind!r} reads at once. Choose another model.")
    if None in (config.bos_token_id, config.eos_token_id):
        raise UserError(f"{path} says that its model reads molecules without cls or eos. Choose one that has both.")
    return config


def _network(path: Path, config: Any) -> torch.nn.Module:
    from transformers import AutoModel

    try:
        model = AutoModel.from_config(
            config,
            add_pooling_layer=False,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",  # the config's own could be code from the hub
        )
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise UserError(f"{path.parent}: no network can be made of its config ({_first(error)}).") from error
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
    return model.eval()  # type: ignore[no-any-return]


def _rows_in_front(model: Any, config: Any) -> int:
    """Positions that no token has: where they are counted from the padding's id on, the first two."""
    counted = hasattr(getattr(model, "embeddings", None), "padding_idx")
    return 2 if counted and getattr(config, "position_embedding_type", None) == "absolute" else 0


def _ids(path: Path, config: Any) -> Tensor:
    """(VOCABULARY_SIZE,) int64: the model's id for each of ours, by what vocab.txt calls it, never by its place."""
    try:
        row = {token: number for number, token in enumerate(path.read_text(encoding="utf-8").splitlines())}
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: {error}. Copy it again.") from error
    missing = [token for token in ("<cls>", "<eos>", "<pad>", "<unk>", *"ACGU") if token not in row]
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: its model does not read RNA letter by letter, or the file is damaged. "
            "Choose another."
        )
    if any(letter in row for letter in PROTEIN):
        raise UserError(f"{path} has the letters of proteins, not of RNA. Choose another model.")
    ids = torch.full((VOCABULARY_SIZE,), row["<unk>"])
    ids[START], ids[END], ids[PAD] = row["<cls>"], row["<eos>"], row["<pad>"]
    for number, letter in enumerate(LETTERS, FIRST_LETTER):
        ids[number] = row.get(letter, row["<unk>"])
    read = set(ids.tolist()) - {row["<pad>"]}
    if {config.pad_token_id, config.mask_token_id} & read or max(read) >= config.vocab_size:
        raise UserError(
            f"{path} does not fit config.json, which has {config.vocab_size} tokens, padding {config.pad_token_id} and "
            f"the mask {config.mask_token_id}. Fetch both again."
        )
    return ids


def _require_pairs(path: Path, model: Any, ids: Tensor) -> None:
    """ERNIE-RNA knows by number which letters pair."""
    from multimolecule import RnaTokenizer

    letters = [int(ids[FIRST_LETTER + LETTERS.index(letter)]) for letter in "ACGU"]
    if hasattr(model, "pairwise_bias_map") and letters != RnaTokenizer().convert_tokens_to_ids(list("ACGU")):
        raise UserError(f"{path} has A, C, G and U in another order than multimolecule pairs them in. Fetch it again.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(existing_file(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}. Copy it again.") from error
    if not isinstance(said, dict):
        raise UserError(f"{path} is no model's config. Copy it again.")
    return said


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
