"""Importing the package, in a new process each time."""

from __future__ import annotations

from collections.abc import Iterator

from .measure import Line, Scale, in_a_process, quickest


def run(scale: Scale) -> Iterator[Line]:
    found = {what: quickest([in_a_process("importing", what) for _ in range(scale.times)]) for what in _WHAT}
    for what, of in _WHAT.items():
        one = found[what]
        ratio = one.seconds / found[of].seconds if of else None
        yield Line(f"import {what}", one.seconds, ratio, f"import {of}", f"process {one.memory / 1e6:.0f} MB")


_WHAT = {"httpcore": "", "planhat_orm": "httpcore", "planhat_orm.mirror": "httpcore", "sqlmodel": "httpcore"}
"""What is imported, and what that is compared with. The last is what the others do not import."""
