"""Two molecules by attention head, as the API answers it."""

import numpy as np
import pytest

from ribospace.alphabet import tokenize
from ribospace.analysis.heads import HeadSpace, profile
from ribospace.encoders import find_encoder
from tests.web.conftest import MOLECULES, make_collection
from tests.web.test_answers import result


@pytest.fixture(scope="module")
def headed(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("headed") / "molecules", "random")


def test_the_answer_is_that_of_the_encoder(headed, client_of):
    client = client_of(headed).client
    assert client.get("/api/space").json()["can"]["heads"]
    found = result(client, "/api/heads", {"a": 3, "b": 9})
    sequences = headed.table(["sequence"])["sequence"].to_pylist()
    encoder = find_encoder("random")
    space = HeadSpace.fit(encoder.head_outputs(tokenize(sequences)))
    assert (found["layers"], found["heads"], found["molecules"]) == (3, 4, MOLECULES + 1)
    np.testing.assert_allclose(found["similarity"], profile(space.units[3], space.units[9]), atol=1e-3)
    assert (found["a"]["id"], found["b"]["id"]) == ("m3", "m9")
    assert found == result(client, "/api/heads", {"a": 3, "b": 9})


def test_a_molecule_is_like_itself(headed, client_of):
    found = result(client_of(headed).client, "/api/heads", {"a": 7, "b": 7})
    assert min(found["similarity"]) > 0.999
    assert max(found["p"]) < 0.01


def test_what_has_no_heads_is_refused(client):
    assert not client.get("/api/space").json()["can"]["heads"]
    said = client.post("/api/heads", json={"a": 1, "b": 2})
    assert said.status_code == 409
    assert "kmer2 has no attention heads" in said.json()["error"]


@pytest.mark.parametrize(
    "body", [{"a": 1}, {"a": 1, "b": -1}, {"a": 1, "b": 10**6}, {"a": 1, "b": 2, "c": 3}, {"a": "x", "b": 1}]
)
def test_mistakes_are_refused(headed, client_of, body):
    said = client_of(headed).client.post("/api/heads", json=body)
    assert said.status_code in (404, 422)
    assert set(said.json()) == {"error"}
