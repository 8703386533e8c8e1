"""RNA-FM's weights, in every layout they are published in. No pickle code is ever run.

`RNA-FM_pretrained.pth` is the authors' file. The hub's `multimolecule/rnafm` has other names, another order of the
vocabulary, and before December 2025 another prefix. Both become an `RnaFm`, tokens matched by what they say, never by
their number.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from ribospace.errors import UserError
from ribospace.files import existing_file, exists, sha256
from ribospace.models.checkpoint import differences
from ribospace.models.rnafm import RNAFM_VOCABULARY, RnaFm, RnaFmConfig
from ribospace.net.hub import hub_folder, is_hub_name

HUB_NAME = "multimolecule/rnafm"
ORIGINAL_FILE = "RNA-FM_pretrained.pth"
HUB_FILES = ("config.json", "vocab.txt", "model.safetensors")

#: Our name of each part, the original's behind its last `encoder.`, the hub's behind `model.`; N is a layer's number.
PARTS = (
    ("embedding.tokens", "embed_tokens", "embeddings.word_embeddings"),
    ("embedding.positions", "embed_positions", "embeddings.position_embeddings"),
    ("embedding.norm", "emb_layer_norm_before", "embeddings.layer_norm"),
    ("layers.N.attention_norm", "layers.N.self_attn_layer_norm", "encoder.layer.N.attention.layer_norm"),
    ("layers.N.query", "layers.N.self_attn.q_proj", "encoder.layer.N.attention.self.query"),
    ("layers.N.key", "layers.N.self_attn.k_proj", "encoder.layer.N.attention.self.key"),
    ("layers.N.value", "layers.N.self_attn.v_proj", "encoder.layer.N.attention.self.value"),
    ("layers.N.out", "layers.N.self_attn.out_proj", "encoder.layer.N.attention.output.dense"),
    ("layers.N.feedforward_norm", "layers.N.final_layer_norm", "encoder.layer.N.layer_norm"),
    ("layers.N.up", "layers.N.fc1", "encoder.layer.N.intermediate.dense"),
    ("layers.N.down", "layers.N.fc2", "encoder.layer.N.output.dense"),
    ("norm", "emb_layer_norm_after", "encoder.layer_norm"),
    ("head.dense", "lm_head.dense", "lm_head.transform.dense"),
    ("head.norm", "lm_head.layer_norm", "lm_head.transform.layer_norm"),
    ("head", "lm_head", "lm_head"),
)
#: Our name of each size, the original's behind `encoder_`, and the hub's.
SIZES = (
    ("layers", "layers", "num_hidden_layers"),
    ("width", "embed_dim", "hidden_size"),
    ("heads", "attention_heads", "num_attention_heads"),
    ("feedforward", "ffn_embed_dim", "intermediate_size"),
    ("positions", "max_positions", "max_position_embeddings"),
    ("token_dropout", "token_dropout", "token_dropout"),
)
#: What a checkpoint may hold that an encoder has no use for: heads of other tasks, the hub's untrained pooler.
UNUSED = re.compile(r"(contact_head|ss_head|pooler)\.|.*position_ids$|version$")


@dataclass(frozen=True)
class RnaFmCheckpoint:
    """An RNA-FM read from disk or the hub.

    Attributes
    ----------
    model
        In evaluation mode, on the processor, fp32.
    revision
        First 12 digits of the SHA-256 of its files.
    location
        What to name to read the same again: an absolute path, or the hub's repository with the commit.
    """

    model: RnaFm
    revision: str
    location: str


def load(source: Path | str = HUB_NAME) -> RnaFmCheckpoint:
    """Read RNA-FM.

    Parameters
    ----------
    source
        `RNA-FM_pretrained.pth`, a folder with it or with config.json, vocab.txt and model.safetensors, that file, or a
        repository on the hub, `owner/name` or `owner/name@revision`.

    Raises
    ------
    UserError
        If there is no such place, a file is missing or damaged, or the weights are not those of an RNA-FM of the stated
        size: the missing and unexpected names are given.
    """
    path = Path(source)
    location = str(path.absolute())
    if not exists(path) and is_hub_name(str(source)):
        path = hub_folder(str(source), HUB_FILES)
        location = f"{str(source).partition('@')[0]}@{path.name}"
    if path.is_dir():
        path = next((path / name for name in (HUB_FILES[-1], ORIGINAL_FILE) if (path / name).exists()), path)
        if path.is_dir():
            raise UserError(
                f"{path} holds neither {HUB_FILES[-1]} nor {ORIGINAL_FILE}: no RNA-FM. Name another folder."
            )
    path = existing_file(path)
    if path.suffix == ".safetensors":
        files = [path, *(existing_file(path.parent / name) for name in HUB_FILES[:-1])]
        model = _read_hub(*files)
    else:
        files, model = [path], _read_original(path)
    return RnaFmCheckpoint(model.eval(), sha256(*files)[:12], location)


def _read_original(path: Path) -> RnaFm:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            said = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file provokes in the reader
        raise UserError(
            f"{path} is damaged, or holds more than weights, which is not run: "
            f"{_first_sentence(error)} Fetch {ORIGINAL_FILE} again."
        ) from error
    if not isinstance(said, dict) or not isinstance(said.get("model"), dict):
        raise UserError(f"{path} is no RNA-FM: it has no 'model' with weights. Name a {ORIGINAL_FILE}.")
    args = said.get("args")
    args = vars(args) if isinstance(args, argparse.Namespace) else args if isinstance(args, dict) else {}
    args = {str(key).rsplit("encoder_", 1)[-1]: value for key, value in args.items()}
    if isinstance(args.get("max_positions"), int):
        args["max_positions"] += 2  # the rows that belong to no token
    tensors = {str(key).rsplit("encoder.", 1)[-1]: value for key, value in said["model"].items()}
    return _built(path, 1, args, tensors, RNAFM_VOCABULARY)


def _read_hub(path: Path, config_path: Path, vocabulary_path: Path) -> RnaFm:
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        vocabulary = tuple(vocabulary_path.read_text(encoding="utf-8").split())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{config_path} or {vocabulary_path.name} is damaged: {error}. Copy it again.") from error
    if not isinstance(config, dict) or config.get("model_type", "rnafm") != "rnafm":
        raise UserError(f"{config_path} is not the config of an RNA-FM. Name another folder.")
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {re.sub(r"^(model|rnafm)\.", "", key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged: {error}. Copy it again.") from error
    tied, bias = tensors.pop("lm_head.decoder.weight", None), tensors.pop("lm_head.decoder.bias", None)
    if bias is not None:
        tensors.setdefault("lm_head.bias", bias)
    letters = tensors.get("embeddings.word_embeddings.weight")
    if tied is not None and letters is not None and not torch.equal(tied, letters):
        raise UserError(f"{path}: lm_head.decoder.weight is not the letters' embedding. RNA-FM's are one and the same.")
    return _built(path, 2, config, tensors, vocabulary)


def _built(
    path: Path, layout: int, said: dict[str, Any], tensors: dict[str, Any], vocabulary: tuple[str, ...]
) -> RnaFm:
    """An RnaFm from a checkpoint whose names are those of a column of PARTS and SIZES."""
    tensors = {key: value for key, value in tensors.items() if not UNUSED.match(key)}
    if layout == 1:
        tensors.pop("lm_head.weight", None)  # the letters' embedding once more
    sizes = {row[0]: said[row[layout]] for row in SIZES if said.get(row[layout]) is not None}
    try:
        config = RnaFmConfig(**sizes, head=any(key.startswith("lm_head.") for key in tensors))
        with torch.device("meta"):
            expected = {key: tuple(value.shape) for key, value in RnaFm(config).state_dict().items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"The sizes stated for {path} are not an RNA-FM's: {error}. Fetch it again.") from error
    theirs = {theirs: ours for ours, theirs in checkpoint_names(config, layout).items()}
    counted = {"embedding.tokens.weight", "head.bias"}  # along the vocabulary
    shapes = {
        name: (len(vocabulary), *expected[key][1:]) if key in counted else expected[key] for name, key in theirs.items()
    }
    wrong = differences(shapes, {key: tuple(getattr(value, "shape", ())) for key, value in tensors.items()})
    if wrong:
        raise UserError(f"{path} is no whole RNA-FM: {wrong}. Fetch it again, or name another checkpoint.")
    rows = _rows(path, vocabulary)
    ours = {key: tensors[name].float() for name, key in theirs.items()}
    model = RnaFm(config)
    model.load_state_dict({key: value[rows] if key in counted else value for key, value in ours.items()})
    return model


def checkpoint_names(config: RnaFmConfig, layout: int) -> dict[str, str]:
    """What each of our weights is called in the original (layout 1) or on the hub (2), without a prefix.

    Examples
    --------
    >>> checkpoint_names(RnaFmConfig(), 1)["layers.3.up.bias"], checkpoint_names(RnaFmConfig(), 2)["norm.weight"]
    ('layers.3.fc1.bias', 'encoder.layer_norm.weight')
    """
    with torch.device("meta"):
        return {key: _their_name(key, layout) for key in RnaFm(config).state_dict()}


def _their_name(key: str, layout: int) -> str:
    part, _, kind = key.rpartition(".")
    number = next((piece for piece in part.split(".") if piece.isdigit()), "")
    general = re.sub(r"\.\d+\.", ".N.", part)
    name = next(row[layout] for row in PARTS if row[0] == general)
    return f"{name.replace('.N.', f'.{number}.')}.{kind}"


def _rows(path: Path, vocabulary: tuple[str, ...]) -> Tensor:
    """(25,) int64: where each of RNA-FM's tokens stands in a checkpoint's vocabulary."""
    row = {token: number for number, token in enumerate(vocabulary)}
    unused = [token for token in RNAFM_VOCABULARY if token == "-" or token.startswith("<null")]
    missing = [token for token in RNAFM_VOCABULARY if token not in row and token not in unused]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(f"The vocabulary beside {path} lacks {', '.join(missing[:3])}{more}. It is another model's.")
    return torch.tensor([row.get(token, row["<unk>"]) for token in RNAFM_VOCABULARY])


def _first_sentence(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0].rstrip(".") + "."
