"""What the command heads says of a collection: what each head sees, and whether attention follows structures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.alphabet import tokenize
from ribospace.cli.output import progress_bar, table, write_rows
from ribospace.encoders.base import Encoder
from ribospace.encoders.registry import find_encoder
from ribospace.errors import UserError
from ribospace.files import written_whole

if TYPE_CHECKING:
    from ribospace.analysis.attention import Following
    from ribospace.analysis.head_probes import Seen

IDENTITY = 0.8
MAPPED = 200  # molecules whose attention maps are looked at
LONGEST_MAPPED = 400  # nt: maps are as large as the square
#: Sequences, and the pairs of each, with their probabilities or without.
Known: TypeAlias = "Sequence[tuple[str, Sequence[tuple[int, int] | tuple[int, int, float]]]]"


def of_collection(
    out: Path, encoder: Encoder, molecules: pa.Table, about: dict[str, Any], alignment: Path | None, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Write what each head of an encoder sees of molecules; the answer as JSON and as lines."""
    from ribospace.plots import following_figure, seen_figure

    aligned = _aligned(alignment, encoder, seed) if alignment else []
    with written_whole(out) as folder:
        folder.mkdir()
        seen, apart = _seen(encoder, molecules, seed)
        about = about | {"clusters": apart, "identity": IDENTITY}
        followed = list(_following(encoder, molecules, aligned, seed))
        rows, names = _seen_rows(seen, encoder), _names(seen, encoder)
        if seen:
            shape = (-1, encoder.layers, encoder.heads)
            scores, marks = np.stack([one.scores for one in seen]), np.stack([one.named() for one in seen])
            known, measures = [one.name for one in seen], [one.measure for one in seen]
            seen_figure(known, measures, scores.reshape(shape), marks.reshape(shape)).savefig(folder / "seen.png")
            write_rows(folder / "seen.tsv", rows)
        if followed:
            drawn = [(f"{what} ({one.molecules})", one.precision, one.chance, one.p) for what, one in followed]
            following_figure(drawn, [one.most for _, one in followed]).savefig(folder / "following.png")
            write_rows(folder / "following.tsv", _following_rows(followed))
            _draw_map(folder / "map.png", encoder, molecules, followed)
        said = about | {"seen": rows, "names": names, "following": _following_rows(followed)}
        write_results(folder, said)
    asked = [name for name in molecules.column_names if name not in ("id", "sequence")]
    return said, _lines(seen, followed, names, encoder, len(molecules), apart, asked)


def _seen(encoder: Encoder, molecules: pa.Table, seed: int) -> tuple[list[Seen], int]:
    """What heads see, of one molecule of each cluster of near copies; and how many these are."""
    from ribospace.analysis.head_probes import probe_heads
    from ribospace.clusters.sketch import sketch_clusters

    labels = sketch_clusters([molecules["sequence"]], IDENTITY)
    apart = molecules.take(np.sort(np.unique(labels, return_index=True)[1]))
    said = heads_said(encoder, apart)
    control = np.concatenate([find_encoder("kmer2").encode(tokenize(apart["sequence"])), _lengths(apart)], axis=1)
    with progress_bar("Asking for properties", "properties") as progress:
        properties = dict(_properties(apart))
        flat = said.reshape(len(said), -1, said.shape[-1])
        return probe_heads(flat, properties, control, seed=seed, progress=progress), len(apart)


def _lengths(molecules: pa.Table) -> npt.NDArray[np.float64]:
    length = np.array([len(one) for one in molecules["sequence"].to_pylist()], dtype=np.float64)
    return np.stack([length, np.log(length)], axis=1)


def _properties(molecules: pa.Table) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """What heads are asked for, by name: columns, and what is read off the sequences."""
    from ribospace.analysis.folding import fold_many, installed

    sequences = molecules["sequence"].to_pylist()
    for name in molecules.column_names:
        if name in ("id", "sequence"):
            continue
        column = molecules[name]
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            yield name, column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        else:
            yield name, np.array(["" if one is None else str(one) for one in column.to_pylist()])
    yield "length", np.array([len(one) for one in sequences], dtype=np.float64)
    yield "GC", np.array([(one.count("G") + one.count("C")) / len(one) for one in sequences])
    yield "CCA end", np.array(["CCA" if one.endswith("CCA") else "other" for one in sequences])
    if installed():
        with progress_bar("Folding") as progress:
            folded = list(fold_many([one[:1000] for one in sequences], progress=progress))
        short = np.array([len(one) <= 1000 for one in sequences])
        energy = np.array([one.energy / len(one.sequence) for one in folded])
        yield "MFE per nt", np.where(short, energy, np.nan)
        paired = np.array([1 - one.structure.count(".") / len(one.structure) for one in folded])
        yield "paired share", np.where(short, paired, np.nan)
        stems = np.array([float(_hairpins(one.structure)) for one in folded])
        yield "hairpins", np.where(short, stems, np.nan)


