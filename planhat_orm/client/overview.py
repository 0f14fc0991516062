"""What `help(planhat)` says of a client: what it has, each endpoint with its verbs, needs, keys and limits."""

from __future__ import annotations

from collections.abc import Iterable

from ..aligned import aligned
from ..wire.resources import BULK_MAX_ROWS, Resource, resources

_VERBS = {
    "create": "create", "update": "update", "get_by_id": "get_by_id", "list": "get_list",
    "lean_list": "get_lean_list", "delete": "delete", "bulk_upsert": "bulk_upsert", "duplicate": "duplicate",
}  # fmt: skip
_PUSHED = {
    "metrics": "bulk_insert_metrics, get_dimension_data",
    "user_activity": "create_activity, segment",
}


def overview(_: type) -> str:
    """The tables of a client as text."""
    return "\n\n".join(
        [
            _lines(
                "What a client has:",
                [
                    ("planhat.company, ...", "every endpoint as plain calls with dicts, listed below"),
                    ("Company.objects, ...", "the same records as typed objects: help(Company)"),
                    ("planhat.batch()", "a block whose saves leave together; .plan() before, .result after"),
                    (
                        "planhat.sync(), .mirror",
                        "a local copy, its history, search, SQL and export: help(planhat.mirror)",
                    ),
                    ("planhat.offline()", "a block that asks the copy; writes wait until planhat.push()"),
                    ("planhat.request()", "any other route, under the same quota and retries"),
                    ("planhat.on()", "events: requests, waits, retries, progress"),
                ],
            ),
            "Each verb that asks Planhat has a twin for asyncio: aget_list, acreate, a_sync.",
            "\n".join(["Endpoints:", *(line for resource in resources().values() for line in _endpoint(resource))]),
            f"A bulk_upsert takes any number of rows and sends {BULK_MAX_ROWS} in a request. Where an id goes, "
            "'extid-...' and 'srcid-...' go,\ntoo, as far as that key is listed. More: docs/README.md, or "
            "`planhat --help` for the command line.",
        ]
    )


def _endpoint(resource: Resource) -> list[str]:
    verbs = _PUSHED.get(resource.attribute) or ", ".join(
        verb for operation, verb in _VERBS.items() if operation in resource.operations
    )
    facts = []
    if resource.required_new:
        facts.append(f"needs {', '.join(resource.required_new)}")
    facts += [f"needs {' or '.join(names)}" for names in resource.required_any or resource.required_any_bulk]
    keys = [key for key in resource.keys if key != "_id"]
    if keys:
        facts.append(f"keys {', '.join(keys)}")
    if "list" in resource.operations:
        facts.append(f"pages of at most {resource.max_limit}")
    return [f"  planhat.{resource.attribute:<14} {verbs}", f"{'':<25}{'; '.join(facts)}"]


def _lines(title: str, rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([title, *(f"  {line}" for line in aligned(list(rows), most=24))])
