"""OpenTelemetry: a client's traffic as spans and metrics, of the extra `otel`.

Names are those of OpenTelemetry's conventions for HTTP clients where these have one. Nothing that is recorded holds a
token, a key, an id or a value of a record: addresses are cut to their form, as in `/companies/{id}`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import arguments, extras
from .http.effects import Request, Response
from .http.events import LostEvent, RetryEvent, WaitEvent, WebhookEvent

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import TracerProvider

    from .client.planhat import Planhat
    from .mirror.report import SyncReport
    from .models.results import RowResult

__all__ = ["instrument"]

Attributes = Mapping[str, "str | int"]

_instrumented: weakref.WeakSet[Planhat] = weakref.WeakSet()


def instrument(
    planhat: Planhat, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Record a client's requests and syncs as spans, and what it does as metrics, from now on.

    Without providers it uses those that the program set up for OpenTelemetry; where it set up none, nothing is
    recorded. A second call for a client changes nothing. Spans are children of the span that is current where the
    request is sent. The table of metrics is in the how-to page "See what a job does".

    Raises `ConfigurationError` where `opentelemetry-api` is not installed. Costs no request.

    >>> from planhat_orm.telemetry import instrument  # doctest: +SKIP
    >>> instrument(planhat)                           # doctest: +SKIP
    """
    arguments.client("instrument()", planhat)
    if planhat in _instrumented:
        return
    recorder = _Recorder(planhat, tracer_provider, meter_provider)
    _instrumented.add(planhat)
    planhat.on("response", recorder.response)
    planhat.on("lost", recorder.lost)
    planhat.on("retry", recorder.retry)
    planhat.on("wait", recorder.wait)
    planhat.on("saved", recorder.row)
    planhat.on("failed", recorder.row)
    planhat.on("sync", recorder.sync)
    planhat.on("webhook", recorder.webhook)


class _Recorder:
    """What listens to one client. It does not keep the client alive."""

    def __init__(
        self, planhat: Planhat, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        need = "instrument() needs"
        self._trace = extras.load("opentelemetry.trace", extra="otel", need=need)
        self._metrics = extras.load("opentelemetry.metrics", extra="otel", need=need)
        self._tracer = self._trace.get_tracer("planhat_orm", tracer_provider=tracer_provider)
        meter = self._metrics.get_meter("planhat_orm", meter_provider=meter_provider)
        self._client = weakref.ref(planhat)
        session = planhat._session
        self._hosts = {"main": _host(session.main_url), "analytics": _host(session.analytics_url)}
        self._duration = meter.create_histogram(
            "http.client.request.duration", "s", "Duration of HTTP client requests."
        )
        self._retries = meter.create_counter("planhat.retries", "{retry}", "Requests that are sent again.")
        self._waits = meter.create_counter("planhat.wait.time", "s", "Time spent waiting, pauses of a second or more.")
        self._rows = meter.create_counter("planhat.rows", "{row}", "Records that were written, by outcome.")
        self._synced = meter.create_counter("planhat.sync.records", "{record}", "Records that syncs found otherwise.")
        self._syncs = meter.create_histogram("planhat.sync.duration", "s", "Duration of syncs.")
        self._webhooks = meter.create_counter("planhat.webhooks", "{webhook}", "Webhooks that came in, by outcome.")
        meter.create_observable_gauge(
            "planhat.quota.remaining", [self._quota], "{request}", "Requests that may be sent at once."
        )

    # --- requests ---------------------------------------------------------------------------------------

    def response(self, pair: tuple[Request, Response]) -> None:
        """Record a try that was answered."""
        request, response = pair
        attributes = {**self._of(request), "http.response.status_code": response.status}
        if response.status >= 400:
            attributes["error.type"] = str(response.status)
        self._request(request, response.seconds, attributes)

    def lost(self, event: LostEvent) -> None:
        """Record a try that was not."""
        self._request(event.request, event.seconds, {**self._of(event.request), "error.type": event.kind})

    def retry(self, event: RetryEvent) -> None:
        """Count a try that is to come."""
        self._retries.add(1, {**self._of(event.request), "error.type": type(event.error).__name__})

    def wait(self, event: WaitEvent) -> None:
        """Count a second of a pause, or what is left of it. Waiting for an answer is in the request's duration."""
        if event.reason != "answer":
            self._waits.add(min(1.0, event.seconds), {"planhat.wait.reason": event.reason})

    def _of(self, request: Request) -> dict[str, str | int]:
        host, port = self._hosts[request.host]
        return {
            "http.request.method": request.method,
            "url.template": _template(request.path),
            "server.address": host,
            "server.port": port,
        }

    def _request(self, request: Request, seconds: float, attributes: Attributes) -> None:
        self._duration.record(seconds, attributes)
        name = f"{request.method} {attributes['url.template']}"
        self._span(name, seconds, attributes, self._trace.SpanKind.CLIENT)

    def _span(self, name: str, seconds: float, attributes: Attributes, kind: Any) -> None:
        """Record a span that ends now."""
        ends = time.time_ns()
        span = self._tracer.start_span(name, kind=kind, attributes=attributes, start_time=ends - int(seconds * 1e9))
        if "error.type" in attributes:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(ends)

    def _quota(self, options: CallbackOptions) -> Iterable[Observation]:
        client = self._client()
        return [] if client is None else [self._metrics.Observation(client._session.quota.budget())]

    # --- records ----------------------------------------------------------------------------------------

    def row(self, row: RowResult) -> None:
        """Count the outcome of a record."""
        self._rows.add(1, {"planhat.model": _model(row.object), "planhat.outcome": row.status})

    def sync(self, report: SyncReport) -> None:
        """Record a sync that is done."""
        counts = {"new": report.new, "changed": report.changed, "deleted": report.deleted}
        for model in report:
            for change in counts:
                attributes = {"planhat.model": model.model, "planhat.change": change}
                self._synced.add(getattr(model, change), attributes)
        self._syncs.record(report.seconds)
        totals: dict[str, str | int] = {f"planhat.sync.{change}": count for change, count in counts.items()}
        totals |= {"planhat.sync.models": len(report), "planhat.sync.requests": report.requests}
        if any(model.failed for model in report):
            totals["error.type"] = "SyncFailed"
        self._span("planhat sync", report.seconds, totals, self._trace.SpanKind.INTERNAL)

    def webhook(self, event: WebhookEvent) -> None:
        """Count a webhook."""
        self._webhooks.add(1, {"planhat.outcome": event.outcome})


def _template(path: str) -> str:
    """The form of a path: what follows the resource may be an id or a key."""
    first, *rest = path.strip("/").split("/")
    return "/".join(("", first, *("{id}" for _ in rest)))


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _model(record: Any) -> str:
    """The name of a record's model; an entry of the outbox knows its resource."""
    meta = getattr(record, "_meta", None)
    return str(getattr(record, "resource", "")) if meta is None else str(meta.resource.name)
