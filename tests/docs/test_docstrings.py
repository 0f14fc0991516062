"""The examples in docstrings run, against an emulated tenant, or say `# doctest: +SKIP` themselves.

They know the public names, `planhat`, a client, and `mirror`, which holds its companies.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import planhat_orm
from planhat_orm.emulator import Emulator

MODULES = [
    planhat_orm.__name__,
    *(
        found.name
        for found in pkgutil.walk_packages(planhat_orm.__path__, "planhat_orm.")
        if "__main__" not in found.name
    ),
]


def _examples(module: ModuleType, known: dict[str, Any]) -> list[doctest.DocTest]:
    known = {**{name: getattr(planhat_orm, name) for name in planhat_orm.__all__}, **known, **vars(module)}
    return [record for record in doctest.DocTestFinder().find(module, globs=known) if record.examples]


@pytest.mark.usefixtures("tenant", "clean_up")
def test_docstring_examples_run(tenant: Emulator) -> None:
    planhat = planhat_orm.Planhat()
    planhat.sync(planhat_orm.Company)
    known = {"planhat": planhat, "mirror": planhat.mirror}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told: list[str] = []
    for name in MODULES:
        if not name.endswith("__main__"):
            for example in _examples(importlib.import_module(name), known):
                runner.run(example, out=told.append)
    assert runner.tries >= 8, "the docstrings were not found"
    assert not runner.failures, "".join(told)
