"""`Planhat`: the client that ties settings, drivers, quota, endpoints, sources and writes together."""

from __future__ import annotations

import logging
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from .. import arguments, forks, runtime
from ..docstrings import Docstring
from ..errors import ConfigurationError, PlanhatError
from ..http.clock import Clock
from ..http.connecting import Cert, ConnectionOptions, Verify
from ..http.effects import Flow, Request, Response, RunBlocking
from ..http.events import LostEvent, RetryEvent, WaitEvent, WebhookEvent
from ..http.flows import tap
from ..http.retry import Retry, check_seconds
from ..http.secrets import Secrets, Token
from ..http.session import MAX_ANSWER, TIMEOUT, Session
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult
from ..names import did_you_mean, quoted
from ..scopes import blocks, clients
from ..scopes.accounts import Account
from ..scopes.chain import Scope, chain, enter, innermost
from ..wire.newest import SeenIds
from ..wire.resources import Resource
from ..writes.batch import Batch, records_in
from ..writes.facade import RecordWriter
from . import any_route, settings
from .account_fields import AccountFields
from .activities import UserActivities
from .automations import Automation
from .cache import ListCache
from .endpoints import Companies, Endpoint, TimeEntries
from .holdings import Attribute, Holdings
from .metrics import Metrics
from .mirror_quota import given_back, quota_of
from .overview import overview
from .source import ApiSource

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from ..mirror import Mirror
    from ..mirror.outbox.outbox import Outbox
    from ..mirror.report import Progress, SyncReport
    from ..reports.charts import Charts

T = TypeVar("T")
logger = logging.getLogger("planhat_orm")

EVENTS = ("request", "response", "lost", "saved", "failed", "wait", "retry", "progress", "sync", "webhook")


