"""Generated molecules judged beside random, shuffled natural and held-out natural ones, by the same figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import tokenize
from ribospace.analysis import folding
from ribospace.encoders.base import Encoder
from ribospace.errors import UserError
from ribospace.generation import cloverleaf, quality
from ribospace.generation.molecules import Molecules, Natural
from ribospace.generation.naming import Namer
from ribospace.generation.nearest import nearest
from ribospace.generation.shuffling import random_like, shuffle_all
from ribospace.progress import Progress, silent

GENERATED, RANDOM, SHUFFLED, HELD_OUT = SETS = ("generated", "random", "shuffled", "held-out")
TRAINING = "training"
LEAST = 20  # molecules of a set: below, shares and distributions say nothing
PAIRS = 5000
CONTROLLED, CONTROLS = 100, 10  # molecules, and shuffles of each, for the z-score of the energy
LEAF = "tRNA"

Floats = npt.NDArray[np.float64]
Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Measure:
    """A row of the table: what it is called, what it means, and whether it is a share."""

    title: str
    meaning: str
    share: bool = False


#: The rows, in their order.
MEASURES = {
    "validity": Measure("valid", "not empty and nothing but A C G U, of all molecules given", True),
    "uniqueness": Measure("unique", "different sequences, of the molecules compared", True),
    "copies": Measure("exact copies", "molecules that are in the training set, letter for letter", True),
    "nearest": Measure("nearest training, edits", "median edit distance to the nearest training molecule"),
    "nearest_share": Measure("nearest training, of length", "the same over the molecule's length", True),
    "diversity": Measure("diversity", "mean edit distance of two molecules over the longer length"),
    "length": Measure("length, nt", "mean"),
    "length_ks": Measure("length, KS", "largest difference from training in the cumulative distribution, 0 to 1"),
    "js3": Measure("3-mers, JS", "Jensen-Shannon divergence from training, bits, all molecules pooled, 0 to 1"),
    "js4": Measure("4-mers, JS", "the same of 4-mers"),
    "gc": Measure("GC", "mean share of G and C", True),
    "gc_ks": Measure("GC, KS", "largest difference from training in the cumulative distribution"),
    "mfe": Measure("MFE, kcal/mol per nt", "mean minimum free energy over length (ViennaRNA, 37 °C)"),
    "mfe_ks": Measure("MFE per nt, KS", "largest difference from training in the cumulative distribution"),
    "mfe_z": Measure("MFE, z", "mean energy in standard deviations beside di-nucleotide shuffles of the same molecule"),
    "frechet": Measure("Fréchet distance", "from training in the encoder's space, over training's total variance"),
    "density": Measure("density", "how crowded the natural molecules around are, 1 as among themselves"),
    "coverage": Measure("coverage", "natural molecules with one of the set among their neighbourhood", True),
    "accepted": Measure("type accepted", "the classifier names the type that was asked", True),
    "cloverleaf": Measure("cloverleaf", f"{LEAF}s with more bits than the lowest 5 % of held-out ones", True),
}


@dataclass(frozen=True)
class Assessment:
    """What was found.

    Attributes
    ----------
    molecules
        How many of each set were compared.
    figures
        By measure (see MEASURES) and set; None where it could not be told.
    types
        By type asked of generated molecules and set, (how many, share that the classifier named so).
    notes
        What is to be known.
    values
        By what is drawn (length, gc, mfe, nearest) and set, training among them, (n,) values.
    kmers
        By k and set, training among them, (4**k,) shares.
    """

    molecules: int
    figures: dict[str, dict[str, float | None]]
    types: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    values: dict[str, dict[str, Floats]] = field(default_factory=dict)
    kmers: dict[int, dict[str, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judges:
    """The encoder of the space, who names types, a covariance model; without the last two their rows are empty."""

    encoder: Encoder
    namer: Namer | None = None
    family: Path | None = None


def _no_bar(what: str) -> AbstractContextManager[Progress]:
    return nullcontext(silent)


def assess(
    generated: Molecules, natural: Natural, judges: Judges, most: int = 1000, seed: int = 0, bar: Bar = _no_bar
) -> Assessment:
    """Judge molecules, and beside them others that show what the figures mean.

    All sets have the same size, drawn: as many molecules as the smallest of the generated, held-out and training ones,
    at most `most`. Distributions are compared with as many training molecules; the nearest is looked for among all.

    Parameters
    ----------
    generated, natural
        Molecules.
    judges
        See there.
    most, seed
        Molecules of a set, and of all that is drawn.
    bar
        Makes a progress for each kind of work.

    Raises
    ------
    UserError
        For sets of fewer than 20 molecules, or molecules too long to be folded.
    """
    fine = {GENERATED: _valid(generated), HELD_OUT: _valid(natural.held_out), TRAINING: _valid(natural.training)}
    n = min(most, *map(len, fine.values()))
    _require_enough(fine)
    sets = {name: one.take(_drawn(len(one), n, seed + (name == TRAINING))) for name, one in fine.items()}
    held = sets[HELD_OUT]
    sets[RANDOM] = Molecules(random_like(held.sequences, seed), held.types)
    sets[SHUFFLED] = Molecules(shuffle_all(held.sequences, seed), held.types)
    sequences = {name: list(sets[name].sequences) for name in (*SETS, TRAINING)}
    given = {GENERATED: generated, HELD_OUT: natural.held_out}
    figures: dict[str, dict[str, float | None]] = {
        "validity": {name: len(fine[name]) / len(given[name]) if name in given else 1.0 for name in SETS},
        "uniqueness": {name: quality.uniqueness(sequences[name]) for name in SETS},
        "diversity": {name: quality.diversity(sequences[name], PAIRS, seed) for name in SETS},
    }
    values = {
        "length": {name: np.array([len(one) for one in some], dtype=np.float64) for name, some in sequences.items()},
        "gc": {name: quality.gc_content(some) for name, some in sequences.items()},
    }
    notes = [natural.note] if natural.note else []
    with bar("Nearest training molecules") as progress:
        values["nearest"] = _novelty(figures, sequences, natural.training.sequences, progress)
    if folding.installed():
        with bar("Folding") as progress:
            values["mfe"] = _energies(figures, sequences, seed, progress)
    else:
        notes.append("ViennaRNA is not installed: no energies (pip install 'ribospace[structure]')")
    for what in ("length", "gc", "mfe"):
        for name in SETS if what in values else ():
            one, reference = values[what][name], values[what][TRAINING]
            figures.setdefault(what, {})[name] = float(one.mean())
            figures.setdefault(f"{what}_ks", {})[name] = quality.kolmogorov_smirnov(one, reference)
    shift = figures["length_ks"][HELD_OUT] or 0.0
    if shift > (chance := 1.36 * np.sqrt(2 / n)):  # the 5 % level for two samples of n
        notes.append(
            f"Held-out molecules have other lengths than training ones (KS {shift:.2f}, by chance up to {chance:.2f}), "
            "as a split by clusters may make it: a generator true to training may then be nearer to it than they are"
        )
    kmers = {k: {name: quality.kmer_shares(some, k) for name, some in sequences.items()} for k in (3, 4)}
    for k, shares in kmers.items():
        figures[f"js{k}"] = {name: quality.jensen_shannon(shares[name], shares[TRAINING]) for name in SETS}
    with bar("Embedding"):
        _space(figures, sequences, judges.encoder)
    types = _named(figures, sets, judges.namer, notes)
    if judges.family is not None:
        with bar("Covariance model"):
            _cloverleaves(figures, sets, fine[HELD_OUT], judges.family, notes)
    empty: dict[str, float | None] = dict.fromkeys(SETS)
    return Assessment(n, {name: figures.get(name, empty) for name in MEASURES}, types, notes, values, kmers)


def _valid(molecules: Molecules) -> Molecules:
    return molecules.take([row for row, one in enumerate(molecules.sequences) if quality.is_valid(one)])


def _drawn(many: int, n: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows in their order, drawn by how many there are and the seed alone: equal sets give equal draws."""
    return np.sort(np.random.default_rng(seed).permutation(many)[:n])


