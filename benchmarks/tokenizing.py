"""Tokenising 100,000 molecules of 100 nt, beside a plain dictionary look-up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from benchmarks.measure import measure
from ribospace.alphabet import FIRST_LETTER, LETTERS, detokenize, tokenize

MOLECULES = 100_000


def main() -> None:
    generator = np.random.default_rng(0)
    block = generator.choice(np.frombuffer(b"ACGU", dtype=np.uint8), (MOLECULES, 100))
    sequences = [row.tobytes().decode() for row in block]
    column = pa.array(sequences)
    table = {letter: FIRST_LETTER + number for number, letter in enumerate(LETTERS)}
    tokens = tokenize(sequences)
    measure(
        "peer: a dictionary, letter by letter", MOLECULES, lambda: [[table[x] for x in s] for s in sequences], runs=3
    )
    measure("tokenize a list of 100 nt", MOLECULES, lambda: tokenize(sequences))
    measure("tokenize an Arrow column of 100 nt", MOLECULES, lambda: tokenize(column))
    measure("detokenize", MOLECULES, lambda: detokenize(tokens))
    rows = np.arange(MOLECULES)
    measure(
        "pad batches of 256", MOLECULES, lambda: [tokens.padded(rows[at : at + 256]) for at in range(0, MOLECULES, 256)]
    )


if __name__ == "__main__":
    main()
