"""One embedding for other programs."""

import numpy as np
import pytest

from ribospace.collection.export_vectors import export_vectors
from ribospace.encoders import embed_collection, find_encoder
from ribospace.errors import UserError
from ribospace.records import record_batch


@pytest.fixture
def embedded(collection):
    """Fifty molecules with vectors, and one without."""
    embed_collection(collection, find_encoder("kmer2"))
    collection.append([record_batch(["last"], ["ACGU"], {"description": ["a\ttab\nand more"]})])
    return collection


def test_npy_and_its_ids(embedded, tmp_path):
    rows, files = export_vectors(embedded, tmp_path / "v.npy")
    ids, vectors = embedded.embedding("kmer2")
    assert (rows, [file.name for file in files]) == (50, ["v.npy", "v.ids.txt"])
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy", allow_pickle=False), vectors)
    assert files[1].read_text().splitlines() == ids
    assert export_vectors(embedded, tmp_path / "t.npy", "kmer2", "rna_type = 'tRNA'")[0] == 25
    assert np.load(tmp_path / "t.npy").shape == (25, 16)


def test_faiss_finds_by_cosine(embedded, tmp_path):
    import faiss

    export_vectors(embedded, tmp_path / "v.faiss")
    ids, vectors = embedded.embedding("kmer2")
    assert (tmp_path / "v.ids.txt").read_text().splitlines() == ids
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss.read_index(str(tmp_path / "v.faiss"))
    similarity, _ = index.search(unit[:3], 5)
    np.testing.assert_allclose(similarity, np.sort(unit[:3] @ unit.T, axis=1)[:, ::-1][:, :5], atol=1e-5)
    ours = embedded.neighbours("kmer2", vectors[0], 5, exact=True)
    np.testing.assert_allclose(1 - similarity[0], ours.distances, atol=1e-5)


def test_the_projectors_folder(embedded, tmp_path):
    embed_collection(embedded, find_encoder("kmer2"))
    rows, files = export_vectors(embedded, tmp_path / "p")
    assert (rows, [file.name for file in files]) == (51, ["vectors.tsv", "metadata.tsv", "projector_config.pbtxt"])
    np.testing.assert_allclose(np.loadtxt(files[0], delimiter="\t"), embedded.embedding("kmer2")[1], rtol=1e-6)
    lines = files[1].read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id\trna_type\tlength\tdescription"
    assert len(lines) == 52
    assert lines[-1] == "last\t\t4\ta tab and more"
    projector = pytest.importorskip("tensorboard.plugins.projector", reason="needs TensorBoard")
    text_format = pytest.importorskip("google.protobuf.text_format")
    said = text_format.Parse(files[2].read_text(), projector.ProjectorConfig()).embeddings[0]
    assert (said.tensor_name, said.tensor_path, said.metadata_path) == ("kmer2", "vectors.tsv", "metadata.tsv")
    assert export_vectors(embedded, tmp_path / "p")[0] == 51


def test_what_cannot_be_written(embedded, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="would be lost"):
        export_vectors(embedded, tmp_path / "mine")
    with pytest.raises(UserError, match="No molecule has a vector of 'kmer2' where length > 1000"):
        export_vectors(embedded, tmp_path / "v.npy", where="length > 1000")
    with pytest.raises(UserError, match="no embedding 'kmre2'"):
        export_vectors(embedded, tmp_path / "v.npy", "kmre2")
    embed_collection(embedded, find_encoder("kmer1"))
    with pytest.raises(UserError, match=r"Say which embedding.*kmer2, kmer1"):
        export_vectors(embedded, tmp_path / "v.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["collection", "mine"]


def test_the_command(embedded, run, refused, tmp_path):
    said = run("export", embedded.uri, "--out", tmp_path / "v.npy", "--embedding", "kmer2", "--json").json
    assert (said["written"], said["files"]) == (50, [str(tmp_path / "v.npy"), str(tmp_path / "v.ids.txt")])
    assert "Wrote the vectors of 50 molecules" in run("export", embedded.uri, "--out", tmp_path / "p").out
    refused(["export", embedded.uri, "--out", tmp_path / "x.fasta", "--embedding", "kmer2"], "--embedding", ".npy")
    refused(["export", embedded.uri, "--out", tmp_path / "x.csv"], ".csv", ".h5ad", ".faiss")