def _require_enough(fine: Mapping[str, Molecules]) -> None:
    for name, one in fine.items():
        if len(one) < LEAST:
            advice = "Generate more." if name == GENERATED else "Name a larger collection, or loosen --where."
            raise UserError(
                f"There are {len(one)} valid {name} molecules (A C G U only); to judge takes {LEAST} at least. {advice}"
            )
        if (longest := max(map(len, one.sequences))) > folding.LONGEST and name != TRAINING:
            raise UserError(
                f"A {name} molecule has {longest:,} nt, and {folding.LONGEST:,} at most can be folded. "
                f"Leave such out: --where 'length <= {folding.LONGEST}'"
            )


def _novelty(
    figures: dict[str, dict[str, float | None]],
    sequences: Mapping[str, Sequence[str]],
    training: Sequence[str],
    progress: Progress,
) -> dict[str, Floats]:
    """Write the rows on the nearest training molecules; give distances over lengths."""
    everyone = [one for name in SETS for one in sequences[name]]
    found = nearest(everyone, training, progress)[1].reshape(len(SETS), -1)
    shares = {}
    for name, edits in zip(SETS, found, strict=True):
        shares[name] = edits / np.array([len(one) for one in sequences[name]], dtype=np.float64)
        for key, value in (("copies", (edits == 0).mean()), ("nearest", np.median(edits))):
            figures.setdefault(key, {})[name] = float(value)
        figures.setdefault("nearest_share", {})[name] = float(np.median(shares[name]))
    return shares


