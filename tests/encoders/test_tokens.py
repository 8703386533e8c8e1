"""Token embeddings in a table of their own: ragged, whole after any kill, the same as computed at once."""

import signal
import subprocess
import sys
import textwrap
import time

import lance
import numpy as np
import pyarrow as pa
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.collection.token_table import TokenTable
from ribospace.encoders import tokens
from ribospace.encoders.kmer import KmerEncoder
from ribospace.encoders.random import random_encoder
from ribospace.encoders.tokens import embed_tokens
from ribospace.errors import UserError
from ribospace.models.autoencoder import AutoencoderConfig

SMALL = AutoencoderConfig(width=8, heads=2, feedforward=16, window=60)


@pytest.fixture
def encoder():
    return random_encoder(config=SMALL)


def stored(place):
    return {one: (sequence, embedded) for one, sequence, embedded in TokenTable.open(place).read()}


def require_right(place, batches, encoder, atol=1e-5):
    table = pa.Table.from_batches(batches)
    ids, sequences = table["id"].to_pylist(), table["sequence"].to_pylist()
    found = stored(place)
    assert list(found) == ids
    for one, sequence, embedded in zip(ids, sequences, encoder.token_embeddings(tokenize(sequences)), strict=True):
        assert found[one][0] == sequence
        assert found[one][1].shape == (len(sequence), 8)
        np.testing.assert_allclose(found[one][1], embedded, atol=atol)


def test_every_nucleotide_has_its_vector(molecules, tmp_path, encoder):
    batches = [molecules(30, "a", 1), molecules(10, "b", 2)]
    told = []
    done = embed_tokens(batches, encoder, tmp_path / "t.lance", progress=lambda *said: told.append(said[0]))
    assert (done.embedded, done.before, told[-1]) == (40, 0, 40)
    require_right(tmp_path / "t.lance", batches, encoder)
    plain = lance.dataset(str(tmp_path / "t.lance")).to_table()  # as any other program reads it
    assert [len(one) for one in plain["embedding"]] == [len(one.as_py()) for one in plain["sequence"]]


def test_only_what_is_new_is_embedded(molecules, tmp_path, encoder, monkeypatch):
    first, second = molecules(20, "a", 1), molecules(9, "b", 2)
    embed_tokens([first], encoder, tmp_path / "t.lance")
    asked, embed = [], encoder.token_embeddings
    monkeypatch.setattr(encoder, "token_embeddings", lambda tokens: (asked.append(len(tokens)), embed(tokens))[1])
    done = embed_tokens([first, second], encoder, tmp_path / "t.lance")
    assert (done.embedded, done.before, asked) == (9, 20, [9])
    require_right(tmp_path / "t.lance", [first, second], encoder)


def test_half(molecules, tmp_path, encoder):
    batch = molecules(5, "a", 1)
    embed_tokens([batch], encoder, tmp_path / "t.lance", half=True)
    require_right(tmp_path / "t.lance", [batch], encoder, atol=2e-3)
    with pytest.raises(UserError, match="holds float16: go on with --half"):
        embed_tokens([batch], encoder, tmp_path / "t.lance")


def test_some_molecules_are_read_by_id(molecules, tmp_path, encoder):
    batch = molecules(20, "a", 1)
    embed_tokens([batch], encoder, tmp_path / "t.lance")
    chosen = batch.column("id").to_pylist()[3:5]
    assert [one for one, _, _ in TokenTable.open(tmp_path / "t.lance").read(chosen)] == chosen


@pytest.mark.parametrize("written", [0, 1])
def test_what_fails_leaves_what_was_written_and_no_more(molecules, tmp_path, encoder, monkeypatch, written):
    monkeypatch.setattr(tokens, "WRITE_SECONDS", -1.0)
    batch = molecules(10, "a", 1)
    embed = encoder.token_embeddings

    def breaks(given):
        for number, one in enumerate(embed(given)):
            if number == written:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(encoder, "token_embeddings", breaks)
    with pytest.raises(KeyboardInterrupt):
        embed_tokens([batch], encoder, tmp_path / "t.lance")
    assert (tmp_path / "t.lance").exists() == bool(written)
    monkeypatch.undo()
    done = embed_tokens([batch], encoder, tmp_path / "t.lance")
    assert (done.embedded, done.before) == (10 - written, written)
    require_right(tmp_path / "t.lance", [batch], encoder)


def test_a_second_command_leaves_the_table_of_the_first(molecules, tmp_path, encoder):
    """The first holds the lock and has written nothing yet."""
    table = TokenTable.open_or_create(tmp_path / "t.lance", encoder.info())
    with table.writing():
        with pytest.raises(UserError, match="Another command is writing"):
            embed_tokens([molecules(3)], encoder, tmp_path / "t.lance")
        assert (tmp_path / "t.lance" / ".lock").exists()
    embed_tokens([molecules(3)], encoder, tmp_path / "t.lance")
    require_right(tmp_path / "t.lance", [molecules(3)], encoder)


