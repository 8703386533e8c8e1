"""The API over HTTP: answers agree with the collection, and bad input is one sentence."""

import csv
import io
import shutil

import numpy as np
import pytest

from ribospace.analysis.folding import installed
from ribospace.encoders import find_encoder
from ribospace.sources.fasta import read_fasta
from ribospace.web.served import Limits, Served, identity
from tests.web.conftest import NASTY


def refused(answer, status, *words):
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["error"]
    for word in words:
        assert word in said["error"], said
    return said["error"]


def test_health_and_space(client, shared):
    health = client.get("/api/health").json()
    assert (health["status"], health["molecules"], health["jobs"]) == ("ok", 121, {"waiting": 0, "running": 0})
    space = client.get("/api/space").json()
    assert health["collection_version"] == space["version"] == shared.lance().version
    assert space["start"] == {"projection": "flat", "colour": "rna_type", "embedding": "kmer2"}
    assert space["embeddings"] == [{"name": "kmer2", "encoder": "kmer2", "width": 16, "can_embed": True}]
    assert space["can"]["search"]
    assert not space["can"]["generate"]
    assert space["generator"] is None
    assert space["limits"]["sequences"] == 20


def test_arrays_travel_raw(client, shared):
    points = np.frombuffer(client.get("/api/points/flat").content, "<f4").reshape(-1, 2)
    assert np.array_equal(points[:120], shared.embedding("flat")[1])
    space = client.get("/api/space").json()
    for column in space["columns"]:
        values = np.frombuffer(client.get(f"/api/columns/{column['name']}").content, column["dtype"])
        assert len(values) == 121
    refused(client.get("/api/points/flot"), 404, "Did you mean flat")
    refused(client.get("/api/columns/rna_typo"), 404, "Did you mean rna_type")
    refused(client.get("/api/points/../../etc/passwd"), 404)


def test_molecules_by_row_and_by_what_they_are(client, shared):
    whole = shared.table()
    got = client.get("/api/molecules", params={"rows": "3,0"}).json()
    assert [one["row"] for one in got["molecules"]] == [3, 0]
    assert got["molecules"][0]["sequence"] == whole["sequence"][3].as_py()
    assert got["molecules"][0]["fields"] == {"source": None, "way_cluster": 0, "way_pseudotime": pytest.approx(3 / 119)}
    first = got["molecules"][1]
    assert first["description"] == NASTY
    assert first["url"] == "https://rnacentral.org/rna/URS000075A10E/9606"
    found = client.get("/api/molecules", params={"rna_type": "tRNA", "min_length": 30, "limit": 5, "offset": 5}).json()
    where = "rna_type = 'tRNA' AND length >= 30"
    assert found["total"] == shared.count(where)
    assert [one["id"] for one in found["molecules"]] == shared.table(["id"], where)["id"].to_pylist()[5:10]
    assert found["molecules"][0]["sequence"] is None
    assert client.get("/api/molecules", params={"text": "M7"}).json()["molecules"][0]["id"] == "m7"
    assert client.get("/api/molecules", params={"text": "m1"}).json()["molecules"][0]["id"] == "m1"
    assert client.get("/api/molecules", params={"text": "NUMBER 11"}).json()["total"] == 11
    assert client.get("/api/molecules", params={"text": "%' OR 1=1 --"}).json()["total"] == 0
    assert client.get("/api/molecules", params={"text": ".*"}).json()["total"] == 0
    assert client.get("/api/molecules", params={"species": "homo", "max_length": 20}).status_code == 200
    refused(client.get("/api/molecules", params={"rows": "3,999"}), 404, "no row 999")
    refused(client.get("/api/molecules", params={"rows": "3;DROP"}), 422, "rows")
    refused(client.get("/api/molecules", params={"limit": 5000}), 422, "limit")
    named = client.get("/api/molecules", params={"id": ["m7", "nobody", "m3"]}).json()
    assert [one["row"] for one in named["molecules"]] == [7, 3]
    refused(client.get("/api/molecules", params={"id": ["m7"] * 201}), 422, "id")


