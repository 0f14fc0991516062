"""Spans and metrics of a client: what is recorded, under which span, and that it tells nothing of customers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from planhat_orm import Company, ConfigurationError, ConnectionFailed, Planhat
from planhat_orm.http.clock import Clock
from planhat_orm.http.events import LostEvent
from planhat_orm.http.retry import Retry
from planhat_orm.telemetry import instrument

from ..online import Online

Point = tuple[dict[str, Any], Any]


class Recorded:
    """The providers of a test, and what they were given."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def watch(self, planhat: Planhat) -> None:
        instrument(planhat, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def points(self, name: str) -> list[Point]:
        """The attributes and value of each point of a metric."""
        data = self.reader.get_metrics_data()
        found: list[Point] = []
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        found += [(dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))
                                  for point in metric.data.data_points]  # fmt: skip
        return found


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def test_each_request_is_a_span_of_the_span_that_is_current(online: Online, recorded: Recorded) -> None:
    _, planhat = online(companies=10)
    recorded.watch(planhat)
    with recorded.tracers.get_tracer("job").start_as_current_span("nightly"):
        Company.objects.get(external_id="acct-1001")
    request, nightly = recorded.spans
    assert request.name == "GET /companies/{id}"
    assert request.parent is not None and request.parent.span_id == nightly.context.span_id
    assert request.attributes is not None and request.attributes["http.response.status_code"] == 200
    assert (request.start_time or 0) < (request.end_time or 0)
    [(attributes, count)] = recorded.points("http.client.request.duration")
    assert count == 1 and attributes["url.template"] == "/companies/{id}"


def test_a_task_records_its_requests_under_its_own_span(online: Online, recorded: Recorded) -> None:
    _, planhat = online(companies=10)
    recorded.watch(planhat)
    tracer = recorded.tracers.get_tracer("job")

    async def job(name: str) -> None:
        with tracer.start_as_current_span(name):
            await Company.objects.aget(external_id="acct-1001")

    async def both() -> None:
        await asyncio.gather(job("a"), job("b"))

    asyncio.run(both())
    by_id = {span.context.span_id: span.name for span in recorded.spans}
    requests = [span for span in recorded.spans if span.name.startswith("GET")]
    assert sorted(by_id[span.parent.span_id] for span in requests if span.parent is not None) == ["a", "b"]


def test_syncs_and_rows_are_counted_by_model_and_outcome(online: Online, recorded: Recorded, tmp_path: Path) -> None:
    _, planhat = online(companies=10, mirror=tmp_path / "m.db")
    recorded.watch(planhat)
    report = planhat.sync(Company)
    company = Company.objects.get(external_id="acct-1001")
    company.description = "Counted"
    company.save()
    with planhat.batch():
        Company(name="New").save()
    found = {(at["planhat.model"], at["planhat.change"]): n for at, n in recorded.points("planhat.sync.records")}
    assert found["company", "new"] == report["company"].new
    rows = {at["planhat.outcome"]: n for at, n in recorded.points("planhat.rows")}
    assert rows == {"updated": 1, "created": 1}
    [sync] = [span for span in recorded.spans if span.name == "planhat sync"]
    assert sync.attributes is not None and sync.attributes["planhat.sync.requests"] == report.requests
    assert recorded.points("planhat.quota.remaining")[0][1] > 0


def test_a_try_without_an_answer_is_a_failed_span_of_its_kind(recorded: Recorded) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    events: list[LostEvent] = []
    with Planhat("token", api_url=url, retry=Retry(attempts=2, floor=0.001), clock=Clock(1000)) as planhat:
        recorded.watch(planhat)
        planhat.on("lost", events.append)
        with pytest.raises(ConnectionFailed):
            planhat.company.get_by_id("extid-acct-1001")
    assert [event.kind for event in events] == ["refused", "refused"]
    assert [span.status.is_ok for span in recorded.spans] == [False, False]
    [(attributes, count)] = recorded.points("planhat.retries")
    assert (attributes["error.type"], count) == ("ConnectionFailed", 1)


def test_what_is_recorded_names_no_customer_and_no_token(online: Online, recorded: Recorded, tmp_path: Path) -> None:
    emulator, planhat = online(companies=10, mirror=tmp_path / "m.db")
    recorded.watch(planhat)
    company = Company.objects.get(external_id="acct-1001")
    company.name = "Canary Ltd"
    company.save()
    company.endusers.create(email="canary@customer.example")
    planhat.metrics.bulk_insert_metrics([{"dimensionId": "logins", "value": 1, "externalId": "acct-1001"}])
    planhat.sync(Company)
    text = " ".join(span.to_json() for span in recorded.spans) + str(recorded.reader.get_metrics_data())
    secrets = [
        emulator.api_token,
        emulator.tenant_token,
        "acct-1001",
        "canary@customer.example",
        "Canary",
        str(company.id),
    ]
    assert "POST /dimensiondata/{id}" in text and [secret for secret in secrets if secret in text] == []


def test_a_client_is_instrumented_once(online: Online, recorded: Recorded) -> None:
    _, planhat = online(companies=10)
    recorded.watch(planhat)
    recorded.watch(planhat)
    Company.objects.get(external_id="acct-1001")
    assert len(recorded.spans) == 1


def test_without_the_extra_the_way_to_get_it_is_told(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigurationError, match=r"planhat_orm\[otel\]"):
        instrument(online()[1])
