import anndata
import numpy as np
import pyarrow.parquet as pq
import pytest

from ribospace.alphabet import tokenize
from ribospace.encoders import engine
from ribospace.encoders.kmer import KmerEncoder
from ribospace.encoders.vectors import embed_to_file
from ribospace.errors import UserError
from ribospace.records import record_batch

ENCODER = KmerEncoder(2)


@pytest.fixture
def batches(molecules, monkeypatch):
    """Three hundred molecules whose ids and lengths are in no order, in two batches and three pieces."""
    monkeypatch.setattr(engine, "PIECE_BYTES", 0)
    first, second = molecules(290, "z", 1, rna_type="tRNA"), molecules(10, "a", 2, rna_type="rRNA")
    return [first, second]


def expected(batches):
    ids = [one for batch in batches for one in batch.column("id").to_pylist()]
    return ids, np.concatenate([ENCODER.encode(tokenize(batch.column("sequence"))) for batch in batches])


def test_npy_and_its_ids(batches, tmp_path):
    assert embed_to_file(iter(batches), ENCODER, tmp_path / "vectors.npy") == 300
    ids, vectors = expected(batches)
    found = np.load(tmp_path / "vectors.npy", allow_pickle=False)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors)
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy", mmap_mode="r"), vectors)
    assert (tmp_path / "vectors.ids.txt").read_text(encoding="utf-8").splitlines() == ids
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vectors.ids.txt", "vectors.npy"]


def test_parquet(batches, tmp_path):
    assert embed_to_file(iter(batches), ENCODER, tmp_path / "vectors.parquet") == 300
    ids, vectors = expected(batches)
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table["id"].to_pylist() == ids
    assert set(table["rna_type"].to_pylist()) == {"tRNA", "rRNA"}
    np.testing.assert_array_equal(np.array(table["kmer2"].to_pylist(), dtype="f4"), vectors)
    said = {b"encoder": b"kmer2", b"revision": b"1", b"pooling": b"none", b"width": b"16"}
    assert said.items() <= table.schema.field("kmer2").metadata.items()


def test_h5ad(batches, tmp_path):
    assert embed_to_file(iter(batches), ENCODER, tmp_path / "vectors.h5ad") == 300
    ids, vectors = expected(batches)
    data = anndata.read_h5ad(tmp_path / "vectors.h5ad")
    assert data.obs_names.tolist() == ids
    np.testing.assert_array_equal(data.obsm["kmer2"], vectors)
    assert data.obs["rna_type"].astype(str).tolist() == ["tRNA"] * 290 + ["rRNA"] * 10
    assert data.uns["ribospace"]["kmer2"]["encoder"] == "kmer2"


def faulty(batches):
    yield from batches
    yield record_batch(["bad"], ["Z"])


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet", "vectors.h5ad"])
def test_nothing_stays_of_a_run_that_failed(batches, tmp_path, name):
    with pytest.raises(UserError, match="'Z' is not a letter"):
        embed_to_file(faulty(batches), ENCODER, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).write_text("before")
    with pytest.raises(UserError):
        embed_to_file(faulty(batches), ENCODER, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


@pytest.mark.parametrize("name", ["vectors", "vectors.csv", "vectors.npz"])
def test_another_ending_is_refused(batches, tmp_path, name):
    with pytest.raises(UserError, match=r"ends in none of \.parquet, \.npy, \.h5ad"):
        embed_to_file(iter(batches), ENCODER, tmp_path / name)


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet", "vectors.h5ad"])
def test_the_command(run, refused, tmp_path, name):
    fasta, out = tmp_path / "a.fasta", tmp_path / name
    fasta.write_text(">z tRNA x\nACGT\n>a\nGGGGGGGGGG\n>m\nCC\n")
    answer = run("embed", fasta, "--model", "kmer2", "--out", out, "--json")
    assert answer.code == 0
    assert answer.json["embedded"] == 3
    assert answer.json["files"][0] == str(out)
    if out.suffix == ".npy":
        assert (tmp_path / "vectors.ids.txt").read_text() == "z\na\nm\n"
        assert answer.json["files"][1] == str(tmp_path / "vectors.ids.txt")
        np.testing.assert_array_equal(np.load(out), ENCODER.encode(tokenize(["ACGU", "GGGGGGGGGG", "CC"])))
    out.unlink()
    fasta.write_text(">z\nACGT\n>a\nGGZ\n")
    refused(["embed", fasta, "--model", "kmer2", "--out", out], "a.fasta, record 2 ('a'), position 3")
    refused(["embed", fasta, "--model", "kmr2", "--out", out], "There is no model 'kmr2'", "Did you mean kmer2")
    refused(["embed", fasta, "--model", "kmer2"], "say where its vectors go")
    for name, said in (("none.fasta", "none.fasta does not exist"), ("none", "There is no file and no collection at")):
        refused(["embed", tmp_path / name, "--model", "kmer2", "--out", out], said)
    assert not out.exists()


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet", "vectors.h5ad"])
def test_a_disk_that_fills(small_disk, molecules, name):
    disk, generator, encoder = small_disk(1), np.random.default_rng(0), KmerEncoder(5)
    encoder.encode = lambda tokens: generator.normal(size=(len(tokens), 1024)).astype("f4")  # packs badly
    with pytest.raises(UserError, match=r"The disk is full: .*vectors\..* was not written"):
        embed_to_file(iter([molecules(300, "a", 1), molecules(300, "b", 2)]), encoder, disk / name)
    assert list(disk.iterdir()) == []