def test_search_finds_itself_and_places_it(client, shared):
    sequence = shared.table(["sequence"])["sequence"][9].as_py()
    fasta = f">one mine\n{sequence[:10]}\n{sequence[10:].lower()}\n>two\nACGUACGUACGG\n"
    answer = client.post("/api/search", json={"query": fasta, "k": 3}).json()
    one, two = answer["queries"]
    assert (one["id"], one["length"], two["id"]) == ("one", len(sequence), "two")
    assert one["neighbours"][0]["row"] == 9
    assert one["neighbours"][0]["distance"] == pytest.approx(0, abs=1e-5)
    assert one["neighbours"][0]["identity"] == 1
    points = shared.embedding("flat")[1]
    assert np.allclose(one["place"], points[9], atol=0.1 * np.ptp(points, axis=0).max())
    vector = find_encoder("kmer2").encode(_tokens("ACGUACGUACGG"))[0]
    near = shared.neighbours("kmer2", vector, 3)
    assert np.allclose([one["distance"] for one in two["neighbours"]], near.distances, atol=1e-5)


def _tokens(sequence):
    from ribospace.alphabet import tokenize

    return tokenize([sequence])


def test_embed_is_the_encoders_answer(client):
    asked = {"sequences": [{"id": "a", "sequence": "ACGUACG"}, {"sequence": "tttt gggg"}]}
    answer = client.post("/api/embed", json=asked).json()
    assert (answer["ids"], answer["width"]) == (["a", "sequence 2"], 16)
    assert np.allclose(answer["vectors"][0], find_encoder("kmer2").encode(_tokens("ACGUACG"))[0])


def test_neighbours_leave_the_molecule_out(client, shared):
    answer = client.post("/api/neighbours", json={"id": "m4", "k": 5}).json()
    assert answer["row"] == 4
    expected = shared.neighbours("kmer2", shared.embedding("kmer2", "id = 'm4'")[1][0], 6)
    rows = [one["row"] for one in answer["neighbours"]]
    assert 4 not in rows
    assert [one["id"] for one in answer["neighbours"]] == expected.records["id"].to_pylist()[1:]
    refused(client.post("/api/neighbours", json={"id": "late"}), 409, "no vector")
    refused(client.post("/api/neighbours", json={"id": "nobody"}), 404, "nobody")
    refused(client.post("/api/neighbours", json={"id": "m4", "row": 4}), 422, "exactly one")
    refused(client.post("/api/neighbours", json={"row": 4, "embedding": "kmer3"}), 404, "Did you mean kmer2")


