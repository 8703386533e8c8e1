"""Run every benchmark, each in a process of its own, and print one table: python -m benchmarks [NAME…]."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import machine

SUBJECTS = ("importing", "tokenizing", "embedding", "training", "synthesis", "searching", "bulk", "folding")


def main() -> None:
    chosen = sys.argv[1:] or SUBJECTS
    results = []
    print(f"{machine()}\n")
    print(f"{'what':<58}{'median':>14}{'of runs':>24}{'peak MB':>9}")
    for subject in chosen:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{subject}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{subject} failed:\n{done.stderr}")
        for line in done.stdout.splitlines():
            one = json.loads(line)
            results.append(one)
            if "said" in one:
                print(one["said"], flush=True)
                continue
            spread = f"{min(one['runs']):,.0f} to {max(one['runs']):,.0f}"
            print(
                f"{one['what']:<58}{one['median']:>12,.0f}/s{spread:>24}{one['peak_mb']:>9,.0f}  {one['note']}",
                flush=True,
            )
    out = Path("benchmarks/results")
    out.mkdir(exist_ok=True)
    file = out / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}.json"
    file.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n", encoding="utf-8")
    print(f"\nWrote {file}")


if __name__ == "__main__":
    main()