class Planhat:
    """A connection to Planhat. Making one makes no call; every setting can come from the environment.

    `calls_per_min` is the quota shared by everything this client does, in threads and tasks. `mirror` is a
    path or an SQLAlchemy URL; `read="mirror"` makes it the default source of queries. `history` is whether it
    remembers what changes, or for how many days; `metric_days` how far back it holds metrics. `timezone` is the zone
    that moments without one are read in, wherever they come from. `scan` says what a query does that the API cannot
    filter at all: "warn", "allow" or "raise"; `custom` what a label does that the account is known not to have:
    "refuse" or "warn". `read_only` and `allow_delete=False` guard against writes. `timeout` is
    how many seconds nothing may come, `Retry(deadline=...)` how long a call may take in all, `max_answer` how many
    bytes an answer may have (a list a quarter of them). `cache={User: 3600}` keeps the whole list of a small resource
    for so many seconds.

    A token may be a function that returns it: it is asked when it is first needed, and again when Planhat refuses
    what it gave. `verify` is a file of certificates to trust (or False, or an `ssl.SSLContext`), `cert` the client's
    own certificate, `proxy` an address. `account` names the account: for one that has several hosts or tokens, and
    needed for a mirror where the token is a function. `http://` is refused, but on this machine, unless
    `allow_http=True`.

    >>> planhat = Planhat()                        # PLANHAT_API_TOKEN and the rest from the environment
    >>> planhat.company.get_by_id("extid-acme-1")  # doctest: +SKIP
    """

    __doc__ = Docstring(__doc__, overview)

    asset = Attribute(Endpoint)
    campaign = Attribute(Endpoint)
    churn = Attribute(Endpoint)
    company = Attribute(Companies)
    conversation = Attribute(Endpoint)
    custom_field = Attribute(Endpoint)
    deal = Attribute(Endpoint)
    enduser = Attribute(Endpoint)
    invoice = Attribute(Endpoint)
    issue = Attribute(Endpoint)
    license = Attribute(Endpoint)
    line_item = Attribute(Endpoint)
    note = Attribute(Endpoint)
    nps = Attribute(Endpoint)
    objective = Attribute(Endpoint)
    opportunity = Attribute(Endpoint)
    product = Attribute(Endpoint)
    project = Attribute(Endpoint)
    sale = Attribute(Endpoint)
    task = Attribute(Endpoint)
    ticket = Attribute(Endpoint)
    time_entry = Attribute(TimeEntries)
    timesheet = Attribute(Endpoint)
    user = Attribute(Endpoint)
    workflow = Attribute(Endpoint)
    workspace = Attribute(Endpoint)
    metrics = Attribute(lambda client, _: Metrics(client))
    user_activity = Attribute(lambda client, _: UserActivities(client))

    def __init__(
        self,
        api_token: Token = None,
        tenant_token: Token = None,
        *,
        calls_per_min: float | None = None,
        mirror: str | Path | None = None,
        read: Literal["api", "mirror"] = "api",
        history: bool | float | None = None,
        metric_days: int | None = None,
        timezone: str | tzinfo | None = None,
        account: str | None = None,
        api_url: str | None = None,
        analytics_url: str | None = None,
        read_only: bool = False,
        allow_delete: bool = True,
        scan: Literal["warn", "allow", "raise"] = "warn",
        custom: Literal["refuse", "warn"] = "refuse",
        cache: Mapping[type[Model], float] | None = None,
        timeout: float | None = None,
        max_answer: int = MAX_ANSWER,
        retry: Retry | None = None,
        verify: Verify = True,
        cert: Cert = None,
        proxy: str | None = None,
        allow_http: bool | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = Secrets(api_token, tenant_token)
        del api_token, tenant_token  # tools that print the variables of a frame must not find them in this one
        self.settings = chosen = settings.read(
            given,
            api_url,
            analytics_url,
            mirror,
            calls_per_min,
            history,
            metric_days,
            allow_http,
            timezone,
            account,
        )
        _check_kinds(read_only=read_only, allow_delete=allow_delete, max_answer=max_answer, retry=retry)
        connection = ConnectionOptions(verify, cert, proxy)
        connection.check()
        for name, value, choices in (
            ("read", read, ("api", "mirror")),
            ("scan", scan, ("warn", "allow", "raise")),
            ("custom", custom, ("refuse", "warn")),
        ):
            if value not in choices:
                near = did_you_mean(value if isinstance(value, str) else "", choices)
                raise ConfigurationError(f"Planhat({name}={quoted(value)}) is not known.{near}")
        self.read_only = read_only
        self.allow_delete = allow_delete
        self.scan = scan
        self.custom: str = custom
        self._read = read
        clock = clock or Clock()
        self._session = Session(
            main_url=chosen.api_url,
            analytics_url=chosen.analytics_url,
            secrets=chosen.secrets,
            quota=quota_of(chosen, clock),
            retry=retry or Retry(),
            clock=clock,
            timeout=TIMEOUT if timeout is None else check_seconds("timeout", timeout),
            max_answer=max_answer,
            connection=connection,
            account=chosen.account,
        )
        self._session.notify = _notifier(self)
        self.cache = ListCache(cache, clock.now)
        self.seen_ids = SeenIds()
        self.account_fields: AccountFields = AccountFields(_mirrored_fields(self), clock.now)
        self._holdings = Holdings(self._session)
        weakref.finalize(self, self._holdings.end)
        self._listeners: dict[str, list[Callable[[Any], object]]] = {event: [] for event in EVENTS}
        self._entered: list[Scope] = []
        self._lock = forks.Lock()
        self._registration = clients.register(self, chosen.account, chosen.mirror)

    # --- running ----------------------------------------------------------------------------------------

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        self._registration.is_open = True
        return self._holdings.driver.run(flow)

    def iterate(self, flow: Flow[object]) -> Generator[Any, None, Any]:
        """Run a flow in this thread and yield what it emits."""
        self._registration.is_open = True
        # Not the driver's generator itself: what runs needs the client, too.
        return (yield from self._holdings.driver.iterate(flow))

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        self._registration.is_open = True
        return await self._holdings.async_driver.run(flow)

    async def aiterate(self, flow: Flow[object]) -> AsyncGenerator[Any, None]:
        """Run a flow in this task and yield what it emits."""
        self._registration.is_open = True
        items = self._holdings.async_driver.iterate(flow)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    @property
    def account(self) -> Account:
        """Whose records this client reads and writes. Clients of one account have equal ones."""
        return self.settings.account

    @property
    def writer(self) -> RecordWriter:
        """What carries records to Planhat: a new one each time, as one that was kept would keep this client."""
        return RecordWriter(self)

    @property
    def zone(self) -> tzinfo:
        """The zone that moments without one are read in, and in which a day begins."""
        return self.settings.zone

    @property
    def calls(self) -> int:
        """How many requests this client has sent, tries included."""
        return self._session.calls

    @property
    def calls_per_min(self) -> float:
        """The quota this client keeps."""
        return self.settings.calls_per_min

    def seconds(self, requests: int) -> float:
        """How long so many requests take at least, under the quota as it stands."""
        arguments.whole("seconds()", requests, 0, 10**15)
        waiting = max(0, requests - self._session.quota.budget())
        return waiting * 60.0 / self.settings.calls_per_min

    @overload
    def on(self, event: Literal["request"], call: Callable[[Request], object]) -> None: ...

    @overload
    def on(self, event: Literal["response"], call: Callable[[tuple[Request, Response]], object]) -> None: ...

    @overload
    def on(self, event: Literal["saved", "failed"], call: Callable[[RowResult], object]) -> None: ...

    @overload
    def on(self, event: Literal["wait"], call: Callable[[WaitEvent], object]) -> None: ...

    @overload
    def on(self, event: Literal["retry"], call: Callable[[RetryEvent], object]) -> None: ...

    @overload
    def on(self, event: Literal["lost"], call: Callable[[LostEvent], object]) -> None: ...

    @overload
    def on(self, event: Literal["webhook"], call: Callable[[WebhookEvent], object]) -> None: ...

    @overload
    def on(self, event: Literal["progress"], call: Callable[[Progress], object]) -> None: ...

    @overload
    def on(self, event: Literal["sync"], call: Callable[[SyncReport], object]) -> None: ...

    def on(self, event: str, call: Callable[[Any], object]) -> None:
        """Have `call` told of what happens: for logs, metrics and progress.

        | event | `call` gets |
        |---|---|
        | "request" | the `Request` |
        | "response" | a `(Request, Response)` pair |
        | "lost" | a `LostEvent`: a try got no answer |
        | "saved", "failed" | the `RowResult` of a record, from single saves, batches, deletions and pushes alike |
        | "wait" | a `WaitEvent`: for the quota, before a retry, for an answer; once a second, with the seconds left |
        | "retry" | a `RetryEvent`: a try failed and the request is sent again |
        | "progress" | how far a sync is, page by page, as `sync(progress=...)` does |
        | "sync" | the `SyncReport` of a sync that is done |
        | "webhook" | a `WebhookEvent`: a `Receiver` took or refused a delivery |

        `call` runs in the thread that sends, and what it raises is raised there.
        """
        if arguments.name(event, "An event") not in self._listeners:
            raise ConfigurationError(f"There is no event {event!r}.{did_you_mean(event, EVENTS)}")
        self._listeners[event].append(arguments.function("on()", call))

    def notify(self, event: str, payload: object) -> None:
        """Tell everybody who asked to be told of `event`; the cache is told of writes, on their way out and back."""
        match payload:
            case Request(method=method, path=path) if method != "GET":
                self.cache.wrote(path)
            case (Request(method=method, path=path) as request, Response() as response) if method != "GET":
                self.cache.wrote(path)
                self.account_fields.saw(request, response)
        if event == "data":
            self.seen_ids.saw(*payload)  # type: ignore[misc]  # a response comes with its request
        for call in self._listeners.get(event, ()):
            call(payload)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        idempotent: bool | None = None,
    ) -> Response:
        """Send one request to any route of the main host, under the same quota, retries and errors as all others.

        For routes that no endpoint covers (docs/reference/planhat-api.md section 13). `.data` of the answer is its
        JSON, or None where it has none; `.text` is the body as text. `json` is what is sent. Only a GET is sent
        again when an answer is lost, and others with `idempotent=True`; else that raises `AmbiguousWrite`. A mirror
        is not told of what is written so.

        >>> planhat.request("GET", "/segments", params={"limit": 10}).data  # doctest: +SKIP
        """
        return self.run(self._request(method, path, params, json, idempotent))

    async def arequest(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        idempotent: bool | None = None,
    ) -> Response:
        """Do what `request()` does, in a task."""
        return await self.arun(self._request(method, path, params, json, idempotent))

    def _request(
        self, method: str, path: str, params: Mapping[str, Any] | None, json: object, idempotent: bool | None
    ) -> Flow[Response]:
        request = any_route.build(method, path, params, json, idempotent=idempotent)
        if request.method != "GET":
            self.writer.guard_live(delete=request.method == "DELETE")
        return (yield from any_route.send(request))

    # --- sources ----------------------------------------------------------------------------------------

    def source(self, name: str | None = None, scope: Scope | None = None) -> runtime.Source:
        """The source called `"api"` or `"mirror"`, or the default one, which an offline block makes the mirror.

        `scope` is the one that whoever asks came from.
        """
        if name is None:
            name = "mirror" if blocks.is_offline(self, scope) else self._read
        return (
            ApiSource(self.cache, self.account_fields, self._holdings.noting) if name == "api" else self.mirror.source
        )

    @property
    def charts(self) -> Charts:
        """Charts of the mirror, such as `planhat.charts.renewals()`. They make no request."""
        from ..reports.charts import Charts

        return Charts(self)

    @property
    def mirror(self) -> Mirror:
        """The local mirror; `ConfigurationError` when this client was made without one."""
        return self._holdings.open_mirror(self._make_mirror)

    def _make_mirror(self) -> Mirror:
        if self.settings.mirror is None:
            raise ConfigurationError(
                "This client has no mirror: make it with Planhat(mirror='planhat.db'), or set PLANHAT_MIRROR."
            )
        from ..mirror import Mirror

        return Mirror(
            self.settings.mirror,
            history=self.settings.history,
            metric_days=self.settings.metric_days,
            calls_per_min=self.settings.calls_per_min,
            account=self.account,
            drivers=self._holdings,
            client=weakref.ref(self),
        )

    def adopt_mirror(self, *, force: bool = False) -> None:
        """Take the mirror over with a new token of its account: one GET each for five of its records.

        Raises `MirrorError` when they are not there, or when the mirror was made from another host, where a copy of
        the account may have the same records; `force` takes it over all the same.
        """
        self.run(self.mirror.adopt(self.account, force=force))

    async def aadopt_mirror(self, *, force: bool = False) -> None:
        """Do what `adopt_mirror()` does, in a task."""
        await self.arun(self.mirror.adopt(self.account, force=force))

    def sync(
        self,
        *models: type[Model],
        full: bool = False,
        progress: Callable[[Progress], None] | bool = False,
    ) -> SyncReport:
        """Bring the mirror up to date, all models or some, and return the report.

        Incremental where the API allows it, else by listing everything; `full=True` lists everything.
        `progress=True` shows how far it is: bars in a notebook, elsewhere lines on standard error. A function is
        called with what happens, page by page.
        """
        return self.run(self._sync(models, full, progress))

    async def a_sync(
        self,
        *models: type[Model],
        full: bool = False,
        progress: Callable[[Progress], None] | bool = False,
    ) -> SyncReport:
        """Do what `sync()` does, in a task. (`async` is a word of Python's own, so the name has a gap.)"""
        return await self.arun(self._sync(models, full, progress))

    def _sync(
        self, models: tuple[type[Model], ...], full: bool, progress: Callable[[Progress], None] | bool
    ) -> Flow[SyncReport]:
        arguments.flag("full", full)
        show = _progress_shown(progress)

        def listen(event: Progress) -> None:
            self.notify("progress", event)
            if show is not None:
                show(event)

        report = yield from tap(self.mirror.sync(models or None, full=full, with_fields=True), listen)
        self.account_fields.look_again()
        logger.info("Synced %d models: %d new, %d changed, %d deleted, %d requests, %.1f s", len(report), report.new,
                    report.changed, report.deleted, report.requests, report.seconds)  # fmt: skip
        self.notify("sync", report)
        return report

    @property
    def outbox(self) -> Outbox | None:
        """The writes that wait, or None without a mirror: list it, `.retry()`, `.discard(seq)`."""
        return self.mirror.outbox if self.settings.mirror is not None else None

    @property
    def has_tenant_token(self) -> bool:
        """Whether a tenant token was given: metrics and activities are sent with it."""
        return bool(self.settings.secrets.given("tenant_token"))

    @property
    def is_offline(self) -> bool:
        """Whether an `offline()` block is open: reads come from the mirror, writes wait."""
        return blocks.is_offline(self)

    def push(self, *, on_conflict: Policy = "raise") -> BatchResult:
        """Send what waits in the outbox, and find out what became of writes whose answer was lost.

        For each resource ceil(n/5000) bulk upserts, a list of the changed fields to compare updates with (a GET
        each where that is fewer), one of the keys for more than 50 new records (else a GET each, as lists may lag), and
        one DELETE for each deletion.
        A write with a field that the server's record changed too is held back as a conflict, with all three
        values in `.conflicts` of the result, unless `on_conflict` is "ours", "theirs" or a function that gets
        the conflict and returns the value to send: then those held back before are settled, too. What the
        server did not look at (no connection, a refused token) waits for the next push. The result has one
        row for each entry. Raises `MirrorError` while another process pushes.
        """
        return self.run(self.writer.push(on_conflict))

    async def apush(self, *, on_conflict: Policy = "raise") -> BatchResult:
        """Do what `push()` does, in a task."""
        return await self.arun(self.writer.push(on_conflict))

    @contextmanager
    def offline(self) -> Iterator[Self]:
        """Inside this block every query reads the mirror, and every write waits in the outbox for `push()`."""
        block = blocks.open_block(self, "offline block")
        failing = True
        try:
            yield self
            failing = False
        finally:
            blocks.close_block(block, failing=failing)

    def automation(self, url: str) -> Automation:
        """An automation that begins with an incoming webhook, by its secret address: `.send({...})` starts it."""
        return Automation(self, self._session, url)

    # --- writing ----------------------------------------------------------------------------------------

    def batch(self, *, dry_run: bool = False, on_conflict: Policy | None = None) -> Batch:
        """A unit of work: saves inside `with planhat.batch() as batch:` leave together as bulk upserts.

        `dry_run=True` sends nothing, for a look at `plan()`. `on_conflict` ("raise", "ours", "theirs" or a
        function) compares with the server first, which costs one list of the changed fields.
        """
        return self.writer.batch(dry_run=dry_run, on_conflict=on_conflict)

    def save_all(self, objects: Iterable[Model]) -> BatchResult:
        """Save many records as bulk upserts: only the changed ones travel, and only what changed of them.

        ceil(changed/5000) requests for each resource. Raises `BulkError` when a row fails; its `.result`
        has an outcome for every object.
        """
        return self.run(self._save_all(objects))

    async def asave_all(self, objects: Iterable[Model]) -> BatchResult:
        """Do what `save_all()` does, in a task."""
        return await self.arun(self._save_all(objects))

    def _save_all(self, objects: Iterable[Model]) -> Flow[BatchResult]:
        result = yield from self.writer.send(records_in(objects))
        result.raise_for_failures()
        return result

    def wrote(self, resource: Resource, record: dict[str, Any], sent: Mapping[str, Any] | None) -> Flow[None]:
        """Write a stored record through to the mirror, where this client has one."""
        mirror = self._own_mirror
        if mirror is not None and record.get("_id"):
            yield RunBlocking(lambda: mirror.store(resource, [record], sent=sent, made=sent is None))

    def noting(self, resource: Resource, key: str, read: Flow[dict[str, Any] | None]) -> Flow[dict[str, Any] | None]:
        """Run a flow that reads one record, and take over what it says into the mirror, where it is open."""
        return self._holdings.noting(resource, key, read)

    def removed(self, resource: Resource, ids: list[str]) -> Flow[None]:
        """Take deleted records out of the mirror, where this client has one."""
        mirror = self._own_mirror
        if mirror is not None and ids:
            yield RunBlocking(lambda: mirror.remove(resource, ids))

    def before_write(self) -> Flow[None]:
        """Open the mirror, where this client has one: what could not be written there raises before it is sent."""
        mirror = self._own_mirror
        if mirror is not None:
            yield RunBlocking(lambda: mirror.database)

    @property
    def _own_mirror(self) -> Mirror | None:
        return None if self.settings.mirror is None else self.mirror

    # --- life -------------------------------------------------------------------------------------------

    def make_default(self) -> Self:
        """Make this the client that code uses which nothing tells which, in all threads and tasks; return it.

        It stays open when its `with` blocks end. Which client a query uses: docs/how-to/several-accounts.md.
        """
        clients.set_default(self)
        return self

    def threads(self, workers: int | None = None) -> ThreadPoolExecutor:
        """A thread pool whose jobs run inside the clients and blocks that are open where they are submitted.

        >>> with planhat.batch() as batch, planhat.threads(8) as pool:  # doctest: +SKIP
        ...     list(pool.map(edit_and_save, Company.objects.all()))
        """
        from ..scopes.thread_pool import Threads

        if workers is not None:
            arguments.whole("threads()", workers, 1, 1000)
        return Threads(workers, thread_name_prefix="planhat")

    def __enter__(self) -> Self:
        scope = enter(self, "client")
        with self._lock:
            self._entered.append(scope)
            self._registration.was_left = False
        return self

    def _leave(self) -> bool:
        """Leave a `with planhat:`, and tell whether it was the last that any thread or task had open."""
        around = [scope for scope in chain(innermost()) if not scope.ended]
        with self._lock:
            # Whoever leaves in another context, as a fixture of another task does, leaves any one of them.
            scope = next((scope for scope in around if scope in self._entered), self._entered[-1])
            self._entered.remove(scope)
            was_last = not self._entered and clients.default() is not self
            self._registration.was_left = was_last
        scope.close()
        return was_last

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            await self.aclose()

    def close(self) -> None:
        """Close connections and the mirror. The client can be used again; it then opens them anew."""
        self._registration.is_open = False
        self._session.quota.give_back()
        self._holdings.close()

    async def aclose(self) -> None:
        """Do what `close()` does, in a task."""
        await self._holdings.async_driver.run(given_back(self._session.quota))
        await self._holdings.async_driver.close()
        self.close()

    def __repr__(self) -> str:
        if "_session" not in vars(self):
            return "<Planhat, not made>"
        mirror = f", mirror={self.settings.mirror!r}" if self.settings.mirror else ""
        return f"<Planhat {self.settings.api_url}{mirror}, {self.calls} calls>"

    def __reduce__(self) -> str:
        raise PlanhatError("A client holds tokens and connections, so it is not pickled: make one in each process.")


