"""The emulated tenant's records: all tables behind one lock, and the three ways a record changes.

`insert`, `update` and `delete` apply the rules that Planhat applies, whoever calls them: the API, or a
test that plays a colleague working in Planhat at the same time. Figures of companies are computed when
somebody looks, and only for companies whose licences or sales changed.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from ..errors import ConfigurationError
from ..forks import Lock
from ..wire.resources import resource, resources
from . import rules
from .defaults import change_stamps, creation_stamps, template
from .refusal import Refusal
from .switches import Switches
from .tables import Record, Table
from .times import Moments
from .webhooks import Automations

T = TypeVar("T")

SHARED_TABLES = {"note": "conversation", "ticket": "conversation"}
"""Resources that live in another one's table."""

_ALSO_INDEXED = {
    "company": ("domains", "orgRootId"),
    "conversation": ("type",),
    "enduser": ("email",),
    "line_item": ("dealId",),
    "time_entry": ("timesheetId",),
    "metric": ("companyId",),
}


class Store:
    """Records by resource name (`company`, `line_item`, ...). Safe to use from any thread."""

    def __init__(self, moments: Moments, switches: Switches, seed: int = 1) -> None:
        self.lock = Lock(reentrant=True)
        self.moments = moments
        moments.stamp_offset = timedelta(seconds=switches.stamp_offset)
        self.switches = switches
        self.dirty: set[str] = set()
        self.loading = False
        self.automations = Automations(moments.iso)
        self.refusals: dict[str, list[Callable[[Record], str | None]]] = {}
        self.forbidden: dict[tuple[str, str], int] = {}
        self.invoice_number = 0
        now = self._now if switches.lag else None
        self._tables = {name: Table(_indexed(name), now) for name in resources() if name not in SHARED_TABLES}
        self._id_seed = random.Random(seed).getrandbits(40)
        self._id_own = secrets.randbits(40)  # not of `random`, which tests seed: no id is made twice
        self._ids = 0
        self._settled_day = moments.day()

    def all(self, name: str) -> list[Record]:
        """Return copies of all records of a resource, by insertion, hidden ones too."""
        with self.lock:
            table = self.table(name)
            self.settle(name)
            return _copy([table.row(id).record for id in self.ids(name)])

    def get(self, name: str, id: str) -> Record | None:
        """Return a copy of one record, or None."""
        with self.lock:
            record = self.find(name, "_id", id)
            return _copy(record) if record else None

    def insert(self, name: str, fields: Mapping[str, Any]) -> Record:
        """Add a record; any field may be given, `_id` and computed ones too. Return a copy of it."""
        with self.lock:
            return _copy(self.create(name, dict(fields)))

    def update(self, name: str, id: str, fields: Mapping[str, Any], *, touch: bool = True) -> Record:
        """Set fields of a record, computed ones too; `touch=False` leaves its time of change alone."""
        with self.lock:
            old = self.find(name, "_id", id)
            if old is None:
                raise KeyError(id)
            self.change(name, old, dict(fields), touch=touch)
            return _copy(self.table(name).row(id).record)

    def delete(self, name: str, id: str) -> Record | None:
        """Remove a record and return it, or None when there is none of that id."""
        with self.lock:
            record = self.find(name, "_id", id)
            if record is not None:
                self.table(name).remove(id)
                rules.after(self, name, None, record)
                self.automations.happened(name, "delete", None, record)
            return record

    def counts(self) -> dict[str, int]:
        """Return how many records each resource has."""
        with self.lock:
            return {name: len(self.ids(name)) for name in resources()}

    # What follows is for the emulator's own files, which hold the lock and never change a record in place.

    def table(self, name: str) -> Table:
        """Return the table that a resource lives in."""
        try:
            return self._tables[SHARED_TABLES.get(name, name)]
        except KeyError:
            raise ConfigurationError(f"There is no resource {name!r}. There is: {', '.join(resources())}.") from None

    def listed(self, name: str) -> Table:
        """Return the table that lists of a resource show, which may lag."""
        table, lag = self.table(name), self.switches.lag
        return table.at(self.moments.now() - timedelta(seconds=lag)) if lag else table

    def ids(self, name: str, table: Table | None = None) -> list[str]:
        """Return the ids of a resource by insertion."""
        table = table or self.table(name)
        return table.having("type", name) if name in SHARED_TABLES else table.ids()

    def find(self, name: str, key: str, value: Any) -> Record | None:
        """Return the oldest record whose `_id`, key or other indexed field is `value`."""
        self.settle(name)
        table = self.table(name)
        if name not in SHARED_TABLES:
            return table.first(key, value)
        found = [table.get(str(value))] if key == "_id" else [table.get(id) for id in table.having(key, value)]
        return next((record for record in found if record and (name == "note" or record["type"] == name)), None)

    def create(self, name: str, fields: Record) -> Record:
        """Store a new record with its defaults, stamps and derived fields."""
        now = self.moments.iso()
        record = {"_id": self.new_id(), **template(name), **fields}
        for stamp in (*creation_stamps(name), *change_stamps(name)):
            record.setdefault(stamp, now)
        rules.complete(self, name, record, None, fields)
        self.table(name).add(record)
        rules.after(self, name, record, None)
        if not self.loading:
            self.automations.happened(name, "create", record, None)
        return record

    def change(self, name: str, old: Record, changes: Record, *, touch: bool = True) -> bool:
        """Set fields of a record and what follows from them; tell whether anything became different."""
        new = {**old, **{key: value for key, value in changes.items() if value is not None or key in old}}
        rules.complete(self, name, new, old, changes)
        changed = new != old
        if not changed and not self.switches.noop_bumps_stamp:
            return False
        if touch:
            now = self.moments.iso()
            for stamp in change_stamps(name):
                if stamp not in changes:
                    new[stamp] = now
        self.table(name).replace(new)
        if changed:
            rules.after(self, name, new, old)
            if not self.loading:
                self.automations.happened(name, "update", new, old)
        return changed

    def load(self, name: str, records: Iterable[Record]) -> None:
        """Add finished records, as the seeded tenant makes them: no rule is applied."""
        table = self.table(name)
        for record in records:
            table.add(record)

    def new_id(self) -> str:
        """Return the next ObjectId: its second, what is this store's own, a number.

        Those of the seeded tenant are of the past, and the same for the same seed.
        """
        self._ids += 1
        second, own = 0x65F0C1A2 + self._ids // 100, self._id_seed
        if not self.loading:
            now = int(self.moments.now().timestamp() + self.switches.id_offset)
            second, own = max(second, now), self._id_own
        return f"{second:08x}{own:010x}{self._ids:06x}"

    def _now(self) -> datetime | None:
        """When a row changes that lists show later; None for those of the seeded tenant, which were always there."""
        return None if self.loading else self.moments.now()

    def settle(self, name: str) -> None:
        """Bring the figures of companies up to date before somebody reads them."""
        if name not in ("company", "license"):
            return
        day = self.moments.day()
        if day != self._settled_day:
            self._settled_day = day
            rules.new_day(self)
        if self.dirty and name == "company":
            waiting, self.dirty = self.dirty, set()
            rules.settle(self, waiting, silent=self.loading)

    def refuse_if_told(self, name: str, row: Any) -> None:
        """Refuse a row that a test wants refused."""
        for check in self.refusals.get(name, ()):
            message = check(row)
            if message:
                raise Refusal(message)

    def dated_customs(self, name: str) -> Mapping[str, str]:
        """Return the custom fields of a resource that hold dates or days."""
        parent = name.replace("_", "")
        return {
            field["name"]: field["type"]
            for field in self.table("custom_field")
            if field.get("type") in ("date", "day") and str(field.get("parent")).lower() == parent
        }


def external_key(name: str) -> str:
    """Return the field that `extid-` refers to: `externalId`, but `extId` on invoices."""
    return "extId" if "extId" in resource(name).fields else "externalId"


def _indexed(name: str) -> list[str]:
    info = resource(name)
    keys = [key for key in info.keys if key != "_id"]
    keys += [external_key(name)] * ("extid-" in info.id_forms) + ["sourceId"] * ("srcid-" in info.id_forms)
    company = info.params.get("companyId")
    if company and company.field and company.field != "_id":
        keys.append(company.field)
    return list(dict.fromkeys((*keys, *_ALSO_INDEXED.get(name, ()))))


def _copy(value: T) -> T:
    copied: T = msgspec.json.decode(msgspec.json.encode(value))
    return copied
