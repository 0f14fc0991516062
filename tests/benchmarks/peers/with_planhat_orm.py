"""This library."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import msgspec

from ..run import Job, run_and_print
from .company import keys, wires

NAMES = ("name", "mrr", "updated_at")


def store(url: str, where: str, rows: str) -> Job:
    """The first sync into SQLite."""
    import planhat_orm.http.sending
    import planhat_orm.mirror  # noqa: F401
    from planhat_orm import Company, Planhat

    def job() -> dict[str, Any]:
        with Planhat(api_url=url, api_token="test-token", mirror=where, calls_per_min=1e6) as planhat:
            return {"rows": planhat.sync(Company)["company"].new}

    return job


def _reading(url: str, where: str, read: Callable[[Any], Any]) -> Job:
    from planhat_orm import Company, Planhat

    planhat = Planhat(api_url=url, api_token="test-token", mirror=where, read="mirror")
    objects = Company.objects.using(planhat)
    objects.first()
    return lambda: {"rows": len(read(objects))}


def objects(url: str, where: str, rows: str) -> Job:
    """Records of all fields, of which three are read."""
    return _reading(
        url, where, lambda objects: [(item.name, item.mrr, item.updated_at) for item in objects.all().iterator()]
    )


def only(url: str, where: str, rows: str) -> Job:
    """Records of three fields."""
    return _reading(
        url, where, lambda objects: [(item.name, item.mrr, item.updated_at) for item in objects.only(*NAMES).iterator()]
    )


def values(url: str, where: str, rows: str) -> Job:
    """Dicts of three fields."""
    return _reading(url, where, lambda objects: list(objects.values(*NAMES)))


def values_list(url: str, where: str, rows: str) -> Job:
    """Tuples of three fields."""
    return _reading(url, where, lambda objects: list(objects.values_list(*NAMES)))


def get(url: str, where: str, rows: str) -> Job:
    """One record after the other by its key."""
    drawn = keys(int(rows))
    return _reading(url, where, lambda objects: [objects.get(external_id=key).name for key in drawn])


def wire(url: str, where: str, rows: str) -> Job:
    """Dicts of the API as records, of which three fields are read."""
    from planhat_orm import Company

    dicts = wires(url, int(rows), msgspec.json.decode)
    gc.freeze()

    def job() -> dict[str, Any]:
        made = [Company.from_wire(wire) for wire in dicts]
        return {"rows": len([(item.name, item.mrr, item.updated_at) for item in made])}

    return job


JOBS: dict[str, Callable[..., Job]] = {
    job.__name__: job for job in (store, objects, only, values, values_list, get, wire)
}

if __name__ == "__main__":
    run_and_print(JOBS)
