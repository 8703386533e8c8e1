"""Training: what is learnt, what is held out, what is never counted."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch
from rapidfuzz.distance import Levenshtein

from ribospace.alphabet import END, FIRST_LETTER, LETTERS, MASK, PAD, START, VOCABULARY_SIZE, detokenize, tokenize
from ribospace.batching import cut_windows
from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.encoders import find_encoder
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.autoencoder import AutoencoderConfig, Outputs
from ribospace.models.device import has_bf16, use_bf16
from ribospace.records import record_batch
from ribospace.training.config import OptimizerConfig, TrainConfig, read_preset
from ribospace.training.data import NEAR_COPY, WORD, DataConfig, _word_matrix, hold_out, step_batches, training_data
from ribospace.training.metrics import character_error_rate
from ribospace.training.objectives import Batch, ObjectiveConfig, Weighting, describe, loss_sums, sow_codes, spoil
from ribospace.training.train import train

SMALL = {
    "data": {"held_out": 0.2},
    "model": {"width": 32, "heads": 2, "encoder_layers": 1, "feedforward": 64, "window": 30},
    "optimizer": {"steps": 250, "token_budget": 1024, "precision": "fp32", "warmup": 20},
    "objective": {"mask": 0.0},
}


@pytest.fixture
def words(tmp_path):
    """120 random molecules of 8 to 24 nt."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), length)) for length in generator.integers(8, 25, 120)]
    store = Collection.create(tmp_path / "words")
    store.append([record_batch([f"w{n}" for n in range(120)], sequences)])
    return store


def test_autoencoder_learns_to_write_molecules_it_never_saw(words, tmp_path):
    answer = train(words, tmp_path / "model", from_mapping(TrainConfig, SMALL))
    figures = answer["figures"]
    assert answer["data"]["validation_molecules"] > 5
    assert figures["validation_cer"] < 0.2 < figures["first_loss"]
    assert figures["last_loss"] < 0.5 * figures["first_loss"]
    found = checkpoint.load(tmp_path / "model")
    assert found.about["training"]["seed"] == 0
    assert found.about["figures"] == figures
    vectors = find_encoder(str(tmp_path / "model")).encode(tokenize(words.table(["sequence"])["sequence"]))
    variances = np.linalg.eigvalsh(np.cov(vectors.T))
    assert 0.5 < variances[-1] < 2  # whitened: no direction drowns the others
    assert np.abs(vectors.mean(axis=0)).max() < 0.3


