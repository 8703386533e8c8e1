"""Descriptions are read into columns; RNAcentral is asked once, and what it says is kept and filled in."""

import pytest

from ribospace.collection import Collection
from ribospace.collection.about import recall
from ribospace.errors import Unavailable, UserError
from ribospace.fetching.describe import describe, read_all
from ribospace.net.client import Client
from ribospace.records import record_batch
from tests.rnacentral_server import SPECIES, entry, publication, serving, world


def ask(store, ids, url, **options):
    client = Client(per_second=1000, back_off=0.01, timeout=0.5, attempts=options.pop("attempts", 3))
    return describe(store, ids, api=f"{url}/api/v1", client=client, **options)


@pytest.fixture
def store(tmp_path):
    """Two fragments: four entries of RNAcentral, and molecules of my own with descriptions."""
    store = Collection.create(tmp_path / "described")
    numbers = [3, 4, 5]
    names = [entry(n)["rnacentral_id"] for n in numbers]
    store.append([record_batch([*names, "URS0000AAAAAA"], [*[entry(n)["sequence"] for n in numbers], "ACGU"])])
    mine = {
        "description": [
            "Homo sapiens tRNA-Leu (TAA) 1-1",
            "transfer RNA threonine (anticodon UGU)",
            "tRNA-OTHER",
            None,
        ],
        "species": ["Pan troglodytes", None, None, None],
        "isotype": [None, "Ser", None, None],
    }
    store.append([record_batch(["a", "b", "c", "d"], ["ACGU", "GGCC", "GG", "CC"], mine)])
    return store


def columns(store, where):
    return store.table(["id", "species", "isotype", "anticodon"], where).to_pylist()


def test_descriptions_fill_what_is_not_known(store):
    before = store.table()
    known = read_all(store)
    assert columns(store, "id IN ('a', 'b', 'c', 'd')") == [
        {"id": "a", "species": "Pan troglodytes", "isotype": "Leu", "anticodon": "UAA"},
        {"id": "b", "species": None, "isotype": "Ser", "anticodon": "UGU"},
        {"id": "c", "species": None, "isotype": None, "anticodon": None},
        {"id": "d", "species": None, "isotype": None, "anticodon": None},
    ]
    assert known == {"species": 1, "isotype": 2, "anticodon": 2}
    untouched = [name for name in before.schema.names if name not in ("species", "isotype")]
    assert store.table(untouched).equals(before.select(untouched))
    assert read_all(store) == known


def test_embeddings_stay(store):
    from ribospace.encoders import embed_collection, find_encoder

    embed_collection(store, find_encoder("kmer3"))
    before = store.embedding("kmer3")
    read_all(store)
    after = store.embedding("kmer3")
    assert before[0] == after[0]
    assert (before[1] == after[1]).all()


def test_rnacentral_is_asked_once(store):
    here, ids = world(9), [entry(n)["rnacentral_id"] for n in (3, 4, 5)]
    with serving(here) as url:
        cards = ask(store, ids, url)
        asked = len(here.asked)
        assert [card.about for card in ask(store, ids, url)] == [card.about for card in cards]
        assert len(here.asked) == asked
        ask(store, ids[:1], url, refresh=True)
        assert len(here.asked) > asked
    assert [card.record["id"] for card in cards] == ids
    for card, number in zip(cards, (3, 4, 5), strict=True):
        assert card.about.species == [SPECIES[entry(number)["_taxid"]]]
        assert card.record["species"] == SPECIES[entry(number)["_taxid"]]
        assert (card.record["isotype"], card.record["anticodon"]) == ("Leu", "CAA")
        assert card.about.publications == [publication(n) for n in range(number % 3)]
    assert set(recall(store, ids)) == set(ids)


def test_what_rnacentral_does_not_know(store):
    with serving(world(9)) as url:
        cards = ask(store, ["URS0000AAAAAA", "a"], url)
    assert [card.about for card in cards] == [None, None]


def test_one_species_of_several(tmp_path):
    store = Collection.create(tmp_path / "c")
    name = f"{entry(5)['rnacentral_id']}_10090"
    store.append([record_batch([name], [entry(5)["sequence"]])])
    with serving(world(9)) as url:
        card = ask(store, [name], url)[0]
    assert card.about.species == ([] if entry(5)["_taxid"] != 10090 else ["Mus musculus"])


def test_a_server_that_fails_is_said_and_what_came_is_kept(store):
    with serving(world(9, fault=lambda path, asked, before: "500")) as url:
        with pytest.raises(Unavailable, match="HTTP 500"):
            ask(store, [entry(3)["rnacentral_id"]], url, attempts=1)
    assert recall(store, [entry(3)["rnacentral_id"]]) == {}


def test_one_that_always_fails_costs_no_other(store):
    bad = entry(4)["rnacentral_id"]
    with serving(world(9, fault=lambda path, asked, before: "500" if bad in path else None)) as url:
        cards = ask(store, [entry(n)["rnacentral_id"] for n in (3, 4, 5)], url, attempts=1)
    assert [bool(card.about) for card in cards] == [True, False, True]
    assert "HTTP 500" in cards[1].reason
    assert set(recall(store, [bad, entry(3)["rnacentral_id"]])) == {entry(3)["rnacentral_id"]}


def test_an_unknown_id(store):
    with pytest.raises(UserError, match="nobody"):
        ask(store, ["nobody"], "http://127.0.0.1:9")


def test_the_command(run, refused, store):
    one = entry(5)["rnacentral_id"]
    with serving(world(9)) as url:
        answer = run("describe", store.path, one, "--base-url", f"{url}/api/v1")
        assert answer.code == 0, answer.err
        assert "tRNA-Leu" not in answer.out
        assert "Leu (CAA)" in answer.out
        assert "1. On RNA 0. A. Author, B. Author" in answer.out
        assert "doi:10.1000/0. PubMed 1000" in answer.out
        said = run("describe", store.path, "--where", "id = 'a'", "--json", "--base-url", f"{url}/api/v1").json
        assert said["molecules"][0]["id"] == "a"
    answer = run("describe", store.path)
    assert "molecules with an isotype" in answer.out
    refused(["describe", store.path, "nobody"], "nobody")


def test_fetch_the_command(run, refused, tmp_path):
    here = world(130)
    with serving(here) as url:
        base = ["--base-url", f"{url}/api/v1", "--search-url", f"{url}/ebisearch/ws/rest/rnacentral"]
        answer = run("fetch", "--to", tmp_path / "c", "--limit", "20", "--json", *base)
        assert (answer.code, answer.json["added"], answer.json["complete"]) == (0, 20, True)
        answer = run(
            "fetch", "--to", tmp_path / "c", "--rna-type", "tRNA", "--taxid", "9606", "--max-length", "80", *base
        )
        assert answer.code == 0
        assert "Fetched" in answer.out
        here.fault = lambda path, asked, before: "400" if "page" in asked else None
        refused(["fetch", "--to", tmp_path / "c", *base], "bad query")
        refused(["fetch", "--to", tmp_path / "c", "--page-size", "1000", *base], "1 to 100")
        refused(["fetch", "--to", tmp_path / "c", "--rna-type", "tRNAs", *base], "Did you mean tRNA")
