"""RNA-FM: what the peers' packages give, stored and live, and the laws of the network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ribospace.alphabet import tokenize
from ribospace.models import packed, rnafm_checkpoint
from ribospace.models.packed import PackedLinear, PackedRnaFm, can_prepack
from ribospace.models.rnafm import RNAFM_VOCABULARY, RnaFm, RnaFmConfig

FOLDER = Path(__file__).parent.parent / "reference" / "rnafm"
SEQUENCES = (FOLDER / "sequences.txt").read_text(encoding="utf-8").split()
PEERS = np.load(FOLDER / "embeddings.npz")
LAYOUTS = ["RNA-FM_pretrained.pth", "hub", "hub_2025"]
KINDS = [torch.float32, torch.bfloat16]


@pytest.fixture(params=LAYOUTS)
def model(request):
    return rnafm_checkpoint.load(FOLDER / request.param).model


@pytest.fixture
def original():
    return rnafm_checkpoint.load(FOLDER / LAYOUTS[0]).model


def padded(sequences):
    return torch.from_numpy(tokenize(sequences).padded()).long()


def flat(sequences):
    ids = torch.cat([padded([one])[0] for one in sequences])
    return ids, [len(one) + 2 for one in sequences]


def assert_like_the_peers(found, what="last", close=1e-4):
    for number, (one, sequence) in enumerate(zip(found, SEQUENCES, strict=True)):
        np.testing.assert_allclose(one[: len(sequence) + 2], PEERS[f"{what}_{number}"], atol=close, rtol=0)


@torch.inference_mode()
def test_every_layout_gives_the_peers_token_embeddings(model):
    assert_like_the_peers(model(padded(SEQUENCES)).numpy())
    assert_like_the_peers(model(padded(SEQUENCES), layer=1).numpy(), "first")
    ids, lengths = flat(SEQUENCES)
    for layer, what in ((None, "last"), (1, "first")):
        assert_like_the_peers([one.numpy() for one in PackedRnaFm(model)(ids, lengths, layer).split(lengths)], what)


@torch.inference_mode()
def test_logits_and_attention_are_the_peers(model):
    letters = [place for place, token in enumerate(RNAFM_VOCABULARY) if len(token) == 1 and token != "-"]
    logits = model.logits(padded(SEQUENCES))
    for number, sequence in enumerate(SEQUENCES):
        found = logits[number, : len(sequence) + 2, letters].numpy()
        np.testing.assert_allclose(found, PEERS[f"logits_{number}"][:, letters], atol=1e-4, rtol=0)
    for number, sequence in enumerate(one for one in SEQUENCES if len(one) < 20):
        maps = model.attention(padded([sequence, SEQUENCES[0]]))[0]
        tokens = len(sequence) + 2
        np.testing.assert_allclose(maps[:, :, :tokens, :tokens], PEERS[f"attention_{number}"], atol=1e-5, rtol=0)
        assert maps[:, :, tokens:].abs().max() == maps[:, :, :, tokens:].abs().max() == 0


@torch.inference_mode()
def test_padding_batch_and_order_change_nothing(original):
    together = original(padded(SEQUENCES))
    backwards = original(padded(SEQUENCES[::-1])).flip(0)
    for number, sequence in enumerate(SEQUENCES):
        tokens = len(sequence) + 2
        alone = original(padded([sequence]))[0]
        torch.testing.assert_close(together[number, :tokens], alone, atol=1e-5, rtol=0)
        torch.testing.assert_close(backwards[number, :tokens], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("bf16", [False, True])
def test_packed_equals_plain(original, bf16, tiles, monkeypatch):
    """Runs of one length, molecules of every way to attend, and any order."""
    sequences = ["ACGU", "GGCC", "A", *SEQUENCES, "ACG" * 30, "UGC" * 30]
    monkeypatch.setattr(packed, "has_tiles", lambda: tiles)
    found = PackedRnaFm(original, bf16)(*flat(sequences)).split([len(one) + 2 for one in sequences])
    with torch.inference_mode():
        expected = original(padded(sequences))
    for one, plain in zip(found, expected, strict=True):
        plain = plain[: len(one)]
        assert F.cosine_similarity(one, plain, dim=1).min() > (0.9995 if bf16 else 1 - 1e-6)
        if not bf16:
            torch.testing.assert_close(one, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [3, 32, 75, 300])
def test_every_way_to_attend_is_the_formula(kind, length):
    torch.manual_seed(0)
    projected = torch.randn(2, length, 3, 4, 8).to(kind)
    query, key, value = projected.float().permute(2, 0, 3, 1, 4)
    expected = (query @ key.transpose(-1, -2)).softmax(-1) @ value
    close = 1e-5 if kind == torch.float32 else 0.03
    torch.testing.assert_close(packed._attend(projected).float(), expected, atol=close, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gelu", [False, True])
def test_products_without_onednn_are_the_same(kind, gelu, monkeypatch):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(7, 24).to(kind), torch.randn(16, 24), torch.randn(16)
    fast = PackedLinear(weight, bias, kind, gelu)(x)
    monkeypatch.setattr(packed, "can_prepack", lambda kind: False)
    plain = PackedLinear(weight, bias, kind, gelu)
    assert not plain.prepacked
    close = 1e-5 if kind == torch.float32 else 0.1
    torch.testing.assert_close(fast, plain(x), atol=close, rtol=close)
    assert isinstance(can_prepack(kind), bool)


@torch.inference_mode()
def test_letters_that_rnafm_lacks_are_unknown(original):
    torch.testing.assert_close(original(padded(["AXA"])), original(padded(["AXA".lower()])))
    original.embedding.tokens.weight[RNAFM_VOCABULARY.index("<unk>"), 0] += 1  # of all, LayerNorm would take it back
    assert not torch.allclose(original(padded(["AXA"])), rnafm_checkpoint.load(FOLDER).model(padded(["AXA"])))


@torch.inference_mode()
def test_token_dropout_scales_letters():
    """As ESM-1b: 0.88 of the letters' embeddings, where nothing is masked."""
    torch.manual_seed(0)
    sizes = {"layers": 1, "width": 8, "heads": 2, "feedforward": 8}
    plain, scaled = RnaFm(RnaFmConfig(**sizes)), RnaFm(RnaFmConfig(**sizes, token_dropout=True))
    scaled.load_state_dict(plain.state_dict())
    scaled.embedding.tokens.weight.div_(0.88)
    torch.testing.assert_close(scaled(padded(SEQUENCES)), plain(padded(SEQUENCES)), atol=1e-5, rtol=0)