def _hairpins(structure: str) -> int:
    """Loops that one pair closes."""
    return structure.replace(".", "").count("()")


def _seen_rows(seen: Sequence[Seen], encoder: Encoder) -> list[dict[str, Any]]:
    rows = []
    for one in seen:
        for aspect in range(len(one.scores)):
            rows.append({
                "property": one.name, "measure": one.measure, "molecules": one.molecules,
                "head": _name(aspect, encoder), "score": round(float(one.scores[aspect]), 4),
                "chance": round(float(one.chance[aspect]), 4), "p": float(one.p[aspect]),
                "control": round(one.control, 4),
                "p_control": None if np.isnan(one.p_control[aspect]) else float(one.p_control[aspect]),
                "p_typical": float(one.p_typical[aspect]), "named": bool(one.named()[aspect]),
            })  # fmt: skip
    return rows


def _names(seen: Sequence[Seen], encoder: Encoder) -> dict[str, str]:
    """By head the property that it is named after: of those that name it the one it tells best beside other heads."""
    names: dict[str, tuple[float, str]] = {}
    for one in seen:
        spread = float(one.scores.std()) or 1.0
        for aspect in np.flatnonzero(one.named()).tolist():
            head, above = _name(aspect, encoder), float(one.scores[aspect] - np.median(one.scores)) / spread
            names[head] = max(names.get(head, (-np.inf, "")), (above, one.name))
    return {head: name for head, (_, name) in sorted(names.items())}


def _name(aspect: int, encoder: Encoder) -> str:
    return f"{aspect // encoder.heads + 1}.{aspect % encoder.heads + 1}"


def _aligned(path: Path, encoder: Encoder, seed: int) -> list[tuple[str, list[tuple[int, int]]]]:
    """Molecules of an alignment with their share of its structure, drawn."""
    from ribospace.sources.stockholm import read_stockholm

    found = read_stockholm(path)
    if not found.consensus:
        raise UserError(f"{path} has no structure that its molecules share (#=GC SS_cons). Name one that has.")
    rows = np.random.default_rng(seed).permutation(len(found.ids)).tolist()
    return [found.molecule(row) for row in rows][:MAPPED]


def _following(
    encoder: Encoder, molecules: pa.Table, aligned: list[tuple[str, list[tuple[int, int]]]], seed: int
) -> Iterator[tuple[str, Following]]:
    """What attention follows: structures by ViennaRNA, and those of an alignment."""
    from ribospace.analysis.attention import followed, following
    from ribospace.analysis.folding import fold_many, installed

    longest = min(encoder.window, LONGEST_MAPPED)
    sequences = [one for one in molecules["sequence"].to_pylist() if len(one) <= longest]
    drawn = np.random.default_rng(seed).permutation(len(sequences))[:MAPPED]
    some = [sequences[row] for row in drawn]
    sets: dict[str, Known] = {}
    if installed():
        folded = list(fold_many(some, pairs=True))
        sets["MFE structures"] = [(one.sequence, one.pairs()) for one in folded]
        sets["pair probabilities"] = [(one.sequence, one.probable) for one in folded]
    sets["the alignment's structure"] = [one for one in aligned if len(one[0]) <= longest]
    for what, known in sets.items():
        found = []
        with progress_bar(f"Attention beside {what}") as progress:
            tokens = tokenize([sequence for sequence, _ in known]) if known else None
            for maps, (_, pairs) in zip(encoder.attention_maps(tokens) if tokens else (), known, strict=True):
                one = followed(maps, pairs)
                found += [one] if one else []
                progress(len(found), len(known))
        if found:
            yield what, following(found, seed=seed)


