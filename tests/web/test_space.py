"""A space is a collection at one version: rows stay, arrays come back as they were stored, bad names are named."""

import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection
from ribospace.errors import Unavailable, UserError
from ribospace.records import record_batch
from ribospace.web.columns import MOST_LABELS, coded
from ribospace.web.refusing import Refusal
from ribospace.web.space import Space, space_json


def test_a_space_stays_at_its_version(store):
    space = Space.open(store)
    before = space.records(range(space.count), ["id"])["id"].to_pylist()
    store.append([record_batch(["new"], ["ACGU"])])
    assert (len(store), space.count) == (122, 121)
    assert space.records(range(121), ["id"])["id"].to_pylist() == before
    assert space.rows_of(["new", "m3"]).tolist() == [-1, 3]
    assert len(space.vectors("kmer2")[0]) == 120
    assert Space.open(store).count == 122


def test_points_are_those_stored_and_nan_elsewhere(shared):
    space = Space.open(shared)
    assert space.start == {"projection": "flat", "colour": "rna_type", "embedding": "kmer2"}
    points = space.points("flat")
    ids, stored = shared.embedding("flat")
    assert np.array_equal(points[space.rows_of(ids)], stored)
    assert np.isnan(points[120]).all()
    assert points.dtype == "<f4"


def test_columns_are_codes_and_numbers(shared):
    space = Space.open(shared)
    info, codes = space.columns["rna_type"], space.column("rna_type")
    assert (info.labels, codes.dtype) == (("tRNA", "rRNA"), np.uint8)
    labels = [None, *info.labels]
    assert [labels[code] for code in codes] == shared.table(["rna_type"])["rna_type"].to_pylist()
    assert space.columns["way_cluster"].kind == "category"
    assert set(space.columns["way_cluster"].labels) == {"0", "1", "2"}
    times = space.column("way_pseudotime")
    assert np.isnan(times[120])
    assert space.columns["way_pseudotime"].high == 1.0
    assert not {"id", "sequence", "md5", "description", "taxid", "source"} & set(space.columns)
    assert space.trajectories == ["way"]
    assert space.clusters == ["way_cluster"]


def test_more_labels_than_can_be_told_apart_are_no_colour():
    field = pa.field("accession", pa.string())
    assert coded(field, pa.chunked_array([[str(number) for number in range(MOST_LABELS + 1)]])) is None
    assert coded(field, pa.chunked_array([["", None]], pa.string())) is None
    info, codes = coded(field, pa.chunked_array([[str(number) for number in range(300)]]))
    assert (codes.dtype, info.dtype) == (np.uint16, "uint16")


def test_records_come_in_the_order_asked(shared):
    space = Space.open(shared)
    whole = shared.table()
    assert space.records([7, 2, 7]).to_pylist() == whole.take([7, 2, 7]).to_pylist()
    assert space.sequences([5, 0]) == [whole["sequence"][5].as_py(), whole["sequence"][0].as_py()]
    with pytest.raises(Refusal, match="no row 121") as refused:
        space.records([0, 121])
    assert refused.value.status == 404


def test_rows_are_numbered_among_those_shown(shared):
    part = Space.open(shared, where="rna_type = 'rRNA'")
    whole = shared.table(where="rna_type = 'rRNA'")
    assert part.records([3, 1]).to_pylist() == whole.take([3, 1]).to_pylist()
    assert len(part.points("flat")) == len(part.vectors("kmer2")[0]) == len(whole) == part.count
    with pytest.raises(UserError, match="condition"):
        Space.open(shared, where="nothing = 1")


def test_a_map_is_fitted_where_none_is_stored(store, monkeypatch):
    monkeypatch.setattr("ribospace.web.space.MOST_UMAP", 10)  # UMAP takes ten seconds to compile
    store.drop_column("flat")
    told = []
    space = Space.open(store, progress=lambda *said: told.append(said))
    name = space.start["projection"]
    assert (name, space.projections[name].molecules) == ("kmer2_pca2", 120)
    assert np.isfinite(space.points(name)[:120]).all()
    assert np.isnan(space.points(name)[120]).all()
    assert told
    assert name not in store.embeddings


def test_what_is_missing_is_said(shared, tmp_path, molecules):
    with pytest.raises(UserError, match="Did you mean kmer2"):
        Space.open(shared, embedding="kmer3")
    with pytest.raises(UserError, match="Did you mean flat"):
        Space.open(shared, projection="flot")
    bare = Collection.create(tmp_path / "bare")
    bare.append([molecules(5)])
    with pytest.raises(UserError, match="ribospace embed"):
        Space.open(bare)


def test_a_collection_that_is_gone_is_unavailable(store):
    import shutil

    space = Space.open(store)
    shutil.rmtree(store.uri)
    for ask in (space.require_there, lambda: space.records([0]), lambda: space.vectors("kmer2")):
        with pytest.raises(Unavailable, match="cannot be read any more"):
            ask()


def test_what_the_page_is_told_is_json(shared):
    import json

    said = json.loads(json.dumps(space_json(Space.open(shared), {"search": True})))
    assert said["molecules"] == 121
    assert said["projections"] == [{"name": "flat", "embedding": "kmer2", "method": "pca", "dims": 2, "molecules": 120}]
