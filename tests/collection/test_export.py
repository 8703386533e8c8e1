import re
import tracemalloc

import anndata
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ribospace.collection import Collection
from ribospace.collection.export import export
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError
from ribospace.records import SCHEMA, record_batch
from ribospace.sources.fasta import read_fasta
from ribospace.sources.tables import read_parquet


@pytest.fixture
def rich(tmp_path):
    """Four molecules with all that a molecule can have, some without vectors."""
    store = Collection.create(tmp_path / "rich")
    given = pa.array([[1.5, -2.0], None, [1.0, 1.0]], pa.list_(pa.float32(), 2))
    columns = {
        "rna_type": ["tRNA", None, "rRNA"],
        "description": ["tRNA Homo sapiens", "of  unknown\ttype", "RNA of\n16S"],
        "taxid": pa.array([9606, None, 562], pa.int32()),
        "species": ["Homo sapiens", None, None],
        "source": "here",
        "family": ["RF00005", None, "RF00177"],
        "score": [1.5, None, 2.5],
    }
    ids = ["a", "b|x", "c"]
    store.append([record_batch(ids, ["ACGU", "G" * 80, "ACGUN" * 50], {**columns, "given": given})])
    embed_collection(store, KmerEncoder(2))
    store.append([record_batch(["d"], ["UUUU"])])
    return Collection.open(store.path)


def imported(path, batches):
    store = Collection.create(path)
    store.append(batches)
    return store


def test_fasta_is_what_it_should_be(rich, tmp_path):
    assert export(rich, tmp_path / "out.fasta") == 4
    long = "ACGUN" * 50
    assert (tmp_path / "out.fasta").read_text(encoding="utf-8") == (
        f">a tRNA Homo sapiens\nACGU\n>b|x of unknown type\n{'G' * 80}\n>c rRNA RNA of 16S\n"
        f"{long[:80]}\n{long[80:160]}\n{long[160:240]}\n{long[240:]}\n>d\nUUUU\n"
    )


@pytest.mark.parametrize("ending", [".fasta", ".fa", ".fna"])
def test_fasta_exported_and_imported_is_equal(collection, tmp_path, ending):
    path = tmp_path / f"out{ending}"
    assert export(collection, path) == 50
    again = imported(tmp_path / "again", read_fasta(path))
    columns = ["id", "sequence", "length", "rna_type", "md5"]
    assert again.table(columns) == collection.table(columns)


def test_what_fasta_exports_it_can_import(rich, tmp_path):
    """Also a description that is not ASCII."""
    rich.append([record_batch(["e"], ["GG"], {"rna_type": "tRNA", "description": "β-RNA of Chlamydomonas Müller"})])
    export(rich, tmp_path / "out.fasta")
    again = imported(tmp_path / "again", read_fasta(tmp_path / "out.fasta"))
    columns = ["id", "sequence", "rna_type"]
    assert again.table(columns) == rich.table(columns)


def test_parquet_round_trip(rich, tmp_path):
    path = tmp_path / "out.parquet"
    assert export(rich, path) == 4
    file = pq.read_table(path)
    assert file.schema.names == rich.schema.names
    assert file.schema.field("kmer2").type == pa.list_(pa.float32(), 16)
    assert file.to_pylist() == rich.table(rich.schema.names).to_pylist()
    again = imported(tmp_path / "again", read_parquet(path))
    assert again.table(again.schema.names).to_pylist() == [
        {**row, "source": row["source"]} for row in rich.table(again.schema.names).to_pylist()
    ]
    assert sorted(again.schema.names) == sorted(rich.schema.names)
    assert again.embeddings == rich.embeddings
    assert embed_collection(again, KmerEncoder(2)).embedded == 1  # it goes on where the first had stopped


def test_the_same_rows_are_the_same_file(rich, tmp_path):
    """Lance's metadata comes in another order each time it is opened."""
    for number in range(8):
        export(type(rich).open(rich.path), tmp_path / f"{number}.parquet")
    assert len({path.read_bytes() for path in tmp_path.glob("*.parquet")}) == 1


