"""All 488,280 molecules of at most 8 nt over A C G U N, lazily."""

from __future__ import annotations

from benchmarks.measure import measure
from ribospace.sources.synthetic import hairpins, words


def main() -> None:
    measure("synthesize words of at most 8 nt over ACGUN", 488_280, lambda: sum(b.num_rows for b in words(8, "ACGUN")))
    measure("synthesize hairpins", 100_000, lambda: sum(b.num_rows for b in hairpins(100_000)))


if __name__ == "__main__":
    main()
