"""Traces: one per event, from the request that brought it to the provider's answer."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hub.api.authentication import keys
from hub.connections.models import Integration
from hub.delivery.models import QueueItem
from hub.lib import otel, tracing
from hub.lib.ids import uuid7
from tests.factories import IntegrationFactory, OrganizationFactory, RouteFactory
from tests.hub.api.conftest import API
from tests.hub.delivery.conftest import make_dispatcher

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Traces are on; what was finished is kept here."""
    kept = InMemorySpanExporter()
    telemetry = otel.Telemetry(SimpleSpanProcessor(kept), 1.0)
    monkeypatch.setattr(tracing, "_telemetry", lambda: telemetry)
    keys.clear()
    yield kept
    keys.clear()


@pytest.mark.django_db(transaction=True)
def test_from_the_request_to_the_providers_answer(spans, door):
    door.answer("POST", "/secret-path", 204)
    organization = OrganizationFactory()
    integration: Integration = IntegrationFactory(
        organization=organization, settings={"url": "https://sink.example.com/secret-path"}
    )
    RouteFactory(organization=organization, integration=integration, action="http.send", type_pattern="*")

    answer = API(organization).post("/api/events", {"type": "order.paid"}, traceparent=CALLER)
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    dispatcher.shut_down(deadline=2)

    event_id = UUID(answer.json()["id"])
    by_name = {span.name: span for span in spans.get_finished_spans()}
    names = ("POST /api/events", "accept order.paid", "deliver http.send", "POST sink.example.com")
    request, accepted, delivered, sent = (by_name.pop(name) for name in names)
    assert not by_name
    assert format(request.context.trace_id, "032x") == CALLER.split("-")[1]
    assert {span.context.trace_id for span in (accepted, delivered, sent)} == {event_id.int}
    assert accepted.links[0].context == request.context
    assert delivered.parent.span_id == accepted.context.span_id
    assert sent.parent.span_id == delivered.context.span_id
    assert sent.attributes["http.response.status_code"] == 204
    assert delivered.attributes["interchange.item"] == str(QueueItem.objects.get().pk)
    assert delivered.attributes["interchange.outcome"] == "ok"
    assert "secret-path" not in "".join(span.to_json() for span in (request, accepted, sent, delivered))


def test_a_share_of_the_traces_is_kept_and_every_machine_agrees():
    sampler = otel._Share(0.25)
    ids = [uuid7().int for _ in range(4000)]
    kept = [each for each in ids if sampler.keeps(each)]
    assert 800 < len(kept) < 1200
    assert kept == [each for each in ids if otel._Share(0.25).keeps(each)]
    assert not any(otel._Share(0.0).keeps(each) for each in ids)
    assert all(otel._Share(1.0).keeps(each) for each in ids)


def test_off_it_makes_no_span_and_imports_nothing():
    code = (
        "import sys, django; django.setup()\n"
        "from hub.lib import tracing\n"
        "with tracing.request_span('GET', ''), tracing.outbound_span('GET', 'https://x') as span:\n"
        "    assert span is None\n"
        "assert not tracing.tracing()\n"
        "assert not {'hub.lib.otel', 'opentelemetry.exporter'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_hub_says_so_and_runs(settings, monkeypatch, caplog):
    def without_the_extra(name):
        if name == "hub.lib.otel":
            raise ImportError("No module named 'opentelemetry'")
        return import_module(name)

    monkeypatch.setattr(tracing, "import_module", without_the_extra)
    settings.HUB = settings.HUB.__class__(
        **{name: getattr(settings.HUB, name) for name in settings.HUB.__slots__}
        | {"otel_endpoint": "http://127.0.0.1:4318"}
    )
    tracing._telemetry.cache_clear()
    assert not tracing.tracing()
    assert "interchange[otel]" in caplog.text
    tracing._telemetry.cache_clear()
