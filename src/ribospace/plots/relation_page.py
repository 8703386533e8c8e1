"""The page of additive equations: tables, alignments, structures; one self-contained file."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from ribospace.plots.structures import Structure, structure_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOCK = 100  # columns of an alignment in a line


@dataclass(frozen=True)
class Card:
    """What there is to read of one equation.

    Attributes
    ----------
    title, lines
        The equation, and sentences on it.
    molecules
        Header and rows of a table; a cell that begins with https:// becomes a link.
    names, alignment, conserved
        Names and rows of the alignment, and its conserved columns; empty where there is none.
    structures
        Beside each other.
    """

    title: str
    lines: Sequence[str]
    molecules: tuple[Sequence[str], Sequence[Sequence[str]]]
    names: Sequence[str] = ()
    alignment: Sequence[str] = ()
    conserved: Sequence[bool] = ()
    structures: Sequence[Structure] = field(default_factory=list)


def relation_page(
    title: str,
    lines: Sequence[str],
    figures: Mapping[str, Figure],
    best: tuple[Sequence[str], Sequence[Sequence[str]]],
    enrichment: tuple[Sequence[str], Sequence[Sequence[str]]],
    involved: tuple[Sequence[str], Sequence[Sequence[str]]],
    cards: Sequence[Card],
) -> str:
    """Write the page; everything that comes from molecules is escaped.

    Parameters
    ----------
    title, lines
        What was asked, and what it gave; the first line is the verdict.
    figures
        By what they show.
    best, enrichment, involved
        Header and rows of tables.
    cards
        Of the best equations.
    """
    said = [f'<p class="verdict">{html.escape(lines[0])}</p>', *(f"<p>{html.escape(one)}</p>" for one in lines[1:])]
    parts = {
        "TITLE": html.escape(title),
        "LINES": "\n".join(said),
        "FIGURES": "\n".join(_picture(what, figure) for what, figure in figures.items()),
        "TABLE": _table(*best),
        "ENRICHMENT": _section("Do equations join alike molecules more often than the null?", enrichment),
        "INVOLVED": _section("The molecules most often involved", involved),
        "CARDS": "\n".join(_card(one) for one in cards),
    }
    page = (resources.files("ribospace") / "data" / "relations.html").read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda name: parts[name[1]], page)


def _section(title: str, content: tuple[Sequence[str], Sequence[Sequence[str]]]) -> str:
    return f'<h2>{html.escape(title)}</h2>\n<div class="wide">{_table(*content)}</div>' if content[1] else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without the columns that are empty."""

    def cell(text: str, tag: str = "td") -> str:
        if text.startswith("https://"):
            return f'<td><a href="{html.escape(text)}">{html.escape(text.removeprefix("https://"))}</a></td>'
        number = text[:1].isdigit() or text[:1] in "<>−"
        kind = ' class="number"' if number and len(text) < 24 else ' class="equation"' if " ≈ " in text else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    told = [column for column in range(len(header)) if any(row[column] for row in rows) or not rows]
    header, rows = [header[column] for column in told], [[row[column] for column in told] for row in rows]
    head = "".join(f"<th>{html.escape(one)}</th>" for one in header)
    body = "".join("<tr>" + "".join(cell(text) for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _picture(what: str, figure: Figure) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return (
        f'<img alt="{html.escape(what)}" src="data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}">'
    )


def _card(one: Card) -> str:
    parts = [f"<h3>{html.escape(one.title)}</h3>", *(f"<p>{html.escape(line)}</p>" for line in one.lines)]
    parts.append(f'<div class="wide">{_table(*one.molecules)}</div>')
    if one.alignment:
        text = "\n\n".join(_alignment(one.names, one.alignment, one.conserved))
        parts.append(f'<div class="wide"><pre>{text}</pre></div>')
    drawn = [structure_svg(structure) for structure in one.structures]
    if drawn:
        captions = [f"{html.escape(s.name)}: MFE {s.energy:.1f} kcal/mol" for s in one.structures]
        figures = [
            f"<figure>{svg}<figcaption>{c}</figcaption></figure>" for svg, c in zip(drawn, captions, strict=True)
        ]
        parts.append(f'<div class="structures">{"".join(figures)}</div>')
    return "\n".join(parts)


def _alignment(names: Sequence[str], rows: Sequence[str], conserved: Sequence[bool]) -> Iterator[str]:
    """Blocks of an alignment, conserved columns marked."""
    width = min(28, max(len(name) for name in names))
    for first in range(0, len(conserved), BLOCK):
        lines = []
        for name, row in zip(names, rows, strict=True):
            marked = "".join(
                f"<b>{letter}</b>" if same else letter
                for letter, same in zip(row[first : first + BLOCK], conserved[first : first + BLOCK], strict=True)
            )
            lines.append(f"{html.escape(name[:width].ljust(width))}  {marked}".replace("</b><b>", ""))
        yield "\n".join(lines)
