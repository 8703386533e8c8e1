"""Graphs of molecules: who is whose neighbour, and what refining by neighbours keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from ribospace.alphabet import detokenize, tokenize
from ribospace.models.attaching import attach
from ribospace.models.graph import AT_ONCE, Edges, GraphConfig, GraphRefiner, GraphSizes
from ribospace.models.latent import TokenSource

pytest.importorskip("torch_geometric")
WIDTH = 12


def molecules(n, seed=0):
    rng = np.random.default_rng(seed)
    return tokenize(["".join(rng.choice(list("ACGU"), rng.integers(6, 30))) for _ in range(n)])


def built(n=60, seed=0, clusters=1, **changes):
    """A model whose graph has vectors in so many clusters, far from each other."""
    config = GraphConfig(**{"neighbours": 5, "width": 16, "heads": 2, "dropout": 0.0, **changes})
    torch.manual_seed(seed)
    tokens = molecules(n, seed)
    vectors = torch.randn(n, WIDTH) * 0.1
    if clusters > 1:
        vectors[torch.arange(n), torch.arange(n) % clusters] += 10
    known = None if config.edges == "embedding" else tokens
    letters = 0 if known is None else len(tokens.ids)
    model = GraphRefiner(config, TokenSource("mine", "r", "", WIDTH), GraphSizes(n, letters)).eval()
    model.hold(vectors, attach(config, vectors, tokens, vectors, known))
    return model, tokens, known


@pytest.mark.parametrize("refine", ["attention", "mean"])
@pytest.mark.parametrize("edges", ["embedding", "identity", "both"])
def test_a_node_attached_anew_is_what_it_is_in_the_graph(refine, edges):
    model, tokens, known = built(refine=refine, edges=edges, least_identity=0.3)
    states = model.states()
    rows = np.array([3, 17, 40])
    found = attach(model.config, model.nodes[rows], tokens.take(rows), model.nodes, known)
    with torch.no_grad():
        torch.testing.assert_close(found.near, model.near[rows])
        anew = model.refine(model.nodes[rows], found, states)[0]
        inside = model.refine(model.nodes, model.edges, states)[0][rows]
    torch.testing.assert_close(anew, inside, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("refine", ["attention", "mean"])
def test_permuting_the_nodes_permutes_the_result(refine):
    model, _, _ = built(refine=refine)
    with torch.no_grad():
        before = model.refine(model.nodes, model.edges, model.states())[0]
        order = torch.randperm(60)
        place = torch.empty_like(order)
        place[order] = torch.arange(60)
        near = torch.where(model.near < 0, -1, place[model.near.clamp(min=0)])[order]
        model.hold(model.nodes[order].clone(), Edges(near, model.features[order].clone()))
        after = model.refine(model.nodes, model.edges, model.states())[0]
    torch.testing.assert_close(after, before[order], atol=1e-5, rtol=1e-5)


def test_the_order_of_neighbours_does_not_matter():
    model, _, _ = built()
    states, turned = model.states(), Edges(model.near.flip(1), model.features.flip(1))
    with torch.no_grad():
        one, other = (model.refine(model.nodes, edges, states)[0] for edges in (model.edges, turned))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_neighbours_are_the_nearest_by_brute_force():
    model, _, _ = built()
    unit = model.nodes / model.nodes.norm(dim=1, keepdim=True)
    cosine = unit @ unit.T
    cosine.fill_diagonal_(-2)
    expected = cosine.topk(5)
    torch.testing.assert_close(model.near, expected.indices)
    torch.testing.assert_close(model.features[..., 0], expected.values)


def test_identities_are_those_of_the_sequences():
    model, tokens, _ = built(edges="identity", least_identity=0.3)
    letters = detokenize(tokens)
    there = (model.near >= 0).nonzero().tolist()
    assert there
    for row, place in there:
        other = int(model.near[row, place])
        expected = Levenshtein.normalized_similarity(letters[row], letters[other])
        assert model.features[row, place, 1] == pytest.approx(expected, abs=1e-6)
        assert 0.3 <= expected < 1
        assert other != row


def test_both_kinds_of_neighbours_stand_once_in_a_list():
    model, _, _ = built(edges="both", least_identity=0.3)
    for near in model.near.tolist():
        there = [one for one in near if one >= 0]
        assert len(set(there)) == len(there)
        assert -1 not in near[: len(there)]


def test_the_plain_mean_is_the_plain_mean():
    model, _, _ = built(refine="mean", layers=1)
    refined, weights = model.refine(model.nodes, model.edges, model.states())
    expected = torch.stack([
        torch.cat([model.nodes[row : row + 1], model.nodes[near]]).mean(dim=0) for row, near in enumerate(model.near)
    ])  # fmt: skip
    torch.testing.assert_close(refined, expected)
    torch.testing.assert_close(weights.sum(dim=1), torch.full((60, 1), 5 / 6))


def test_attention_is_as_its_paper_says():
    """Brody et al. 2022: softmax over neighbours of a · LeakyReLU(of both and the edge), written out."""
    model, _, _ = built(layers=1)
    own, layer = model.entered(model.nodes), model.layers[0]
    conv = layer.attention
    with torch.no_grad():
        refined, weights = model.refine(model.nodes, model.edges, model.states())
        source, target = conv.lin_l(own).view(-1, 2, 8), conv.lin_r(own).view(-1, 2, 8)
        for row in (0, 31):
            near = model.near[row]
            edge = conv.lin_edge(model.features[row]).view(-1, 2, 8)
            summed = torch.nn.functional.leaky_relu(source[near] + target[row] + edge, 0.2)
            score = (summed * conv.att).sum(-1).softmax(dim=0)
            torch.testing.assert_close(weights[row], score)
            said = (score[..., None] * source[near]).sum(0).flatten() + conv.bias
            torch.testing.assert_close(refined[row], layer.norm(own[row] + said))


def test_isolated_molecules_keep_to_themselves():
    for refine in ("attention", "mean"):
        model, _, _ = built(refine=refine)
        alone = Edges(torch.full((2, 5), -1), torch.zeros(2, 5, 2))
        vectors = torch.randn(2, WIDTH)
        with torch.no_grad():
            states = model.states()
            refined, weights = model.refine(vectors, alone, states)
            for state in states:
                state += 1
            again, _ = model.refine(vectors, alone, states)
        assert torch.isfinite(refined).all()
        assert not weights.any()
        torch.testing.assert_close(refined, again)
        if refine == "mean":
            torch.testing.assert_close(refined, vectors)


@pytest.mark.parametrize("clusters", [1, 10])
def test_a_graph_in_one_piece_and_in_many(clusters):
    model, _, _ = built(n=120, clusters=clusters)
    if clusters > 1:
        rows = torch.arange(120)[:, None].expand_as(model.near)
        assert (model.near % clusters == rows % clusters).all()
    with torch.no_grad():
        assert torch.isfinite(model.refine(model.nodes, model.edges, model.states())[0]).all()


def test_a_thousand_pieces():
    """Pairs of molecules that are each other's only neighbours, and molecules that have none."""
    n = 2000
    model, _, _ = built(n=n)
    near = torch.full((n, 5), -1)
    near[:, 0] = torch.arange(n) ^ 1
    near[1990:] = -1
    model.hold(model.nodes.clone(), Edges(near, torch.zeros(n, 5, 2)))
    with torch.no_grad():
        refined = model.refine(model.nodes, model.edges, model.states())[0]
        changed = model.nodes.clone()
        changed[0] += 1
        before = model.center.clone(), model.scale.clone()
        model.nodes.copy_(changed)
        again = model.refine(model.nodes, model.edges, model.states())[0]
        assert torch.equal(before[0], model.center)
    moved = (refined - again).abs().amax(dim=1) > 1e-6
    assert moved.nonzero().flatten().tolist() == [0, 1]