@pytest.mark.skipif(not installed(), reason="needs ViennaRNA")
def test_fold_draws_a_structure(client):
    answer = client.post("/api/fold", json={"sequence": "GGGGAAAACCCC"}).json()
    assert (answer["structure"], answer["mfe"], answer["length"]) == ("((((....))))", -5.4, 12)
    assert answer["svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert client.post("/api/fold", json={"row": 5}).json()["length"] > 0
    refused(client.post("/api/fold", json={"sequence": "A" * 6000}), 422, "5,000 nt")


def test_folding_may_not_be_installed(client, monkeypatch):
    monkeypatch.setattr("ribospace.web.folding.installed", lambda: False)
    monkeypatch.setattr("ribospace.web.served.installed", lambda: False)
    refused(client.post("/api/fold", json={"row": 5}), 409, "ribospace[structure]")
    assert client.get("/api/space").json()["can"]["fold"] is False


def test_export_gives_what_was_asked_in_order(client, shared, tmp_path):
    rows = np.array([8, 0, 3], "<u4").tobytes()
    answer = client.post("/api/export", params={"format": "fasta"}, content=rows)
    assert "attachment" in answer.headers["content-disposition"]
    (tmp_path / "got.fasta").write_bytes(answer.content)
    got = next(read_fasta(tmp_path / "got.fasta"))
    whole = shared.table().take([8, 0, 3])
    for name in ("id", "sequence"):
        assert got.column(name).to_pylist() == whole[name].to_pylist()
    table = list(csv.DictReader(io.StringIO(client.post("/api/export?format=csv", content=rows).text)))
    assert [row["description"] for row in table] == whole["description"].to_pylist()
    refused(client.post("/api/export", content=b"abc"), 422, "four bytes")
    refused(client.post("/api/export", content=np.array([121], "<u4").tobytes()), 404, "row 121")
    refused(client.post("/api/export", content=bytes(4 * 122)), 413)
    refused(client.post("/api/export?format=exe", content=rows), 422, "format")


def test_bad_input_is_one_sentence(client):
    refused(client.post("/api/search", json={"query": ">a\nACGU\n>b\nACJU"}), 422, "record 2 ('b'), position 3", "'J'")
    refused(client.post("/api/search", json={"query": ">a\nACGU\n>b\n"}), 422, "'b'", "no sequence")
    refused(client.post("/api/search", json={"query": "  "}), 422)
    refused(client.post("/api/search", json={"query": ">a\nAC\n" * 21}), 422, "20 at most")
    refused(client.post("/api/search", json={"query": "A" * 10_001}), 422, "10,000 at most")
    refused(client.post("/api/search", json={"query": "ACGU", "k": 51}), 422, "k")
    refused(client.post("/api/search", json={"query": "ACGU", "embedding": "kmer22"}), 404, "Did you mean kmer2")
    refused(client.post("/api/search", json={"query": "ACGU", "surprise": 1}), 422, "surprise")
    refused(client.post("/api/search", content=b"{", headers={"content-type": "application/json"}), 422, "no JSON")
    refused(client.post("/api/search", content=b'"\\ud800"', headers={"content-type": "application/json"}), 422)
    refused(client.post("/api/search", content=b" " * 10_000_000), 413)
    refused(client.get("/api/nothing"), 404)
    refused(client.get("/%2e%2e/%2e%2e/etc/passwd"), 404)
    refused(client.put("/api/search"), 405)


def test_an_embedding_made_elsewhere_cannot_take_sequences(store, client_of):
    import dataclasses

    one = client_of(store)
    info = one.served.space.embeddings["kmer2"]
    one.served.space.embeddings["given"] = dataclasses.replace(info, column="given", pooling="given")
    refused(one.client.post("/api/search", json={"query": "ACGU", "embedding": "given"}), 409, "made elsewhere")


def test_a_deleted_collection_is_said(store, client_of):
    client = client_of(store).client
    shutil.rmtree(store.uri)
    refused(client.get("/api/health"), 503, "cannot be read any more")
    refused(client.get("/api/molecules", params={"rows": "1"}), 503, "cannot be read any more")
    refused(client.post("/api/export", content=bytes(4)), 503)
    assert client.get("/api/space").status_code == 200


def test_jobs_over_http(store, client_of, monkeypatch):
    monkeypatch.setattr("ribospace.web.equations.answer", lambda here, ask, progress: {"kind": "equations", "a": ask.a})
    one = client_of(store)
    submitted = one.client.post("/api/relations", json={"a": 3})
    assert submitted.status_code == 202
    one.served.jobs.close(cancel=False)
    state = one.client.get(f"/api/jobs/{submitted.json()['job']}").json()
    assert (state["state"], state["result"]) == ("done", {"kind": "equations", "a": 3})
    assert one.client.delete(f"/api/jobs/{submitted.json()['job']}").status_code == 204
    refused(one.client.get("/api/jobs/none"), 404)
    refused(one.client.post("/api/relations", json={"a": 500}), 404, "row 500")
    refused(one.client.post("/api/relations", json={}), 422, "give a, or plus")
    refused(one.client.post("/api/relations", json={"a": 3}), 503, "ending")
    refused(one.client.post("/api/generate", json={}), 409, "--generator")
    refused(one.client.get("/api/trajectories/nothing"), 404, "There are: way")


def test_a_token_is_asked_and_hosts_are_known(shared, client_of):
    client = client_of(shared, token="t" * 20).client
    refused(client.get("/api/health"), 401, "token")
    refused(client.get("/api/openapi.json"), 401)
    assert client.get("/api/health", headers={"authorization": "Bearer " + "t" * 20}).status_code == 200
    refused(client.get("/api/health", headers={"host": "evil.example"}), 400)


def test_what_takes_too_long_is_given_up(shared, client_of, monkeypatch):
    import time

    client = client_of(shared, limits=Limits(seconds=0.1)).client
    monkeypatch.setattr(Served, "said", lambda self: time.sleep(0.5))
    refused(client.get("/api/space"), 504, "0.1 seconds")


def test_identity_is_of_the_longer():
    assert identity("ACGU", "ACGUACGU") == 0.5
    assert identity("A" * 5001, "A") is None