def test_what_does_not_fit_is_refused(original):
    with pytest.raises(ValueError, match="cut into windows"):
        original(padded(["A" * 99]))
    with pytest.raises(ValueError, match="no layer 3"):
        original(padded(["A"]), layer=3)


@pytest.mark.parametrize(
    ("sizes", "word"),
    [({"width": 10, "heads": 3}, "divisible"), ({"layers": 0}, "1 or more"), ({"positions": 4}, "5 or")],
)
def test_impossible_sizes_are_refused(sizes, word):
    with pytest.raises(ValueError, match=word):
        RnaFmConfig(**sizes)


def test_the_published_size():
    with torch.device("meta"):
        model = RnaFm(RnaFmConfig())
    assert model.config.window == 1022
    assert sum(one.numel() for one in model.parameters()) == pytest.approx(99.5e6, rel=0.005)


# -------------------------------------------------------------------- live


@torch.inference_mode()
def test_the_authors_package_gives_the_same():
    fm = pytest.importorskip("fm", reason="needs the extra peers: pip install 'ribospace[peers]'")
    said = torch.load(FOLDER / LAYOUTS[0], weights_only=False)
    from fm.pretrained import load_model_and_alphabet_core

    peer, alphabet = load_model_and_alphabet_core("RNA-FM_pretrained", said, None, "rna")
    assert isinstance(peer, fm.BioBertModel)
    ids = alphabet.get_batch_converter()([(str(number), one) for number, one in enumerate(SEQUENCES)])[2]
    found = peer.eval()(ids, repr_layers=[2])["representations"][2]
    ours = rnafm_checkpoint.load(FOLDER / LAYOUTS[0]).model(padded(SEQUENCES))
    for one, other, sequence in zip(found, ours, SEQUENCES, strict=True):
        torch.testing.assert_close(one[: len(sequence) + 2], other[: len(sequence) + 2], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_multimolecule_gives_the_same():
    peers = pytest.importorskip("multimolecule", reason="needs the extra peers: pip install 'ribospace[peers]'")
    peer = peers.RnaFmModel.from_pretrained(FOLDER / "hub").eval()
    vocabulary = (FOLDER / "hub" / "vocab.txt").read_text().split()
    ours = rnafm_checkpoint.load(FOLDER / "hub").model
    for sequence in SEQUENCES:
        ids = torch.tensor([[vocabulary.index(token) for token in ("<cls>", *sequence, "<eos>")]])
        found = peer(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        torch.testing.assert_close(found, ours(padded([sequence])), atol=1e-4, rtol=0)
