from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rapidfuzz.distance import Levenshtein

from ribospace.clusters import Sketch, near_copies, sketch_clusters
from ribospace.clusters import sketch as module
from ribospace.clusters.words import Molecules, drawn_words
from ribospace.sources.fasta import read_fasta
from ribospace.sources.sample import read_sample

DATA = Path(__file__).parents[3] / "shared" / "data"


def random_molecules(generator, n, shortest, longest):
    return ["".join(generator.choice(list("ACGU"), length)) for length in generator.integers(shortest, longest + 1, n)]


def mutated(generator, sequence, edits):
    letters = list(sequence)
    for _ in range(edits):
        at, kind = generator.integers(len(letters)), generator.integers(3)
        letters[at : at + (kind != 0)] = [] if kind == 2 and len(letters) > 1 else [generator.choice(list("ACGU"))]
    return "".join(letters)


def families(generator, n, shortest, longest, share=0.1, copies=3):
    parents = random_molecules(generator, n, shortest, longest)
    return parents + [mutated(generator, one, int(share * len(one))) for one in parents for _ in range(copies)]


def true_pairs(sequences, identity):
    """All pairs, by the definition itself."""
    found = set()
    for one, first in enumerate(sequences):
        for other in range(one):
            longer = max(len(first), len(sequences[other]))
            if Levenshtein.distance(first, sequences[other]) <= (1 - identity) * longer + 1e-9:
                found.add((other, one))
    return found


def components(n, pairs):
    label = list(range(n))
    for one, other in pairs:
        low, high = sorted((label[one], label[other]))
        label = [low if x == high else x for x in label]
    return label


@pytest.mark.parametrize("identity", [0.7, 0.8, 0.95, 1.0])
@pytest.mark.parametrize(("shortest", "longest"), [(1, 12), (15, 64), (40, 200)])
def test_a_small_set_is_exact(identity, shortest, longest):
    """Every pair is compared: the clusters are the components of the true pairs, each called by its first molecule."""
    generator = np.random.default_rng(longest)
    sequences = families(generator, 20, shortest, longest, 0.15)
    expected = components(len(sequences), true_pairs(sequences, identity))
    assert sketch_clusters([sequences[:7], sequences[7:]], identity).tolist() == expected


def sketched(monkeypatch):
    monkeypatch.setattr(module, "FEW", 0)


def test_the_sketch_finds_nearly_all(monkeypatch):
    """At 80 % identity, made by random edits: at least 95 % of the true pairs end together, and no other."""
    sketched(monkeypatch)
    sequences = families(np.random.default_rng(5), 120, 70, 300, 0.19, 2)
    pairs = true_pairs(sequences, 0.8)
    labels = sketch_clusters([sequences], 0.8)
    together = [labels[one] == labels[other] for one, other in pairs]
    assert len(pairs) > 200
    assert np.mean(together) >= 0.95
    true = np.array(components(len(sequences), pairs))
    assert all(len(set(true[labels == label])) == 1 for label in set(labels.tolist()))


def test_the_sample_by_sketch_is_as_by_all_pairs(monkeypatch):
    sequences = list(dict.fromkeys(one for b in read_sample() for one in b.column("sequence").to_pylist()))
    exact = sketch_clusters([sequences], 0.8)
    sketched(monkeypatch)
    assert (sketch_clusters([sequences], 0.8) == exact).mean() >= 0.99


@pytest.mark.parametrize("family", ["RF00005", "RF00001"])
def test_real_families(monkeypatch, family):
    path = DATA / f"{family}.fasta"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the checkout: it is no part of the project")
    batches = list(read_fasta(path, gaps="strip"))
    sequences = list(dict.fromkeys(one for b in batches for one in b.column("sequence").to_pylist()))
    exact = sketch_clusters([sequences], 0.8)
    sketched(monkeypatch)
    found = sketch_clusters([sequences], 0.8)
    assert len(set(found.tolist())) <= 1.05 * len(set(exact.tolist()))


