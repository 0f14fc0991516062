"""Run every benchmark and print its figures. `BENCH_ROWS` sets the size, 100,000 when it is not set."""

from __future__ import annotations

import os

from . import records, sync

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))

if __name__ == "__main__":
    for module in (records, sync):
        print(f"\n{module.__doc__}\n")
        for line in module.run(ROWS):
            print("  " + line, flush=True)