def test_molecules_without_a_direction_have_no_neighbours():
    config = GraphConfig(neighbours=3)
    tokens = molecules(6)
    vectors = torch.randn(6, WIDTH)
    vectors[2] = 0
    near = attach(config, vectors, tokens, vectors, None).near
    assert (near[2] == -1).all()
    assert not (near == 2).any()


def test_all_the_same_is_no_neighbour_of_its_like():
    config = GraphConfig(neighbours=3, edges="both")
    tokens = tokenize(["ACGUACGU"] * 4)
    near = attach(config, torch.ones(4, WIDTH), tokens, torch.ones(4, WIDTH), tokens).near
    assert (near == -1).all()
    assert attach(config, torch.ones(0, WIDTH), tokenize([]), torch.ones(4, WIDTH), tokens).near.shape == (0, 3)


def test_states_do_not_depend_on_how_many_are_refined_at_once(monkeypatch):
    model, _, _ = built(layers=3)
    whole = model.states()
    monkeypatch.setattr("ribospace.models.graph.AT_ONCE", 7)
    assert AT_ONCE > 7
    for one, other in zip(whole, model.states(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("edges", ["embedding", "both"])
def test_neighbours_do_not_depend_on_how_many_are_joined_at_once(edges, monkeypatch):
    model, tokens, known = built(edges=edges, least_identity=0.3)
    monkeypatch.setattr("ribospace.models.attaching.COSINES", 7 * 60)
    again = attach(model.config, model.nodes, tokens, model.nodes, known)
    torch.testing.assert_close(again.near, model.near)
    torch.testing.assert_close(again.features, model.features)


def test_a_draw_of_all_neighbours_is_the_whole():
    model, _, _ = built(layers=2)
    shown, generator = torch.ones(WIDTH), torch.Generator().manual_seed(0)
    rows = torch.tensor([4, 9])
    with torch.no_grad():
        drawn = model.sampled(rows, model.edges, shown, 5, generator)
        whole = model.refine(model.nodes, model.edges, model.states())[0][rows]
    torch.testing.assert_close(drawn, whole, atol=1e-5, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("ACGUN", min_size=1, max_size=12), min_size=1, max_size=9))
def test_any_molecules_are_joined(sequences):
    tokens = tokenize(sequences)
    config = GraphConfig(neighbours=4, edges="both", least_identity=0.2)
    vectors = torch.randn(len(sequences), 3, generator=torch.Generator().manual_seed(0))
    edges = attach(config, vectors, tokens, vectors, tokens)
    rows = torch.arange(len(sequences))[:, None]
    assert edges.near.shape == (len(sequences), 4)
    assert (edges.near < len(sequences)).all()
    assert not (edges.near == rows).any()
    assert torch.isfinite(edges.features).all()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"neighbours": 0}, "1 or more"),
        ({"width": 10, "heads": 4}, "not divisible"),
        ({"edges": "friends"}, "none of embedding, identity, both"),
        ({"refine": "magic"}, "none of attention, mean"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"least_identity": 2.0}, "least_identity 2.0"),
    ],
)
def test_impossible_configs_are_refused(changes, what):
    with pytest.raises(ValueError, match=what):
        GraphConfig(**changes)
