"""Run the benchmarks and print one table. `BENCH_ROWS` and `BENCH_TIMES` set the size and the rounds: 100,000 and 5.

`BENCH_ROWS=10000,100000,1000000` gives the subject `sizes` several; the others take the first. `BENCH_ONLY=questions,sync`
runs some subjects only; without it all run but the comparison, whose libraries need environments of their own: `make bench-peers`.
With `BENCH_PAGE=docs/explanation/benchmarks.md` the figures are written there after each subject, too, and those of the
subjects that do not run stay on the page as they are.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import comparison, imports, page, queries, questions, reading, records, sizes, sync
from .measure import Line, Scale, printed

SUBJECTS = (comparison, imports, sync, sizes, reading, queries, questions, records)


def main(scale: Scale, written: str = "", only: str = "") -> None:
    """Run the subjects that `only` names, or all that need nothing but this environment."""
    print(f"{scale.rows:,} records; the median of {scale.times} rounds; ratios are of this run")
    for subject in SUBJECTS:
        name = subject.__name__.rpartition(".")[2]
        if name in only.split(",") if only else subject is not comparison:
            title = _title(subject)
            print(f"\n{title}\n")
            lines: list[Line] = []
            for line in subject.run(scale):
                lines.append(line)
                print(printed(line), flush=True)
            if written:
                page.write(
                    Path(written), [_title(subject) for subject in SUBJECTS], title, page.table(scale, name, lines)
                )
                if subject is comparison:
                    page.draw(Path(written), scale, lines)


def _title(subject: object) -> str:
    return (subject.__doc__ or "").splitlines()[0].rstrip(".")


def _scale(rows: str, times: str) -> Scale:
    sizes = tuple(int(size) for size in rows.split(","))
    return Scale(sizes[0], int(times), sizes)


if __name__ == "__main__":
    main(
        _scale(os.environ.get("BENCH_ROWS", "100000"), os.environ.get("BENCH_TIMES", "5")),
        os.environ.get("BENCH_PAGE", ""),
        os.environ.get("BENCH_ONLY", ""),
    )