def _draw_map(path: Path, encoder: Encoder, molecules: pa.Table, followed: Sequence[tuple[str, Following]]) -> None:
    """Draw the attention of the head that follows structures most beside pair probabilities, for one molecule."""
    from ribospace.analysis.attention import corrected, pair_matrix
    from ribospace.analysis.folding import fold_many
    from ribospace.plots import attention_figure

    found = dict(followed).get("pair probabilities")
    if found is None:
        return
    gain = found.precision - found.chance
    layer, head = (int(at) for at in np.unravel_index(gain.argmax(), gain.shape))
    ids, sequences = molecules["id"].to_pylist(), molecules["sequence"].to_pylist()
    fitting = [row for row, one in enumerate(sequences) if 20 <= len(one) <= min(encoder.window, 120)]
    if not fitting:
        return
    row = max(fitting, key=lambda one: len(sequences[one]))
    maps = next(iter(encoder.attention_maps(tokenize([sequences[row]]))))[layer, head]
    probable = pair_matrix(next(iter(fold_many([sequences[row]], pairs=True))).probable, len(maps))
    title = f"{short(ids[row])}: head {layer + 1}.{head + 1} of {encoder.name}"
    attention_figure(corrected(maps), probable, title).savefig(path)


def _following_rows(found: Sequence[tuple[str, Following]]) -> list[dict[str, Any]]:
    return [
        {
            "structure": what, "molecules": one.molecules, "head": f"{layer + 1}.{head + 1}",
            "precision": round(float(one.precision[layer, head]), 4),
            "chance": round(float(one.chance[layer, head]), 4),
            "p": float(one.p[layer, head]), "most": round(one.most, 4),
        }
        for what, one in found
        for layer, head in np.ndindex(one.p.shape)
    ]  # fmt: skip


def _lines(
    seen: Sequence[Seen],
    followed: Sequence[tuple[str, Following]],
    names: dict[str, str],
    encoder: Encoder,
    molecules: int,
    apart: int,
    asked: Sequence[str],
) -> list[str]:
    cells = []
    for one in seen:
        best = int(one.scores.argmax())
        named = [_name(aspect, encoder) for aspect in np.flatnonzero(one.named()).tolist()]
        cells.append((
            one.name, one.measure, one.molecules, _name(best, encoder), f"{one.scores[best]:.3f}",
            f"{one.chance[best]:.3f}", f"{one.control:.3f}", f"{one.p[best]:.3f}", " ".join(named) or "none",
        ))  # fmt: skip
    header = ("property", "measure", "molecules", "best head", "score", "chance", "composition", "p", "named after it")
    lines = [
        f"{encoder.name}: {encoder.layers} layers of {encoder.heads} heads; {molecules:,} molecules, of which "
        f"{apart:,} are no near copies ({IDENTITY:.0%} identity)",
        table(cells, header, [2, 4, 5, 6, 7]) if cells else "No property is known of enough molecules (40).",
        "Names: " + (", ".join(f"{head} {name}" for head, name in names.items()) or "none that the data carry"),
    ]
    if few := [name for name in asked if name not in {one.name for one in seen}]:
        lines.insert(2, f"Not asked for, as too few have a value (40, and 10 of a label): {', '.join(few)}")
    for what, found in followed:
        gain = found.precision - found.chance
        layer, head = (int(at) for at in np.unravel_index(gain.argmax(), gain.shape))
        lines.append(
            f"Attention and {what} ({found.molecules} molecules): head {layer + 1}.{head + 1} has the most, "
            f"precision at L {found.precision[layer, head]:.3f}, by separation alone {found.chance[layer, head]:.3f}, "
            f"at most {found.most:.3f} (p {found.p[layer, head]:.3f}); {int((found.p <= 0.05).sum())} of "
            f"{found.p.size} heads are above chance"
        )
    if not any(what == "MFE structures" for what, _ in followed):
        lines.append("Structures were not asked for: that needs ViennaRNA, pip install 'ribospace[structure]'")
    return lines


def heads_said(encoder: Encoder, molecules: pa.Table) -> npt.NDArray[np.float32]:
    """(n, layers, heads, E) what heads say of molecules, with progress."""
    tokens, parts = tokenize(molecules["sequence"]), []
    with progress_bar("Asking heads") as progress:
        for start in range(0, len(tokens), 256):
            progress(start, len(tokens))
            parts.append(encoder.head_outputs(tokens.take(np.arange(start, min(start + 256, len(tokens))))))
    return np.concatenate(parts)


def short(name: str) -> str:
    """A name or a sequence, cut where it is long."""
    return name if len(name) <= 16 else name[:15] + "…"


def write_results(folder: Path, said: dict[str, Any]) -> None:
    """Write results.json."""
    (folder / "results.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
