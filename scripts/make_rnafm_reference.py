"""Make tests/reference/rnafm: tiny random RNA-FMs in every layout, and what the peers' packages embed with them.

Run with the packages of the extra `peers`:

    python scripts/make_rnafm_reference.py tests/reference/rnafm

The weights are drawn once, with the authors' package, and carried over into multimolecule's names; both packages must
agree before anything is written. Embeddings are (L + 2, D), with cls and eos.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import fm
import numpy as np
import torch
from multimolecule import RnaFmConfig, RnaFmForPreTraining, RnaTokenizer
from multimolecule.models.rnafm.convert_checkpoint import _convert_checkpoint, original_vocabs
from safetensors.torch import save_file

SIZES = {"layers": 2, "embed_dim": 20, "ffn_embed_dim": 40, "attention_heads": 4, "max_positions": 100}
LONGEST = 98
#: The order before the vocabulary grew to 28, and today's without its last two.
OLDER = ("<pad>", "<cls>", "<eos>", "<unk>", "<mask>", "<null>", *"ACGUNRYSWKMBDHV.X*-I")


def main(folder: Path) -> None:
    """Write the checkpoints, the molecules and the peers' embeddings of them."""
    folder.mkdir(parents=True, exist_ok=True)
    sequences = _sequences()
    model, alphabet, checkpoint = _original()
    torch.save(checkpoint, folder / "RNA-FM_pretrained.pth")
    found = _embed_original(model, alphabet, sequences)
    for name, prefix, vocabulary in (
        ("hub", "model.", tuple(RnaTokenizer().get_vocab())),
        ("hub_2025", "rnafm.", OLDER),
    ):
        hub = _hub(checkpoint["model"], vocabulary)
        for one, other in zip(found["last"], _embed_hub(hub, vocabulary, sequences), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        _save_hub(folder / name, hub, prefix, vocabulary)
    arrays = {f"{what}_{number}": one for what, several in found.items() for number, one in enumerate(several)}
    np.savez_compressed(folder / "embeddings.npz", **arrays)
    (folder / "sequences.txt").write_text("\n".join(sequences) + "\n", encoding="utf-8")


def _sequences() -> list[str]:
    """Three short RNAs of the shipped sample, of different lengths, one letter alone, and every letter RNA-FM knows."""
    rows = Path("src/ribospace/data/sample.tsv").read_text(encoding="utf-8").splitlines()[1:]
    real = {len(one): one for one in (row.split("\t")[1] for row in rows) if len(one) <= LONGEST}
    return [*(real[length] for length in sorted(real)[-1::-12][:3]), "G", "ACGURYKMSWBDHVN"]


def _original() -> tuple[torch.nn.Module, fm.Alphabet, dict[str, Any]]:
    torch.manual_seed(0)
    alphabet = fm.Alphabet.from_architecture("roberta_large", "rna")
    args = argparse.Namespace(arch="roberta_large", emb_layer_norm_before=True, **SIZES)
    model = fm.BioBertModel(args, alphabet).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # also biases and norms, which begin as zeros and ones
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.embed_tokens.weight[alphabet.mask_idx].zero_()
    said = argparse.Namespace(
        arch="roberta_large", max_positions=SIZES["max_positions"],
        **{f"encoder_{key}": value for key, value in SIZES.items() if key != "max_positions"},
    )  # fmt: skip
    weights = {f"encoder.{key}": value.clone() for key, value in model.state_dict().items()}
    return model, alphabet, {"args": said, "model": weights}


@torch.no_grad()
def _embed_original(model: torch.nn.Module, alphabet: fm.Alphabet, sequences: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"last": [], "first": [], "attention": [], "logits": []}
    convert = alphabet.get_batch_converter()
    for sequence in sequences:
        out = model(convert([("x", sequence)])[2], repr_layers=[1, 2], need_head_weights=True)
        found["last"].append(out["representations"][2][0].numpy())
        found["first"].append(out["representations"][1][0].numpy())
        found["logits"].append(out["logits"][0].numpy())
        if len(sequence) < 20:
            found["attention"].append(out["attentions"][0].numpy())
    return found


def _hub(weights: dict[str, torch.Tensor], vocabulary: tuple[str, ...]) -> RnaFmForPreTraining:
    config = RnaFmConfig(
        vocab_size=len(vocabulary), hidden_size=20, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
        max_position_embeddings=102,
    )  # fmt: skip
    model = RnaFmForPreTraining(config)
    form = {"encoder.encoder." + key.rsplit("encoder.", 1)[-1]: value.clone() for key, value in weights.items()}
    model.load_state_dict(_convert_checkpoint(config, form, list(vocabulary), original_vocabs["single"]))
    return model.eval()


@torch.no_grad()
def _embed_hub(model: RnaFmForPreTraining, vocabulary: tuple[str, ...], sequences: list[str]) -> list[np.ndarray]:
    number = {token: place for place, token in enumerate(vocabulary)}
    found = []
    for sequence in sequences:
        ids = torch.tensor([[number["<cls>"], *(number[letter] for letter in sequence), number["<eos>"]]])
        found.append(model.model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].numpy())
    return found


def _save_hub(folder: Path, model: RnaFmForPreTraining, prefix: str, vocabulary: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True)
    weights = {
        (prefix + key.removeprefix("model.") if key.startswith("model.") else key): value.clone().contiguous()
        for key, value in model.state_dict().items()
    }
    config = model.config.to_dict()
    if prefix == "rnafm.":
        config["layer_norm_eps"] = 1e-12
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
