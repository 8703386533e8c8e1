"""The ribosome's oldest part: the peptidyl transferase centre (PTC) and its symmetrical region (SymR) as constructs.

Positions are those of the E. coli 23S rRNA; a position that is not conserved enough is written N. PTC2 to PTC5 hold
ever less conserved nucleotides (100 %, 90 %, 70 %, 50 % and more); SymR_P and SymR_A are the halves of the symmetrical
region around the P and the A site, SymR_PA is the one followed by the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import pyarrow as pa

from ribospace.records import record_batch

#: Lowest conservation, in percent, of the nucleotides in each construct.
CONSERVATION = {"PTC2": "100 %", "PTC3": "90 %", "PTC4": "70 %", "PTC5": "50 %"}


def read_ribosome() -> Iterator[pa.RecordBatch]:
    """Give the seven constructs PTC2, PTC3, PTC4, PTC5, SymR_P, SymR_A and SymR_PA.

    Yields
    ------
    pa.RecordBatch
        One batch of seven records of the rna_type "rRNA" and the families "PTC" and "SymR".

    Examples
    --------
    >>> next(read_ribosome()).select(["id", "length"]).to_pylist()[:2]
    [{'id': 'PTC2', 'length': 549}, {'id': 'PTC3', 'length': 564}]
    """
    sequences = ptc_sequences() | symr_sequences()
    batch = record_batch(
        list(sequences),
        list(sequences.values()),
        {
            "rna_type": "rRNA",
            "description": [_description(name) for name in sequences],
            "species": "Escherichia coli",
            "taxid": [562] * len(sequences),
            "source": "construct (E. coli 23S rRNA numbering, N where undefined)",
            "family": ["PTC" if name.startswith("PTC") else "SymR" for name in sequences],
        },
        origin="ribosome",
    )
    yield batch


def ptc_sequences() -> dict[str, str]:
    """PTC2 to PTC5 by name, each from its first to its last defined position."""
    rows = _table("ptc_conservation.tsv")
    return {
        name: _spread({int(row["position"]): row["nucleotide"] for row in rows if row["first_in"] <= name})
        for name in CONSERVATION
    }


def symr_sequences() -> dict[str, str]:
    """SymR_P, SymR_A and SymR_PA by name."""
    rows = _table("symr.tsv")
    site = {
        name: _spread({int(row["position"]): row["nucleotide"] for row in rows if row["site"] == name}) for name in "PA"
    }
    return {"SymR_P": site["P"], "SymR_A": site["A"], "SymR_PA": site["P"] + site["A"]}


def _spread(nucleotides: dict[int, str]) -> str:
    return "".join(nucleotides.get(position, "N") for position in range(min(nucleotides), max(nucleotides) + 1))


def _table(name: str) -> list[dict[str, str]]:
    text = (resources.files("ribospace") / "data" / name).read_text(encoding="utf-8")
    header, *rows = [line.split("\t") for line in text.splitlines() if line]
    return [dict(zip(header, row, strict=True)) for row in rows]


def _description(name: str) -> str:
    if name in CONSERVATION:
        return f"peptidyl transferase centre, nucleotides conserved in {CONSERVATION[name]} or more"
    site = {"SymR_P": "P site", "SymR_A": "A site", "SymR_PA": "P site followed by A site"}[name]
    return f"symmetrical region of the ribosome, {site}"
