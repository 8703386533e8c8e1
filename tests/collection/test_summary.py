import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ribospace.collection import Collection
from ribospace.collection.summary import QUANTILES, quantiles_of, summarize


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_quantiles_are_numpys(numbers):
    expected = [int(one + 1e-9) for one in np.quantile(numbers, list(QUANTILES.values()))]
    assert list(quantiles_of(np.bincount(numbers)).values()) == expected


def test_no_numbers_have_no_quantiles():
    assert quantiles_of(np.zeros(1, dtype=np.int64)) == {}


def test_a_summary_is_what_the_table_says(collection):
    said, table = summarize(collection), collection.table()
    assert said.molecules == 50
    assert said.rna_types == {"rRNA": 25, "tRNA": 25}
    lengths = table["length"].to_numpy()
    assert said.length_nt["min"] == lengths.min()
    assert said.length_nt["median"] == int(np.median(lengths))
    assert said.length_nt["max"] == lengths.max()
    assert said.columns == collection.plain_columns
    assert (said.indexed, said.embeddings, said.fragments) == ([], [], 2)
    assert said.disk_bytes == sum(
        file.stat().st_size for file in (collection.home / "molecules.lance").rglob("*") if file.is_file()
    )
    assert said.versions["format"] == "1"
    assert said.versions["table"] == str(collection.lance().version)
    assert {"ribospace", "lancedb", "pylance", "python"} <= set(said.versions)


def test_an_empty_collection(tmp_path):
    said = summarize(Collection.create(tmp_path / "c"))
    assert (said.molecules, said.rna_types, said.length_nt, said.fragments) == (0, {}, {}, 0)