def test_same_seed_same_weights(words, tmp_path):
    settings = SMALL | {"optimizer": SMALL["optimizer"] | {"steps": 5}, "objective": {"mask": 0.15}}
    config = from_mapping(TrainConfig, settings)
    for name in ("one", "two"):
        train(words, tmp_path / name, config)
    one, two = (checkpoint.load(tmp_path / name).model.state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    train(words, tmp_path / "other", from_mapping(TrainConfig, settings | {"seed": 1}))
    other = checkpoint.load(tmp_path / "other").model.state_dict()
    assert not torch.equal(one["writer.bias"], other["writer.bias"])


def test_minutes_stop_and_say_so(words, tmp_path):
    settings = SMALL | {"optimizer": SMALL["optimizer"] | {"steps": 10_000, "minutes": 0.0005}}
    figures = train(words, tmp_path / "model", from_mapping(TrainConfig, settings))["figures"]
    assert figures["steps"] < 10_000
    assert "stopped after" in figures["stopped"]


def test_bf16_trains_where_the_machine_has_it(words, tmp_path):
    settings = SMALL | {"optimizer": SMALL["optimizer"] | {"steps": 20, "precision": "bf16"}}
    figures = train(words, tmp_path / "model", from_mapping(TrainConfig, settings))["figures"]
    assert figures["last_loss"] < figures["first_loss"]
    cpu = torch.device("cpu")
    assert use_bf16("auto", cpu) == has_bf16(cpu)
    with pytest.raises(UserError, match="fp32"):
        use_bf16("fp23", cpu)


def test_held_out_molecules_have_no_near_copy_in_training():
    generator = np.random.default_rng(1)
    originals = ["".join(generator.choice(list("ACGU"), 80)) for _ in range(100)]
    copies = [one[:40] + "A" + one[41:] for one in originals[:50]]
    tokens = tokenize(sorted(set(originals + copies)))
    windows, molecule = cut_windows(tokens, 60, 15)
    held = hold_out(windows, molecule, 0.2, seed=0)
    assert len(held.candidates) == round(0.2 * len(tokens))
    assert 0 < len(held.kept) < len(held.candidates)
    sequences = detokenize(tokens)

    def kmers(text):
        return {text[at : at + WORD] for at in range(len(text) - WORD + 1)}

    pieces = detokenize(windows)
    trained = [kmers(piece) for piece, owner in zip(pieces, molecule, strict=True) if owner not in held.candidates]
    for candidate in held.candidates:
        own = [kmers(piece) for piece, owner in zip(pieces, molecule, strict=True) if owner == candidate]
        copied = any(len(one & other) > NEAR_COPY * len(one) for one in own for other in trained)
        assert not copied or candidate not in held.kept, sequences[candidate]


@pytest.mark.parametrize("share_changed", [0.05, 0.1, 0.18])
def test_mutated_copies_are_near_copies(share_changed):
    generator = np.random.default_rng(2)
    originals = generator.choice(list("ACGU"), (150, 75))
    change = generator.random((150, 75)) < share_changed
    mutants = np.where(change, generator.choice(list("ACGU"), (150, 75)), originals)
    tokens = tokenize(["".join(row) for row in np.concatenate([originals, mutants])])
    held = hold_out(tokens, np.arange(300), 0.2, seed=0)
    sequences = detokenize(tokens)
    left = [one for one in held.kept if (one + 150) % 300 not in held.candidates]  # with their partner in training
    alike = [
        one for one in left if Levenshtein.normalized_similarity(sequences[one], sequences[(one + 150) % 300]) >= 0.8
    ]
    assert len(alike) <= 1  # one may share too few 6-mers to be looked at


def test_short_molecules_are_words_of_their_own():
    tokens = tokenize(["ACG", "UACGGA", "GGGGGG", "ACGUAC", "ACG"])
    words = _word_matrix(tokens).toarray()
    assert (words @ words.T > 0).tolist() == [[i == j or {i, j} == {0, 4} for j in range(5)] for i in range(5)]


def test_training_data_covers_everything_once(words):
    data = training_data(words, DataConfig(held_out=0.2), 10, 0)
    assert data.about["distinct_molecules"] == 120
    held = int(data.about["validation_molecules"]) + int(data.about["validation_near_copies_left_out"])
    assert int(data.about["training_molecules"]) + held == 120
    assert max(data.training.tokens.lengths) <= 10
    assert not set(detokenize(data.training.tokens)) & set(detokenize(data.validation.tokens))
    with pytest.raises(UserError, match="distinct molecules"):
        training_data(words, DataConfig("id = 'w1'"), 10, 0)


def test_a_split_column_is_kept_to(words, tmp_path):
    store = Collection.create(tmp_path / "split")
    batch = next(iter(words.read()))
    parts = ["train"] * 80 + ["validation"] * 20 + ["test"] * 15 + [None] * 5
    store.append([batch.append_column("split", pa.array(parts))])
    data = training_data(store, DataConfig(split="split"), 30, 0)
    sequences = batch.column("sequence").to_pylist()
    assert set(detokenize(data.training.tokens)) == set(sequences[:80])
    assert set(detokenize(data.validation.tokens)) == set(sequences[80:100])
    with pytest.raises(UserError, match="column"):
        training_data(store, DataConfig(split="spilt"), 30, 0)
    with pytest.raises(UserError, match="train"):
        training_data(store, DataConfig("split = 'test'", "split"), 30, 0)


def test_a_split_column_validates_on_a_thousand_at_most(words, tmp_path, monkeypatch):
    store = Collection.create(tmp_path / "split")
    store.append([next(iter(words.read())).append_column("split", pa.array(["train", "validation"] * 60))])
    monkeypatch.setattr("ribospace.training.data.MOST_HELD_OUT", 7)
    one, again, other = (training_data(store, DataConfig(split="split"), 30, seed) for seed in (0, 0, 1))
    drawn = detokenize(one.validation.tokens)
    assert len(drawn) == one.about["validation_molecules"] == 7
    assert "7 of 60, drawn with seed 0" in str(one.about["split"])
    assert drawn == detokenize(again.validation.tokens) != detokenize(other.validation.tokens)
    assert len(one.training) == 60


def test_classes_are_those_of_the_molecules_trained_on(words, tmp_path):
    kinds = ["a", "b", None, "c"]
    columns = {"split": ["train", "train", "train", "validation"] * 30, "kind": kinds * 30}
    batch = next(iter(words.read()))
    for name, values in columns.items():
        batch = batch.append_column(name, pa.array(values))
    store = Collection.create(tmp_path / "split")
    store.append([batch])
    config = DataConfig(split="split", label="kind")
    data = training_data(store, config, 30, 0, None)
    assert data.classes == ("a", "b")
    assert set(data.training.labels.tolist()) == {0, 1, -1}
    assert set(data.validation.labels.tolist()) == {-1}
    missing, unseen = data.said
    assert missing.startswith("30 of 120 molecules have no kind")
    assert unseen.startswith("In validation the kind of 30 molecules is none that the model learns (c)")
    named = training_data(store, config, 30, 0, ("a", "z"))
    assert named.classes == ("a", "z")
    assert named.said[0] == "No molecule trained on has the kind z, which model.classes names"
    assert training_data(store, config, 30, 0).said == ()


def test_steps_hold_every_window_once_in_an_order_of_their_own():
    lengths = np.arange(1, 40)

    def rows(epoch):
        return [[batch.tolist() for batch in step] for step in step_batches(lengths, 256, seed=0, epoch=epoch)]

    steps = rows(0)
    assert sorted(row for step in steps for batch in step for row in batch) == list(range(39))
    assert all(len(step) == 4 for step in steps[:-1])
    assert rows(0) == steps
    assert rows(1) != steps


def batch_of(tokens, chosen=None, labels=None):
    nothing = torch.zeros_like(tokens, dtype=torch.bool)
    labels = torch.full((len(tokens),), -1) if labels is None else labels
    return Batch(tokens, tokens, nothing if chosen is None else chosen, labels)


TOKENS = torch.tensor([[START, 9, 8, END, PAD, PAD], [START, 7, 6, 9, 8, END]])


def test_padding_never_counts_in_a_loss():
    logits = torch.randn(2, 6, 22)
    objective = ObjectiveConfig(written=1.0, letters=1.0)
    batch = batch_of(TOKENS)
    sums = loss_sums(Outputs(logits, logits), batch, objective)
    spoiled = logits.clone()
    spoiled[0, 3:] = 1e3 * torch.randn(3, 22)
    again = loss_sums(Outputs(spoiled, spoiled), batch, objective)
    chances = torch.log_softmax(logits, -1)
    written = [chances[0, t, TOKENS[0, t + 1]] for t in range(3)] + [chances[1, t, TOKENS[1, t + 1]] for t in range(5)]
    letters = [chances[0, t, TOKENS[0, t]] for t in (1, 2)] + [chances[1, t, TOKENS[1, t]] for t in (1, 2, 3, 4)]
    for found in (sums, again):
        torch.testing.assert_close(found["written"], -torch.stack(written).sum())
        torch.testing.assert_close(found["letters"], -torch.stack(letters).sum())
    assert batch.counts() == {"written": 8, "letters": 6, "masked": 0, "classes": 0, "described": 2}


def test_the_masked_loss_counts_chosen_letters_and_the_classes_only_known_ones():
    logits, types = torch.randn(2, 6, 22), torch.randn(2, 3)
    chosen = torch.zeros(2, 6, dtype=torch.bool)
    chosen[1, 2] = True
    batch = batch_of(TOKENS, chosen, torch.tensor([-1, 2]))
    sums = loss_sums(Outputs(None, logits, types), batch, ObjectiveConfig(0.0, 0.0, 1.0, 1.0))
    torch.testing.assert_close(sums["masked"], -torch.log_softmax(logits, -1)[1, 2, TOKENS[1, 2]])
    torch.testing.assert_close(sums["classes"], -torch.log_softmax(types, -1)[1, 2])
    assert batch.counts()["masked"] == batch.counts()["classes"] == 1


def test_a_composite_is_the_sum_of_its_parts():
    means = {"written": torch.tensor(1.5), "letters": torch.tensor(0.7), "classes": torch.tensor(2.0)}
    objective = ObjectiveConfig(written=0.6, letters=0.3, classes=0.1)
    assert float(Weighting(objective)(means)) == pytest.approx(0.6 * 1.5 + 0.3 * 0.7 + 0.1 * 2.0)
    alpha = Weighting(ObjectiveConfig(written=0.9, classes=0.1, weighting="alpha"))
    two = {name: means[name] for name in ("written", "classes")}
    assert float(alpha(two)) == pytest.approx(0.9 * 1.5 + 0.1 * 2.0)
    alpha.alpha.data.fill_(7.0)
    assert alpha.learned() == pytest.approx({"letters": 0.9, "classes": 0.1})
    spread = Weighting(ObjectiveConfig(written=1.0, classes=1.0, weighting="uncertainty"))
    assert float(spread(two)) == pytest.approx(3.5)
    spread.spread["classes"].data.fill_(1.0)
    assert float(spread(two)) == pytest.approx(1.5 + 2.0 * np.exp(-1) + 1.0)


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_pieces_of_a_step_make_the_whole_step(weighting):
    objective = ObjectiveConfig(written=0.6, letters=0.4, weighting=weighting)
    weigh = Weighting(objective)
    if weighting == "uncertainty":
        weigh.spread["letters"].data.fill_(0.5)
    logits = torch.randn(2, 6, 22)
    batch = batch_of(TOKENS)
    terms = batch.counts()

    def loss(rows, share):
        part = Batch(*(one[rows] for one in (batch.tokens, batch.spoiled, batch.chosen, batch.labels)))
        sums = loss_sums(Outputs(logits[rows], logits[rows]), part, objective)
        return weigh({name: value / terms[name] for name, value in sums.items()}, share)

    whole = loss(slice(None), 1.0)
    torch.testing.assert_close(loss(slice(0, 1), 0.5) + loss(slice(1, 2), 0.5), whole)


def test_masks_have_berts_proportions_and_spare_special_tokens():
    tokens = torch.full((200, 102), 9)
    tokens[:, 0], tokens[:, -2], tokens[:, -1] = START, END, PAD
    spoiled, chosen = spoil(tokens, 0.15, torch.Generator().manual_seed(0))
    letters = tokens == 9
    assert torch.equal(spoiled[~chosen], tokens[~chosen])
    assert not (chosen & ~letters).any()
    assert chosen.sum() / letters.sum() == pytest.approx(0.15, abs=0.01)
    assert ((spoiled == MASK) & letters).sum() / letters.sum() == pytest.approx(0.12, abs=0.01)
    other = (spoiled != tokens) & (spoiled != MASK)
    assert other.sum() / letters.sum() == pytest.approx(0.015 * 3 / 4, abs=0.004)  # a random base is A itself in 1 of 4
    assert torch.equal(spoiled, spoil(tokens, 0.15, torch.Generator().manual_seed(0))[0])
    assert torch.equal(spoil(tokens, 0.0, torch.Generator().manual_seed(0))[0], tokens)


def test_codes_are_sown_among_letters_only():
    tokens = torch.from_numpy(tokenize(["ACGU" * 50] * 2000).padded()).long()
    sown = sow_codes(tokens, 0.05, torch.Generator().manual_seed(0))
    changed = sown != tokens
    letters = tokens >= FIRST_LETTER
    assert not changed[~letters].any()
    assert float(changed[letters].float().mean()) == pytest.approx(0.05, abs=0.01)
    by_molecule = changed.float().mean(dim=1)
    assert float((by_molecule == 0).float().mean()) > 0.5
    assert float(by_molecule.max()) > 0.5
    assert set(sown[changed].tolist()) == set(range(FIRST_LETTER + 4, VOCABULARY_SIZE))
    assert torch.equal(sow_codes(tokens, 0.0, torch.Generator()), tokens)


def test_character_error_rate_known_values():
    assert character_error_rate(["kitten"], ["sitting"]) == pytest.approx(3 / 7)
    assert character_error_rate(["", "ACGU"], ["AC", "ACGU"]) == pytest.approx(2 / 6)


def test_learning_rate_warms_up_and_falls_to_zero():
    settings = OptimizerConfig(steps=100, warmup=10)
    rates = [settings.rate(step) / settings.learning_rate for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == pytest.approx(1)
    assert rates[100] == pytest.approx(0)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": {"steps": 0}},
        {"optimizer": {"steps": 10**20}},
        {"data": {"held_out": 1.0}},
        {"objective": {"mask": -0.1}},
        {"objective": {"written": 0.0}},
        {"objective": {"weighting": "alpha"}},
        {"optimizer": {"patience": 3}},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError, match=r"must be|not in|above 0|set evaluate_every"):
        from_mapping(TrainConfig, settings)


def test_defaults_are_what_the_docs_say():
    assert TrainConfig().model == AutoencoderConfig()
    assert TrainConfig().model.width == 64


def test_every_preset_is_a_config():
    assert from_mapping(TrainConfig, read_preset("default")) == TrainConfig()
    talk = from_mapping(TrainConfig, read_preset("talk"))
    assert (talk.model.feedforward, talk.model.positions, talk.objective.label_smoothing) == (2048, "sinusoidal", 0.1)
    with pytest.raises(UserError, match="default"):
        read_preset("defautl")


def test_a_molecule_is_described_by_its_length_and_words():
    sequences = ["ACGUACGGAC", "GGNGG", "AC", "NACGN"]
    found = describe(torch.from_numpy(tokenize(sequences).padded()).long())
    words = ["".join(word) for word in itertools.product(LETTERS[:4], repeat=3)]
    for row, sequence in zip(found.numpy(), sequences, strict=True):
        counts = np.array([sum(sequence[at:].startswith(word) for at in range(len(sequence))) for word in words])
        np.testing.assert_allclose(row[0], np.log(len(sequence)) / 5, rtol=1e-5)
        np.testing.assert_allclose(row[1:], np.sqrt(counts / max(counts.sum(), 1)), atol=1e-6)


def test_a_training_begins_with_another_s_weights(words, tmp_path):
    few = SMALL | {"optimizer": SMALL["optimizer"] | {"steps": 60, "schedule": "constant"}}
    first = train(words, tmp_path / "first", from_mapping(TrainConfig, few))
    went_on = train(words, tmp_path / "second", from_mapping(TrainConfig, few | {"start": str(tmp_path / "first")}))
    assert went_on["figures"]["first_loss"] < 1.1 * first["figures"]["last_loss"] < first["figures"]["first_loss"]
    assert checkpoint.load(tmp_path / "second").about["training"]["start"] == str(tmp_path / "first")


def test_a_start_of_other_sizes_is_refused_and_named(words, tmp_path):
    train(words, tmp_path / "first", from_mapping(TrainConfig, SMALL | {"optimizer": {"steps": 2}}))
    wider = SMALL | {"model": SMALL["model"] | {"width": 16}, "start": str(tmp_path / "first")}
    with pytest.raises(UserError, match="other sizes"):
        train(words, tmp_path / "second", from_mapping(TrainConfig, wider))
    deeper = SMALL | {"model": SMALL["model"] | {"encoder_layers": 2}, "start": str(tmp_path / "first")}
    with pytest.raises(UserError, match=r"encoder\.1"):
        train(words, tmp_path / "third", from_mapping(TrainConfig, deeper))


def test_a_start_with_words_is_not_taken_without_them(words, tmp_path):
    spelled = SMALL | {"model": SMALL["model"] | {"words": 3}, "optimizer": {"steps": 2}}
    train(words, tmp_path / "first", from_mapping(TrainConfig, spelled))
    plain = SMALL | {"start": str(tmp_path / "first")}
    with pytest.raises(UserError, match=r"words\.vectors unexpected"):
        train(words, tmp_path / "second", from_mapping(TrainConfig, plain))