def _notifier(client: Planhat) -> Callable[[str, object], None]:
    """What tells a client of events without keeping it alive."""
    reference = weakref.ref(client)

    def notify(event: str, payload: object) -> None:
        told = reference()
        if told is not None:
            told.notify(event, payload)

    return notify


def _mirrored_fields(client: Planhat) -> Callable[[], list[dict[str, Any]] | None]:
    """What reads the custom fields that the mirror of a client holds, without keeping the client alive."""
    reference = weakref.ref(client)

    def read() -> list[dict[str, Any]] | None:
        asked = reference()
        return asked.mirror.custom_fields() if asked is not None and asked.settings.mirror is not None else None

    return read


def _check_kinds(*, read_only: object, allow_delete: object, max_answer: object, retry: object) -> None:
    """Raise `ConfigurationError` for a setting of the wrong kind: "no" for a guard would read as yes."""
    for name, flag in (("read_only", read_only), ("allow_delete", allow_delete)):
        if not isinstance(flag, bool):
            raise ConfigurationError(f"Planhat({name}=...) must be True or False, not {quoted(flag)}.")
    if isinstance(max_answer, bool) or not isinstance(max_answer, int) or max_answer < 1:
        raise ConfigurationError(f"Planhat(max_answer=...) must be a whole number of bytes, not {quoted(max_answer)}.")
    if retry is not None and not isinstance(retry, Retry):
        raise ConfigurationError(
            f"Planhat(retry=...) takes a Retry, such as planhat_orm.http.retry.Retry(attempts=3), not {quoted(retry)}."
        )


def _progress_shown(progress: Callable[[Progress], None] | bool | None) -> Callable[[Progress], None] | None:
    if progress is True:
        from .progress import shown

        return shown()
    return None if progress is None or progress is False else arguments.function("progress", progress)
