"""The real molecules that ship with the package; each row says where it is from (scripts/make_sample)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import pyarrow as pa

from ribospace.sources.tables import read_tsv


def read_sample() -> Iterator[pa.RecordBatch]:
    """Give the shipped sample: real non-coding RNAs with family, isotype, anticodon and provenance.

    Yields
    ------
    pa.RecordBatch
        Records with the further columns family, isotype, anticodon, genome, start, end, strand, tool and score.

    Examples
    --------
    >>> sum(batch.num_rows for batch in read_sample()) >= 300
    True
    """
    with resources.as_file(resources.files("ribospace") / "data" / "sample.tsv") as path:
        yield from read_tsv(path)
