"""What the API works out: planted relations are found, compositions are those of the command line, graphs count all."""

import json
import time

import numpy as np
import pyarrow as pa
import pytest

from ribospace.analysis.composition import compositions
from ribospace.collection import Collection
from ribospace.collection.place import home_of
from ribospace.records import record_batch

MOLECULES, WIDTH = 80, 12


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Random vectors, but the first is the second plus the third, and the fourth nearly the fifth less the sixth."""
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(MOLECULES, WIDTH))
    vectors[0] = vectors[1] + vectors[2]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = units[4] - units[5] + units[6]
    sequences = ["".join(draw.choice(list("ACGU"), length)) for length in draw.integers(20, 60, MOLECULES)]
    store = Collection.create(tmp_path_factory.mktemp("planted") / "molecules")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).reshape(-1)), WIDTH)
    store.append([record_batch([f"m{n}" for n in range(MOLECULES)], sequences, {"given": column})])
    return store


def result(client, path, body):
    job = client.post(path, json=body).json()["job"]
    for _ in range(600):
        said = client.get(f"/api/jobs/{job}").json()
        if said["state"] not in ("waiting", "running"):
            assert said["state"] == "done", said
            return said["result"]
        time.sleep(0.05)
    raise AssertionError("no answer in 30 s")


def test_a_planted_equation_comes_first(planted, client_of):
    found = result(client_of(planted).client, "/api/relations", {"a": 0, "permutations": 19})
    best, second = found["equations"][:2]
    assert {best["b"]["row"], best["c"]["row"]} == {1, 2}
    assert (best["sign_b"], best["sign_c"]) == (1, 1)
    assert best["text"] == f"{best['b']['id']} + {best['c']['id']}"
    assert best["angle"] < 0.01 < second["angle"]
    assert best["q"] < 0.05
    assert best["p"] <= second["p"]
    assert len(best["alignment"]["rows"]) == 3
    assert found["base"] == MOLECULES


def test_a_planted_sum_finds_its_answer(planted, client_of):
    client = client_of(planted).client
    found = result(client, "/api/relations", {"plus": [4, 6], "minus": [5]})
    assert found["expression"] == "m4 + m6 − m5"
    assert found["answers"][0]["row"] == 3
    assert found["answers"][0]["angle"] < 0.1
    assert found["answers"][0]["p"] < 0.02
    assert not {4, 5, 6} & {one["row"] for one in found["answers"]}
    other = result(client, "/api/relations", {"plus": [20, 31], "minus": [42]})
    assert other["answers"][0]["p"] > 0.02


def test_sums_of_random_molecules_have_even_p(planted, client_of):
    """By what p means: over many sums it is evenly spread."""
    from ribospace.web.equations import sum_of

    served = client_of(planted).served
    draw = np.random.default_rng(7)
    p = []
    for _ in range(60):
        a, b, c = (int(one) for one in draw.choice(MOLECULES, 3, replace=False))
        p.append(sum_of(served, "given", [a, c], [b], 1)["answers"][0]["p"])
    assert 0.35 < np.mean(p) < 0.65


def test_a_molecule_without_a_vector_is_refused(store, client_of):
    client = client_of(store).client
    job = client.post("/api/relations", json={"a": 120}).json()["job"]
    for _ in range(200):
        said = client.get(f"/api/jobs/{job}").json()
        if said["state"] == "failed":
            break
        time.sleep(0.05)
    assert "late has no vector of kmer2" in said["error"]


def test_composition_is_that_of_the_analysis(client, shared):
    rows = list(range(0, 40))
    said = client.post("/api/composition", json={"rows": rows}).json()
    inside = np.isin(np.arange(len(shared)), rows)
    table = shared.table(["sequence", "length", "species", "rna_type"])
    asked = compositions(table, inside, ["species", "rna_type"])
    values = {one["name"]: one["values"] for one in said["properties"]}
    assert (said["molecules"], said["background"]) == (40, len(shared) - 40)
    for name, one in asked.items():
        assert [row["value"] for row in values[name]] == list(one.values)
        assert [row["q"] for row in values[name]] == pytest.approx(one.q.tolist())
    by_value = client.post("/api/composition", json={"column": "rna_type", "value": "rRNA"}).json()
    assert by_value["molecules"] == 30
    refused = client.post("/api/composition", json={"column": "rna_type", "value": "tRN"})
    assert (refused.status_code, "tRNA" in refused.json()["error"]) == (422, True)


def test_a_trajectory_counts_all_and_keeps_its_edges(store, client_of):
    client = client_of(store).client
    said = client.get("/api/trajectories/way").json()
    assert sum(node["molecules"] for node in said["nodes"]) == 120
    assert (said["edges"], said["root"]) == ([], None)
    assert "once more" in said["note"]
    counts = {node["cluster"]: node["molecules"] for node in said["nodes"]}
    graph = {
        "clusters": counts,
        "root": "m5",
        "label": "rna_type",
        "edges": [{"from": "0", "to": "2", "weight": 0.5}],
        "terminal_clusters": ["2"],
    }
    kept = home_of(store.uri) / "trajectory-way.json"
    kept.write_text(json.dumps(graph))
    said = client.get("/api/trajectories/way").json()
    assert said["root"] == {"row": 5, "id": "m5"}
    assert said["edges"] == graph["edges"]
    assert [node["cluster"] for node in said["nodes"] if node["terminal"]] == ["2"]
    kept.write_text(json.dumps({**graph, "clusters": {**counts, "0": 1}}))  # of another run
    assert client.get("/api/trajectories/way").json()["edges"] == []
    assert client.get("/api/trajectories/none").status_code == 404


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A small generator with random weights."""
    from ribospace.models import checkpoint
    from tests.generation.conftest import small_generator

    folder = tmp_path_factory.mktemp("generator") / "small"
    checkpoint.save(small_generator(), folder, "small", {"data": {"collection": "nowhere"}})
    return folder


