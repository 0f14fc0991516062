"""Warnings of conditions on custom fields that no record can meet, while the account's own list is not known.

A label may be in no record, or hold values of other types than the one that it is compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UnknownNameWarning
from ..http.effects import Emit, Flow
from ..http.flows import mapped
from ..names import nearest
from ..query.kinds import ANY
from ..query.query import Query
from ..query.tree import Target, Test
from ..query.walk import tests_in

_NOUNS: Mapping[type, str] = {str: "text", float: "numbers", bool: "True and False"}


def labels_of(query: Query) -> dict[str, set[type]]:
    """The labels that a query looks for in the records themselves and that nobody knows the kind of.

    With each the types that its values are compared with; none where that is another field.
    """
    tests = [test for test in tests_in(query.where) if test.op != "isnull" and _label(test) is not None]
    labels: dict[str, set[type]] = {str(_label(test)): set() for test in tests if _kind(test) is ANY}
    for test in tests:
        label = _label(test)
        if label in labels:
            labels[label].update(_types(test.value))
    return labels


def _label(test: Test) -> str | None:
    keys = test.target.keys if isinstance(test.target, Target) else ()
    return keys[1] if len(keys) == 2 and keys[0] == "custom" else None


def _kind(test: Test) -> Any:
    return test.target.kind


def _types(value: Any) -> set[type]:
    values = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    return {kind for item in values for kind in _NOUNS if isinstance(item, _FORMS[kind])}


_FORMS: Mapping[type, Any] = {str: str, bool: bool, float: (int, float)}


class Watch:
    """What records hold under the labels of a query, as their pages go by."""

    def __init__(self, query: Query) -> None:
        self.labels = labels_of(query)
        self.resource = query.resource
        self.present: set[str] = set()
        self._rows = False
        self._held: dict[str, set[type]] = {label: set() for label in self.labels}

    def look(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note what a page holds."""
        for row in rows:
            self._rows = True
            custom = row.get("custom")
            if isinstance(custom, dict):
                self.present.update(custom)
                for label in self.labels.keys() & custom.keys():
                    self._held[label].add(type(custom[label]))

    def over(self, flow: Flow[None]) -> Flow[None]:
        """Pass rows on, and warn at their end of labels that none of them can match by."""

        def look(rows: list[dict[str, Any]]) -> Flow[None]:
            self.look(rows)
            yield Emit(rows)

        yield from mapped(flow, look)
        self.warn()

    def unseen(self) -> set[str]:
        """The labels that no record has."""
        return self.labels.keys() - self.present if self._rows else set()

    def warn(self, unseen: Iterable[str] | None = None) -> None:
        """Warn of labels that no record has, with the nearest that some has, and of those that hold other types."""
        for label in sorted(self.unseen() if unseen is None else unseen):
            near = nearest(label, self.present)
            _warn(f"No {self.resource} has a custom field {label!r}.{f' Did you mean {near!r}?' if near else ''}")
        for label in sorted(self.labels.keys() & self.present):
            self._warn_of_types(label)

    def _warn_of_types(self, label: str) -> None:
        held = {float if kind is int else kind for kind in self._held[label]} - {type(None)}
        wanted = {float if kind is int else kind for kind in self.labels[label]}
        if held and wanted and held <= _NOUNS.keys() and not held & wanted:
            _warn(
                f"The custom field {label!r} of {self.resource} holds {_nouns(held)} and is compared with "
                f"{_nouns(wanted)}, so it is met by none."
            )


def _nouns(kinds: set[type]) -> str:
    return " or ".join(sorted(_NOUNS[kind] for kind in kinds))


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UnknownNameWarning, stacklevel=2)