def test_the_same_seed_gives_the_same(monkeypatch):
    sketched(monkeypatch)
    sequences = families(np.random.default_rng(6), 60, 80, 400, 0.18)
    one, again = (sketch_clusters([sequences], 0.8, sketch=Sketch(seed=3), threads=n) for n in (1, 2))
    assert (one == again).all()


def test_a_cluster_does_not_depend_on_how_the_molecules_come():
    sequences = families(np.random.default_rng(7), 20, 30, 90)
    one = sketch_clusters([sequences], 0.8)
    table = pa.chunked_array([sequences[:33], sequences[33:]])
    assert (sketch_clusters(table.chunks, 0.8) == one).all()
    assert (sketch_clusters([[s] for s in sequences], 0.8) == one).all()


def test_long_molecules_are_told_by_their_words():
    """100,000 nt: a copy at 90 % is found, one at 70 % is not, nor a stranger or a half."""
    generator = np.random.default_rng(8)
    parent, stranger = random_molecules(generator, 2, 100_000, 100_000)
    near, far = (list(parent) for _ in range(2))
    for copy, edits in ((near, 10_000), (far, 30_000)):
        for at in generator.choice(100_000, edits, replace=False):
            copy[at] = "ACGU"[("ACGU".index(copy[at]) + 1 + generator.integers(3)) % 4]
    sequences = [parent, "".join(near), "".join(far), stranger, parent[:50_000]]
    assert sketch_clusters([sequences], 0.8).tolist() == [0, 0, 2, 3, 4]


def test_the_border_between_the_searches():
    """A pair of which one molecule is beyond the length compared letter by letter, and one is not."""
    parent = random_molecules(np.random.default_rng(9), 1, 4200, 4200)[0]
    assert sketch_clusters([[parent, parent[:4000], parent[:3000]]], 0.8).tolist() == [0, 0, 2]


@pytest.mark.parametrize("letters", ["N" * 70, "A" * 70, "AC" * 2500, "R" * 5000])
def test_monotonous_molecules(monkeypatch, letters):
    sketched(monkeypatch)
    assert sketch_clusters([[letters, letters[:-3], "G" * len(letters)]], 0.8).tolist() == [0, 0, 2]


def test_nothing_and_one():
    assert sketch_clusters([], 0.8).tolist() == []
    assert sketch_clusters([[]], 0.8).tolist() == []
    assert sketch_clusters([["ACGU"]], 0.8).tolist() == [0]
    assert near_copies([], [["ACGU"]], 0.8).tolist() == []
    assert near_copies(["ACGU"], [], 0.8).tolist() == [False]


@pytest.mark.parametrize("block", [7, 50_000])
def test_near_copies_are_those_of_all_pairs(monkeypatch, block):
    monkeypatch.setattr(module, "OTHERS_AT_ONCE", block)
    sequences = families(np.random.default_rng(10), 61, 10, 150, 0.22, 1)
    held, others = sequences[::3], [one for row, one in enumerate(sequences) if row % 3]
    expected = [any(Levenshtein.distance(a, b) <= 0.2 * max(len(a), len(b)) + 1e-9 for b in others) for a in held]
    assert 5 < sum(expected) < len(held)
    found = near_copies(held, [others[start : start + 5] for start in range(0, len(others), 5)], 0.8)
    assert found.tolist() == expected


def test_a_draw_of_words_depends_on_the_molecule_alone():
    generator = np.random.default_rng(11)
    sequences = random_molecules(generator, 30, 1, 400)
    together = Molecules.gathered([sequences])
    key, owner = drawn_words(together, np.arange(30), 11, 50, 4)
    for row, one in enumerate(sequences):
        alone, _ = drawn_words(Molecules.gathered([[one]]), np.arange(1), 11, 50, 4)
        assert sorted(alone) == sorted(key[owner == row])
        assert len(alone) >= 1
        assert len(set((alone >> np.uint64(42)).tolist())) == len(alone)
