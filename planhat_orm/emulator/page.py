"""The emulator's own pages under `/__emulator__/`: records, calls and faults for a person, and the same as JSON.

The HTML is made by `tag`, which escapes every text that is not itself made by `tag`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..errors import ConfigurationError
from ..http.clock import Clock
from ..wire.resources import resources
from .faults import EXPLAINED, KINDS, Faults, read_fault
from .log import Call, Log
from .page_style import STYLE
from .store import Store
from .tables import Record

_PAGE_ROWS = 50
_LOG_ROWS = 200
_COLUMNS = 8
_LONG = 40
_CALL = ("when", "call", "query", "status", "rows", "bytes", "fault")
_FIRST_COLUMNS = (
    "_id",
    "name",
    "title",
    "email",
    "subject",
    "action",
    "externalId",
    "sourceId",
    "companyName",
    "product",
    "status",
    "phase",
    "type",
    "mrr",
    "date",
)


class Html(str):
    """Text that is HTML already."""


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; texts and attribute values are escaped. `class_` is `class`."""
    head = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{head}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Put elements and texts after each other."""
    return Html("".join(part if isinstance(part, Html) else escape(str(part)) for part in parts))


class Pages:
    """What `/__emulator__/` shows and takes."""

    def __init__(self, store: Store, faults: Faults, log: Log, clock: Clock) -> None:
        self._store = store
        self._faults = faults
        self._log = log
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the routes, relative to `/__emulator__`."""
        return [
            Route("/", self.overview),
            Route("/log", self.log, methods=["GET", "DELETE"]),
            Route("/log/clear", self.log_form, methods=["POST"]),
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/faults/form", self.faults_form, methods=["POST"]),
            Route("/state", self.state),
            Route("/records/{name}", self.records),
        ]

    async def state(self, request: Request) -> Response:
        """Answer how many records and calls there are."""
        return _json({"records": self._store.counts(), "calls": len(self._log), "now": self._store.moments.iso()})

    async def records(self, request: Request) -> Response:
        """Answer all records of a resource, hidden ones too."""
        name = request.path_params["name"]
        if name not in resources():
            return Response(f"No resource {name!r}", 404, media_type="text/plain")
        return _json(self._store.all(name))

    async def log(self, request: Request) -> Response:
        """Answer the calls, or forget them."""
        if request.method == "DELETE":
            self._log.clear()
        return _json([call.as_dict() for call in self._log])

    async def log_form(self, request: Request) -> Response:
        """Forget the calls, for the page's button."""
        self._log.clear()
        return RedirectResponse("/__emulator__/?show=log", 303)

    async def faults(self, request: Request) -> Response:
        """Answer the rules; POST adds one from JSON, DELETE clears them."""
        if request.method == "DELETE":
            self._faults.clear()
        elif request.method == "POST":
            try:
                self._faults.add(**read_fault(msgspec.json.decode(await request.body(), type=dict[str, Any])))
            except (ConfigurationError, msgspec.DecodeError, RecursionError) as error:
                return Response(str(error), 400, media_type="text/plain")
        return _json([fault.as_dict() for fault in self._faults.rules()])

    async def faults_form(self, request: Request) -> Response:
        """Add or clear rules, for the page's form."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if form.pop("do", "add") == "clear":
            self._faults.clear()
        else:
            try:
                self._faults.add(**read_fault(form))
            except ConfigurationError as error:
                return HTMLResponse(self._page("faults", tag("p", error, class_="bad")), 400)
        return RedirectResponse("/__emulator__/?show=faults", 303)

    async def overview(self, request: Request) -> Response:
        """Show one resource's records, one record, the calls, or the faults."""
        query = request.query_params
        show = query.get("show", "log")
        if show == "faults":
            return HTMLResponse(self._page(show, self._faults_part()))
        if show not in resources():
            return HTMLResponse(self._page("log", self._log_part(query.get("q", ""))))
        id = query.get("id")
        if id is not None:
            return HTMLResponse(self._page(show, self._record_part(show, id)))
        page = query.get("page", "1")
        return HTMLResponse(
            self._page(
                show,
                self._records_part(show, int(page) if page.isdecimal() and len(page) < 10 else 1, query.get("q", "")),
            )
        )

    def _page(self, here: str, content: Html) -> str:
        counts = {"log": len(self._log), "faults": len(self._faults), **self._store.counts()}
        links = [
            tag(
                "a",
                name.replace("_", " "),
                tag("span", count, class_="dim"),
                href=_link(show=name),
                class_=_here(name, here),
            )
            for name, count in counts.items()
        ]
        header = tag(
            "header",
            tag("h1", "Planhat emulator"),
            tag("span", f"It is {self._store.moments.now():%Y-%m-%d %H:%M} UTC here", class_="dim"),
            tag("span", f"{len(self._log)} calls", class_="dim"),
        )
        narrow = Html('<meta name="viewport" content="width=device-width, initial-scale=1">')
        head = tag(
            "head", Html('<meta charset="utf-8">'), narrow, tag("title", "Planhat emulator"), tag("style", Html(STYLE))
        )
        body = tag("body", header, tag("main", tag("nav", *links), tag("section", content)))
        return f"<!doctype html>{tag('html', head, body, lang='en')}"

    def _records_part(self, name: str, page: int, wanted: str) -> Html:
        with self._store.lock:
            self._store.settle(name)
            table = self._store.table(name)
            ids = [id for id in self._store.ids(name) if not wanted or _holds(table.row(id).record, wanted)]
            pages = max(1, -(-len(ids) // _PAGE_ROWS))
            page = min(max(page, 1), pages)
            rows = [table.row(id).record for id in ids[(page - 1) * _PAGE_ROWS : page * _PAGE_ROWS]]
        columns = _columns(rows)
        lines = [
            (tag("a", row["_id"], href=_link(show=name, id=row["_id"])), *(_short(row.get(key)) for key in columns))
            for row in rows
        ]
        only = {"q": wanted} if wanted else {}
        steps = [
            tag("a", label, href=_link(show=name, **only, page=to))
            for label, to in (("« ", page - 1), (" »", page + 1))
        ]
        paging = tag("p", steps[0] if page > 1 else "", f"page {page} of {pages}", steps[1] if page < pages else "")
        title = tag("h2", f"{name.replace('_', ' ')}: {len(ids)}")
        return join((title, _filter(name, wanted, "a name, an id, a value"), paging, _table(("_id", *columns), lines)))

    def _record_part(self, name: str, id: str) -> Html:
        record = self._store.get(name, id)
        if record is None:
            return tag("p", f"There is no {name} {id}.", class_="bad")
        text = msgspec.json.format(msgspec.json.encode(record), indent=2).decode()
        return join((tag("h2", f"{name.replace('_', ' ')} {id}"), tag("pre", text)))

    def _log_part(self, wanted: str) -> Html:
        calls = [call for call in self._log if _is_wanted(call, wanted)][-_LOG_ROWS:][::-1]
        now = self._clock.now()
        clear = tag("form", tag("button", "Clear the log"), method="post", action="/__emulator__/log/clear")
        lines = [_call_cells(call, now) for call in calls]
        looking = _filter("log", wanted, "PUT, /companies, 429, slow")
        return join((tag("h2", "Calls, latest first"), looking, clear, _table(_CALL, lines)))

    def _faults_part(self) -> Html:
        names = (
            "kind", "method", "path", "times", "after", "status", "retry_after", "delay", "calls_per_min", "done",
            "met",
        )  # fmt: skip
        rules = [fault.as_dict() for fault in self._faults.rules()]
        lines = [[_short(rule[name]) for name in names] for rule in rules]
        kinds = tag("select", *(tag("option", kind) for kind in KINDS), name="kind")
        inputs = [
            tag("label", label, tag("input", name=name, placeholder=hint))
            for name, label, hint in (
                ("method", "method", "any"),
                ("path", "path", "any, or /companies"),
                ("times", "times (all)", "1"),
                ("after", "after", "0"),
                ("status", "status", "500"),
                ("retry_after", "Retry-After", ""),
                ("delay", "delay, seconds", "30"),
                ("calls_per_min", "above calls/min", "any"),
            )
        ]
        action = "/__emulator__/faults/form"
        add = tag("form", tag("label", "kind", kinds), *inputs, tag("button", "Add"), method="post", action=action)
        hidden = tag("input", type="hidden", name="do", value="clear")
        clear = tag("form", hidden, tag("button", "Clear all"), method="post", action=action)
        meanings = tag("dl", *(part for kind, text in EXPLAINED.items() for part in (tag("dt", kind), tag("dd", text))))
        about = tag("p", "A fault meets the calls of a method and a path, as often as it says, after the first ones.")
        return join((tag("h2", "Faults"), about, add, clear, _table(names, lines), tag("h2", "What they do"), meanings))


def _table(names: Sequence[str], lines: Iterable[Sequence[object]]) -> Html:
    """Rows of cells under their names; on a phone each row is a block of them. Without rows, nothing."""
    rows = [
        tag("tr", *(tag("td", cell, data_name=name) for name, cell in zip(names, line, strict=True))) for line in lines
    ]
    head = tag("tr", *(tag("th", name) for name in names), class_="head")
    return tag("table", head, *rows) if rows else tag("p", "None.", class_="dim")


def _call_cells(call: Call, now: float) -> Sequence[object]:
    bad = call.status >= 400 or not call.status
    query = " ".join(f"{name}={_readable(name, value)}" for name, value in call.query.items())
    return (
        f"{now - call.at:.1f} s ago",
        f"{call.method} {call.path}",
        tag("span", query, title=urlencode(call.query)) if query else "",
        tag("span", call.status or "no answer", class_="bad" if bad else None),
        f"{call.rows:,}",
        f"{call.bytes:,}",
        call.fault or "",
    )


def _readable(name: str, value: str) -> str:
    """A parameter as a person reads it: a long list of fields or ids as how many they are."""
    if len(value) <= _LONG or "," not in value:
        return _short(value)
    return f"{value.count(',') + 1} {'fields' if name == 'select' else 'values'}"


def _filter(show: str, wanted: str, hint: str) -> Html:
    hidden = tag("input", type="hidden", name="show", value=show)
    field = tag("input", name="q", value=wanted, placeholder=hint, style="width: 220px")
    return tag("form", hidden, tag("label", "only with", field), tag("button", "Filter"), action="/__emulator__/")


def _holds(record: Record, wanted: str) -> bool:
    """Whether any value of a record holds the text."""
    return wanted.casefold() in msgspec.json.encode(record).decode().casefold()


def _is_wanted(call: Call, wanted: str) -> bool:
    """Whether each word is in the method, path, query, status or fault of a call."""
    text = f"{call.method} {call.path} {urlencode(call.query)} {call.status} {call.fault or ''}".casefold()
    return all(word in text for word in wanted.casefold().split())


def _columns(rows: list[Record]) -> list[str]:
    """The columns that tell the records apart: known names first, then what the records have."""
    present = dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, (dict, list)))
    chosen = [name for name in _FIRST_COLUMNS if name in present]
    chosen += [name for name in present if name not in chosen and name != "__v"]
    return [name for name in chosen if name != "_id"][:_COLUMNS]


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _here(name: str, here: str) -> str | None:
    return "here" if name == here else None


def _link(**query: object) -> str:
    return f"/__emulator__/?{urlencode(query)}"


def _json(value: Mapping[str, Any] | list[Any]) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