def test_the_same_seed_makes_the_same_molecules_among_the_others(store, client_of, generator):
    one = client_of(store, generator=generator)
    ask = {"count": 20, "shortest": 12, "longest": 20, "seed": 3}
    made, again, other = (result(one.client, "/api/generate", {**ask, "seed": seed})["molecules"] for seed in (3, 3, 4))
    sequences = [[each["sequence"] for each in some] for some in (made, again, other)]
    assert sequences[0] == sequences[1] != sequences[2]
    assert made == again
    assert {each["length"] for each in made} <= set(range(12, 21))
    points = one.served.space.points("flat")
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    for each in made:
        vector = one.served.encode("kmer2", [each["sequence"]])
        rows, _ = one.served.searcher("kmer2").search(vector, 1)
        assert each["nearest"]["row"] == rows[0, 0]
        assert (low <= each["place"]).all()
        assert (each["place"] <= high).all()


def test_what_cannot_be_made_is_refused_before_any_work(store, client_of, generator, tmp_path, monkeypatch):
    client = client_of(store, generator=generator).client
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("ribospace.generation.rewards.is_folder", lambda text: asked.append(text) or True)
    for body, words in (
        ({"longest": 31}, "1 to 30 nt"),
        ({"type": "tRN"}, "Did you mean tRNA"),
        ({"reward": "here"}, "There is no reward 'here'."),
        ({"reward": "gcc=0.5"}, "Did you mean gc"),
        ({"reward": str(tmp_path / "here")}, "There is no reward"),
    ):
        answer = client.post("/api/generate", json=body)
        assert (answer.status_code, words in answer.json()["error"]) == (422, True), answer.json()
        assert "--" not in answer.json()["error"]  # options are the command's
    assert asked == []  # no name from a request reaches the file system
    assert client.get("/api/health").json()["jobs"] == {"waiting": 0, "running": 0}
