"""Training a graph: without labels, resumed step by step, and its model an encoder like any other."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.encoders import find_encoder
from ribospace.encoders.graph import GraphEncoder
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.sources.sample import read_sample
from ribospace.training import graph as training
from ribospace.training.graph import GraphTrainConfig, train_graph

pytest.importorskip("torch_geometric")
SMALL = {
    "data": {"held_out": 0.3},
    "graph": {"neighbours": 5, "width": 16, "heads": 2, "edges": "both"},
    "optimizer": {"steps": 12, "token_budget": 64, "warmup": 2},
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    store = Collection.create(str(tmp_path_factory.mktemp("graph") / "rnas"))
    store.append(read_sample())
    return store


def settings(**sections):
    said = {**SMALL, **{name: {**SMALL.get(name, {}), **value} for name, value in sections.items()}}
    return from_mapping(GraphTrainConfig, said)


@pytest.fixture(scope="module")
def trained(collection, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "refined"
    return out, train_graph(collection, find_encoder("kmer3"), out, settings())


def test_the_result_is_an_encoder_like_any_other(trained, collection):
    out, about = trained
    encoder = find_encoder(str(out))
    sequences = collection.table(["sequence"])["sequence"].to_pylist()[:20]
    vectors = encoder.encode(tokenize(sequences))
    assert vectors.shape == (20, encoder.width) == (20, 16)
    assert np.isfinite(vectors).all()
    assert encoder.revision == find_encoder(str(out)).revision
    alone = np.concatenate([encoder.encode(tokenize([one])) for one in sequences])
    np.testing.assert_allclose(alone, vectors, atol=1e-4)
    assert about["figures"]["nodes"] == len(about["ids"])
    assert 0 <= about["figures"]["link_auc"] <= 1
    assert encoder.info().pooling == "none"


def test_molecules_held_out_are_no_nodes(trained, collection):
    out, about = trained
    distinct = len(set(collection.table(["sequence"])["sequence"].to_pylist()))
    assert about["figures"]["nodes"] < 0.8 * distinct
    model = checkpoint.load(out, training.GraphRefiner).model
    assert model.sizes.nodes == about["figures"]["nodes"]
    assert model.near.dtype == torch.int64
    assert model.letters.dtype == torch.uint8


def test_labels_are_not_seen_unless_asked_for(collection, tmp_path):
    """Other labels, the same model: nothing of them gets in."""
    out = tmp_path / "one"
    train_graph(collection, find_encoder("kmer3"), out, settings())
    store = Collection.create(str(tmp_path / "unlabelled"))
    for batch in read_sample():
        place = batch.schema.get_field_index("rna_type")
        others = pa.array(["tRNA" if row % 2 else "rRNA" for row in range(len(batch))], batch.schema.field(place).type)
        store.append([batch.set_column(place, batch.schema.field(place), others)])
    train_graph(store, find_encoder("kmer3"), tmp_path / "two", settings())
    one, other = (checkpoint.load(path, training.GraphRefiner).model for path in (out, tmp_path / "two"))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_few_labels_are_shown(collection, tmp_path):
    said = settings(objective={"classes": 1.0, "labelled": 0.1})
    about = train_graph(collection, find_encoder("kmer3"), tmp_path / "few", said)
    shown, nodes = about["figures"]["labels_shown"], about["figures"]["nodes"]
    assert 0 < shown < 0.2 * nodes
    model = checkpoint.load(tmp_path / "few", training.GraphRefiner).model
    assert "tRNA" in model.config.classes


def test_training_learns(collection, tmp_path):
    said = settings(optimizer={"steps": 60, "token_budget": 128, "learning_rate": 3e-3})
    figures = train_graph(collection, find_encoder("kmer3"), tmp_path / "more", said)["figures"]
    assert figures["last_loss"] < 0.9 * figures["first_loss"]


def test_a_broken_training_goes_on_to_the_same_model(trained, collection, tmp_path, monkeypatch):
    out, _ = trained
    taken = training.Learner._take_step

    def broken(self):
        if self.step == 7:
            self._save()
            raise KeyboardInterrupt
        taken(self)

    monkeypatch.setattr(training.Learner, "_take_step", broken)
    with pytest.raises(KeyboardInterrupt):
        train_graph(collection, find_encoder("kmer3"), tmp_path / "again", settings())
    monkeypatch.setattr(training.Learner, "_take_step", taken)
    with pytest.raises(UserError, match="another config or other data"):
        train_graph(collection, find_encoder("kmer3"), tmp_path / "again", settings(objective={"hidden": 0.1}))
    train_graph(collection, find_encoder("kmer3"), tmp_path / "again", settings())
    one, other = (checkpoint.load(path, training.GraphRefiner).model for path in (out, tmp_path / "again"))
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], atol=1e-5, rtol=1e-4)
    assert not (tmp_path / "again.training" / "state.safetensors").exists()


def test_the_plain_mean_learns_nothing(collection, tmp_path):
    about = train_graph(collection, find_encoder("kmer3"), tmp_path / "mean", settings(graph={"refine": "mean"}))
    assert about["figures"]["steps"] == 0
    encoder = find_encoder(str(tmp_path / "mean"))
    assert encoder.width == 64
    near, _, weights = encoder.attended(tokenize(["GGGGAUUAGCUCAGUUGGUAGAGC"]))
    there = near[0] >= 0
    np.testing.assert_allclose(weights[0][there], 1 / (1 + there.sum()))


def test_attention_is_shown(trained):
    encoder = GraphEncoder(trained[0])
    near, features, weights = encoder.attended(tokenize(["GGGGAUUAGCUCAGUUGGUAGAGC", "ACGUACGUACGU"]))
    assert near.shape == weights.shape == features.shape[:2] == (2, 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_another_encoder_in_its_place_is_refused(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "moved")
    said = json.loads((tmp_path / "moved" / "config.json").read_text())
    said["encoder"]["revision"] = "another"
    (tmp_path / "moved" / "config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"refines vectors of kmer3, revision another; .* Put that encoder back"):
        find_encoder(str(tmp_path / "moved"))
    with pytest.raises(UserError, match="has no pooling 'first'"):
        find_encoder(str(trained[0]), "first")


def test_too_few_molecules_are_refused(tmp_path):
    store = Collection.create(str(tmp_path / "one"))
    store.append([next(iter(read_sample())).slice(0, 1)])
    with pytest.raises(UserError, match="too small to train on"):
        train_graph(store, find_encoder("kmer3"), tmp_path / "out", settings())
    assert not (tmp_path / "out").exists()


def test_a_graph_of_three(tmp_path):
    """Fewer molecules than neighbours, and no link to spare."""
    store = Collection.create(str(tmp_path / "few"))
    store.append([next(iter(read_sample())).slice(0, 3)])
    said = settings(data={"held_out": 0.0}, optimizer={"steps": 3})
    figures = train_graph(store, find_encoder("kmer3"), tmp_path / "out", said)["figures"]
    assert figures["nodes"] == 3
    assert np.isfinite(find_encoder(str(tmp_path / "out")).encode(tokenize(["ACGUACGU"]))).all()


@pytest.mark.parametrize(
    ("section", "what"),
    [({"contrast": 0.0}, "not both 0"), ({"labelled": 0.0}, "labelled"), ({"temperature": 0.0}, "temperature")],
)
def test_impossible_objectives_are_refused(section, what):
    with pytest.raises(UserError, match=what):
        settings(objective=section)
