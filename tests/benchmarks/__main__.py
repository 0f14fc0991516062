"""Run every benchmark and print one table. `BENCH_ROWS` and `BENCH_TIMES` set the size and how often: 100,000, 3."""

from __future__ import annotations

import os

from . import imports, queries, records, sync
from .measure import Scale, printed

SUBJECTS = (imports, sync, queries, records)


def main(scale: Scale) -> None:
    """Run all subjects."""
    print(f"{scale.rows:,} companies; the shortest of {scale.times} runs; ratios are of this run")
    for subject in SUBJECTS:
        print(f"\n{(subject.__doc__ or '').splitlines()[0]}\n")
        for line in subject.run(scale):
            print(printed(line), flush=True)


if __name__ == "__main__":
    main(Scale(int(os.environ.get("BENCH_ROWS", "100000")), int(os.environ.get("BENCH_TIMES", "3"))))