def test_parquet_of_a_column_without_any_vector(collection, tmp_path):
    given = pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
    collection.append([record_batch(["z"], ["ACGU"], {"given": given})])
    assert export(collection, tmp_path / "out.parquet", "id <> 'z'") == 50
    again = imported(tmp_path / "again", read_parquet(tmp_path / "out.parquet"))
    assert again.table(["id", "sequence"]) == collection.table(["id", "sequence"], "id <> 'z'")


def test_h5ad_is_read_by_anndata(rich, tmp_path):
    assert export(rich, tmp_path / "out.h5ad") == 4
    data = anndata.read_h5ad(tmp_path / "out.h5ad")
    records = rich.table()
    assert data.obs_names.tolist() == ["a", "b|x", "c", "d"]
    assert data.obs["sequence"].astype(str).tolist() == records["sequence"].to_pylist()
    assert data.obs["length"].tolist() == records["length"].to_pylist()
    assert data.obs["rna_type"].astype(str).tolist() == ["tRNA", "", "rRNA", ""]
    np.testing.assert_array_equal(data.obs["score"], [1.5, np.nan, 2.5, np.nan])
    assert set(data.obs.columns) == set(SCHEMA.names[1:]) | {"family", "score"}
    assert set(data.obsm) == {"given", "kmer2"}
    for name, rows in (("given", [0, 2]), ("kmer2", [0, 1, 2])):
        np.testing.assert_array_equal(data.obsm[name][rows], rich.embedding(name)[1])
        assert np.isfinite(data.obsm[name]).all(axis=1).nonzero()[0].tolist() == rows
        assert data.uns["ribospace"][name]["encoder"] == name
    assert data.uns["ribospace"]["kmer2"]["revision"] == "1"


@pytest.mark.parametrize("name", ["out.fasta", "out.parquet", "out.h5ad"])
def test_where(rich, tmp_path, name):
    path = tmp_path / name
    assert export(rich, path, "length > 50 AND rna_type = 'rRNA'") == 1
    ids = {
        ".fasta": lambda: re.findall(r"^>(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE),
        ".parquet": lambda: pq.read_table(path)["id"].to_pylist(),
        ".h5ad": lambda: anndata.read_h5ad(path).obs_names.tolist(),
    }[path.suffix]()
    assert ids == ["c"]
    with pytest.raises(UserError, match="is not a condition"):
        export(rich, tmp_path / f"bad{path.suffix}", "no_such = 1")
    with pytest.raises(UserError, match=r"No molecule of .* meets 'length > 999'"):
        export(rich, tmp_path / f"bad{path.suffix}", "length > 999")
    assert not (tmp_path / f"bad{path.suffix}").exists()


@pytest.mark.parametrize("name", ["none.fasta", "none.parquet", "none.h5ad"])
def test_an_empty_collection(tmp_path, name):
    assert export(Collection.create(tmp_path / "empty"), tmp_path / name) == 0
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["out", "out.csv", "out.fasta.gz", "out.npy"])
def test_another_ending_is_refused(collection, tmp_path, name):
    with pytest.raises(UserError, match=r"ends in none of \.fasta"):
        export(collection, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_one_long_molecule_does_not_make_h5ad_large_in_memory(tmp_path):
    store = Collection.create(tmp_path / "c")
    numbers = [format(number, "011b").replace("0", "A").replace("1", "C") for number in range(2000)]
    molecules = [*numbers, numbers[0], "ACGU" * 5000]
    store.append([record_batch([str(number) for number in range(2002)], molecules)])
    tracemalloc.start()
    try:
        export(store, tmp_path / "out.h5ad")
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    assert anndata.read_h5ad(tmp_path / "out.h5ad").obs["sequence"].astype(str).tolist() == molecules


@pytest.mark.parametrize("name", ["out.fasta", "out.parquet", "out.h5ad"])
def test_a_disk_that_fills(small_disk, tmp_path, molecules, name):
    disk, store = small_disk(1), Collection.create(tmp_path / "c")
    (disk / name).write_text("before")
    matrix = np.random.default_rng(0).normal(size=(400, 1024)).astype("f4")
    wide = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 1024)
    store.append([molecules(400, "m", wide=wide, description="word " * 1000)])
    with pytest.raises(UserError, match=rf"The disk is full: .*{name} was not written\. Free some space"):
        export(store, disk / name)
    assert [path.name for path in disk.iterdir()] == [name]
    assert (disk / name).read_text() == "before"
