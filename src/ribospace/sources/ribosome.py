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
from ribospace.sources.sample import read_sample

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


def read_regions() -> Iterator[pa.RecordBatch]:
    """Give the natural regions that the constructs are of, from the sample's 23S and 25S rRNA genes.

    Of E. coli the spans of PTC5 (2043 to 2625), SymR_P and SymR_A; of all other genes what aligns with E. coli's span
    of PTC5. Of equal regions the first is given.

    Yields
    ------
    pa.RecordBatch
        Records of the rna_type "rRNA", with ids such as Eco_PTC, and of the families "PTC region" and "SymR region".

    Examples
    --------
    >>> next(read_regions()).select(["id", "length"]).to_pylist()[:2]
    [{'id': 'Eco_PTC', 'length': 583}, {'id': 'Eco_SymR_P', 'length': 444}]
    """
    molecules = [one for batch in read_sample() for one in batch.to_pylist()]
    genes = [one for one in molecules if one["family"] in ("23S_rRNA", "25S_rRNA")]
    reference = next(gene for gene in genes if gene["genome"] == "U00096.2" and _fits(gene["sequence"]))
    spans = {"PTC": _span("ptc_conservation.tsv"), "SymR_P": _span("symr.tsv", "P"), "SymR_A": _span("symr.tsv", "A")}
    rows = [(f"Eco_{name}", reference, *span) for name, span in spans.items()]
    region = reference["sequence"][slice(*spans["PTC"])]
    seen = {reference["sequence"][slice(*span)] for span in spans.values()}
    for gene in genes:
        start, end = _aligned(region, gene["sequence"])
        if gene["sequence"][start:end] not in seen:
            seen.add(gene["sequence"][start:end])
            short = "".join(word[:size] for word, size in zip(gene["species"].split(), (1, 2), strict=False))
            taken = sum(name.startswith(f"{short}_PTC") for name, *_ in rows)
            rows.append((f"{short}_PTC" + (f"_{taken + 1}" if taken else ""), gene, start, end))
    yield record_batch(
        [name for name, *_ in rows],
        [gene["sequence"][start:end] for _, gene, start, end in rows],
        {
            "rna_type": "rRNA",
            "description": [
                f"nt {start + 1} to {end} of {gene['family'].replace('_', ' ')} {gene['id']}, {gene['species']}"
                for _, gene, start, end in rows
            ],
            "species": [gene["species"] for _, gene, *_ in rows],
            "taxid": [gene["taxid"] for _, gene, *_ in rows],
            "source": "region of a gene of the sample",
            "family": ["SymR region" if "SymR" in name else "PTC region" for name, *_ in rows],
        },
        origin="ribosome-regions",
    )


def _fits(sequence: str) -> bool:
    """Whether E. coli's numbering holds: all nucleotides of 100 % conservation are where they should be."""
    rows = [row for row in _table("ptc_conservation.tsv") if row["first_in"] == "PTC2"]
    return all(sequence[int(row["position"]) - 1] == row["nucleotide"] for row in rows)


def _span(file: str, site: str = "") -> tuple[int, int]:
    """First, and one past the last place of a construct, from 0."""
    positions = [int(row["position"]) for row in _table(file) if not site or row["site"] == site]
    return min(positions) - 1, max(positions)


def _aligned(region: str, gene: str) -> tuple[int, int]:
    """Where a gene aligns with a region, from 0: semi-global, so that ends of the gene cost nothing."""
    from biotite.sequence import NucleotideSequence
    from biotite.sequence.align import SubstitutionMatrix, align_optimal

    pair = [NucleotideSequence(one.replace("U", "T")) for one in (region, gene)]
    matrix = SubstitutionMatrix.std_nucleotide_matrix()
    trace = align_optimal(*pair, matrix, gap_penalty=(-10, -1), terminal_penalty=False, max_number=1)[0].trace
    places = trace[(trace[:, 0] >= 0) & (trace[:, 1] >= 0), 1]
    return int(places.min()), int(places.max()) + 1


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