def _energies(
    figures: dict[str, dict[str, float | None]],
    sequences: Mapping[str, Sequence[str]],
    seed: int,
    progress: Progress,
) -> dict[str, Floats]:
    """Write the z-scores; give energies per nucleotide."""
    rows = _drawn(len(sequences[GENERATED]), CONTROLLED, seed)
    controls = {
        name: [shuffle_all([sequences[name][row] for row in rows], seed, number) for number in range(1, CONTROLS + 1)]
        for name in SETS
    }
    asked = [one for some in sequences.values() for one in some]
    asked += [one for made in controls.values() for some in made for one in some]
    distinct = list(dict.fromkeys(asked))
    energy = {
        one: found.energy for one, found in zip(distinct, folding.fold_many(distinct, progress=progress), strict=True)
    }
    for name, made in controls.items():
        own = [energy[sequences[name][row]] for row in rows]
        z = quality.z_score(own, np.array([[energy[one] for one in some] for some in made]).T)
        figures.setdefault("mfe_z", {})[name] = z if np.isfinite(z) else None
    return {name: np.array([energy[one] / len(one) for one in some]) for name, some in sequences.items()}


def _space(
    figures: dict[str, dict[str, float | None]], sequences: Mapping[str, Sequence[str]], encoder: Encoder
) -> None:
    vectors = {name: encoder.encode(tokenize(some)) for name, some in sequences.items()}
    natural = vectors[TRAINING]
    scale = float(natural.astype(np.float64).var(axis=0, ddof=1).sum()) or 1.0
    for name in SETS:
        density, coverage = quality.density_coverage(natural, vectors[name])
        figures.setdefault("frechet", {})[name] = quality.frechet(vectors[name], natural) / scale
        figures.setdefault("density", {})[name] = density
        figures.setdefault("coverage", {})[name] = coverage


def _named(
    figures: dict[str, dict[str, float | None]], sets: Mapping[str, Molecules], namer: Namer | None, notes: list[str]
) -> dict[str, dict[str, tuple[int, float]]]:
    """Write the row on types; give it by type."""
    if namer is None:
        return {}
    by_type: dict[str, dict[str, tuple[int, float]]] = {}
    for name in SETS:
        asked = np.array(sets[name].types, dtype=str)
        known = np.isin(asked, list(namer.classes))
        if strange := sorted(set(asked[~known].tolist()) - {""}):
            notes.append(f"{name}: the classifier does not know {', '.join(strange[:8])}; these are not counted")
        if not known.any():
            notes.append(f"{name}: no molecule says which type was asked")
            continue
        rows = np.flatnonzero(known)
        right = np.array(namer.name(sets[name].take(rows).sequences)) == asked[rows]
        figures.setdefault("accepted", dict.fromkeys(SETS))[name] = float(right.mean())
        for kind in np.unique(asked[rows]).tolist():
            of_kind = right[asked[rows] == kind]
            by_type.setdefault(kind, {})[name] = (len(of_kind), float(of_kind.mean()))
    common = sorted(
        (kind for kind in by_type if GENERATED in by_type[kind]), key=lambda kind: -by_type[kind][GENERATED][0]
    )
    return {kind: by_type[kind] for kind in common}


def _cloverleaves(
    figures: dict[str, dict[str, float | None]],
    sets: Mapping[str, Molecules],
    held_out: Molecules,
    family: Path,
    notes: list[str],
) -> None:
    """Write the row on a covariance model: what scores above the 5th percentile of held-out natural molecules."""
    natural = [one for one, kind in zip(held_out.sequences, held_out.types, strict=True) if kind == LEAF]
    if len(natural) < LEAST:
        notes.append(f"{len(natural)} held-out {LEAF}s are too few to say what a {LEAF} scores: no cloverleaves")
        return
    chosen = {}
    for name in SETS:
        types = sets[name].types
        told = any(types)
        chosen[name] = [one for one, kind in zip(sets[name].sequences, types, strict=True) if kind == LEAF or not told]
    distinct = list(dict.fromkeys([*natural, *(one for some in chosen.values() for one in some)]))
    bits = dict(zip(distinct, cloverleaf.bit_scores(distinct, family).tolist(), strict=True))
    threshold = float(np.percentile([bits[one] for one in natural], 5))
    notes.append(f"Cloverleaf: above {threshold:.1f} bits, the 5th percentile of {len(natural):,} held-out {LEAF}s")
    for name, some in chosen.items():
        share = float(np.mean([bits[one] > threshold for one in some])) if some else None
        figures.setdefault("cloverleaf", {})[name] = share
