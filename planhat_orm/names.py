"""Names: Planhat's camelCase and Python's snake_case, and the nearest right word for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable


def camel(name: str) -> str:
    """Turn a Python name into a wire name: `last_updated` gives `lastUpdated`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `name` most likely meant, or None when nothing is close."""
    wrong, known = name.lower(), list(choices)
    edits, _, best = min(
        ((_edits(wrong, choice.lower()), abs(len(wrong) - len(choice)), choice) for choice in known),
        default=(len(wrong) + 1, 0, ""),
    )
    if edits <= max(1, min(2, len(wrong) // 3)):
        return best
    # A word too many (`company_owner` for `owner`) is a likelier mistake than many wrong letters.
    alike, words = max(((_shared(wrong, choice.lower()), choice) for choice in known), default=(0.0, ""))
    if alike >= 0.5:
        return words
    if edits <= len(wrong) // 3:
        return best
    return words if alike else None


def _shared(left: str, right: str) -> float:
    """How much of the words of two names is in both, from 0 to 1."""
    one, other = set(left.split("_")), set(right.split("_"))
    return len(one & other) / len(one | other)


def _edits(left: str, right: str) -> int:
    """How many letters must be inserted, dropped, replaced, or swapped with a neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" or, when nothing is close, the list of what there is.

    Made to be put behind an error's first sentence.
    """
    known = sorted(choices)
    match = nearest(name, known)
    if match is not None:
        return f" Did you mean {match!r}?"
    return f" There is: {', '.join(known)}." if known else ""