def test_mistakes_are_said(molecules, tmp_path, encoder):
    batch, place = molecules(5, "a", 1), tmp_path / "t.lance"
    with pytest.raises(UserError, match="kmer2 embeds molecules alone"):
        embed_tokens([batch], KmerEncoder(2), place)
    with pytest.raises(UserError, match="kmer2 embeds molecules, not their nucleotides"):
        KmerEncoder(2).token_embeddings(tokenize(["A"]))
    with pytest.raises(UserError, match=r"ends in none of \.lance"):
        embed_tokens([batch], encoder, tmp_path / "t.npy")
    with pytest.raises(UserError, match="comes twice"):
        embed_tokens([batch, batch], encoder, place)
    assert not place.exists()
    embed_tokens([batch], encoder, place)
    with pytest.raises(UserError, match=r"made by random_0 .*not by this random_1"):
        embed_tokens([batch], random_encoder(1, config=SMALL), place)
    changed = batch.set_column(1, "sequence", pa.array(["A"] * 5))
    assert changed.schema.names[1] == "sequence"
    with pytest.raises(UserError, match="with another sequence"):
        embed_tokens([changed], encoder, place)
    Collection.create(tmp_path / "c")
    with pytest.raises(UserError, match="other than"):
        TokenTable.open(tmp_path / "c" / "molecules.lance")
    with pytest.raises(UserError, match="There is no table of tokens"):
        TokenTable.open(tmp_path / "none.lance")
    with TokenTable.open(place).writing(), pytest.raises(UserError, match="Another command is writing"):
        embed_tokens([batch], encoder, place)
    require_right(place, [batch], encoder)


def test_nan_writes_nothing(molecules, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(
        encoder, "token_embeddings", lambda given: (np.full((n, 8), np.nan, np.float32) for n in given.lengths)
    )
    with pytest.raises(UserError, match="NaN"):
        embed_tokens([molecules(3, "a", 1)], encoder, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


def test_a_disk_that_fills(small_disk, molecules, encoder, monkeypatch):
    """What was committed before stays, whole."""
    monkeypatch.setattr(tokens, "WRITE_BYTES", 500_000)
    place = small_disk(3) / "t.lance"
    with pytest.raises(UserError, match="The disk is full"):
        embed_tokens([molecules(8000, "a", 1)], encoder, place)
    found = stored(place)
    assert 0 < len(found) < 8000
    sequence, embedded = list(found.values())[-1]
    np.testing.assert_allclose(embedded, next(encoder.token_embeddings(tokenize([sequence]))), atol=1e-5)


RUN = """
    import sys
    from ribospace.cli import main
    from ribospace.encoders import engine, tokens
    engine.WRITE_SECONDS = tokens.WRITE_SECONDS = -1.0
    engine.PIECE_BYTES = 0
    sys.argv = ["ribospace", *sys.argv[1:]]
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("as_tokens", [True, False])
def test_a_killed_command_is_finished(molecules, tmp_path, encoder, as_tokens):
    """SIGKILL at any moment, again and again; then the table, or the column, is as from one run."""
    store, out = Collection.create(tmp_path / "c"), tmp_path / "t.lance"
    batches = [molecules(1500, "a", 1)]
    store.append(batches)
    words = ["embed", str(tmp_path / "c"), "--model", "random", *(["--tokens", "--out", str(out)] if as_tokens else [])]
    command = [sys.executable, "-c", textwrap.dedent(RUN), *words]
    there = (lambda: len(TokenTable.open(out)) if out.exists() else 0) if as_tokens else (lambda: written(store))
    kills = 0
    for number in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began, before = time.monotonic(), there()
        while process.poll() is None and time.monotonic() - began < 60:
            time.sleep(0.03)
            if there() > before + 100 * number:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        if process.wait() == 0:
            break
    assert kills
    subprocess.run(command, check=True, capture_output=True)
    whole = random_encoder()
    if as_tokens:
        assert list(stored(out)) == store.table(["id"])["id"].to_pylist()
        for sequence, embedded in stored(out).values():
            np.testing.assert_allclose(embedded, next(whole.token_embeddings(tokenize([sequence]))), atol=1e-5)
    else:
        found = Collection.open(tmp_path / "c").embedding("random_0")[1]
        np.testing.assert_allclose(found, whole.encode(tokenize(store.table(["sequence"])["sequence"])), atol=1e-5)


def written(store):
    dataset = store.lance()
    return dataset.count_rows("random_0 IS NOT NULL") if "random_0" in dataset.schema.names else 0


def test_the_command(run, tmp_path, molecules):
    file = tmp_path / "few.fasta"
    file.write_text(">a\nACGU\n>b\nGGGCCC\n", encoding="utf-8")
    out = tmp_path / "t.lance"
    answer = run("embed", str(file), "--model", "random", "--tokens", "--out", str(out))
    assert "Embedded 2 molecules" in answer.out
    assert "every nucleotide" in answer.out
    again = run("embed", str(file), "--model", "random", "--tokens", "--out", str(out))
    assert "2 were there before" in again.out
    assert [len(embedded) for _, embedded in stored(out).values()] == [4, 6]
