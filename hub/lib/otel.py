"""Traces by OpenTelemetry's SDK. Imported by ``hub.lib.tracing`` only, where traces are on.

Spans go to the operator's own collector by the SDK's exporter, not through the outbound door, which
guards against addresses that tenants enter.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from hub import __version__

_RANDOM = (1 << 56) - 1
_given: ContextVar[UUID | None] = ContextVar("otel_event", default=None)


def trace_id_of(event_id: UUID) -> int:
    """Return the trace of an event."""
    return event_id.int


def first_span_id_of(event_id: UUID) -> int:
    """Return the id of the span that an event's trace begins with; never 0, for a UUID's variant is not."""
    return event_id.int & ((1 << 64) - 1)


class _Ids(IdGenerator):
    """Random ids, but for the span that begins an event's trace."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """Return the id of the event being accepted, or a random one."""
        event_id = _given.get()
        return trace_id_of(event_id) if event_id else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the first span's id of the event being accepted, or a random one."""
        event_id = _given.get()
        return first_span_id_of(event_id) if event_id else self._random.generate_span_id()


class _Share(Sampler):
    """Keeps a share of the traces, told by the random end of their ids: the same on every machine.

    The SDK's own ratio sampler looks at bits that say 'this is a UUID' and are the same in each.
    """

    def __init__(self, share: float):
        self.share = share

    def keeps(self, trace_id: int) -> bool:
        """Whether the trace is kept."""
        return (trace_id & _RANDOM) < self.share * (_RANDOM + 1)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        """Answer the SDK."""
        decision = Decision.RECORD_AND_SAMPLE if self.keeps(trace_id) else Decision.DROP
        return SamplingResult(decision, attributes if self.keeps(trace_id) else None)

    def get_description(self) -> str:
        """Return a name for the SDK."""
        return f"Share({self.share:g})"


class Telemetry:
    """The hub's spans. See ``hub.lib.tracing`` for what each is."""

    def __init__(self, processor: SpanProcessor, share: float):
        """``processor`` takes the finished spans; ``share``: 0 to 1, of the traces that are kept."""
        self._sampler = _Share(share)
        self._provider = TracerProvider(
            sampler=ParentBased(self._sampler),
            id_generator=_Ids(),
            resource=Resource.create(
                {
                    "service.name": "interchange",
                    "service.version": __version__,
                    "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
                }
            ),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("interchange", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, traceparent: str) -> Iterator[trace.Span]:
        """Span a request to the hub."""
        context = self._propagator.extract({"traceparent": traceparent}, Context())
        with self._tracer.start_as_current_span(
            method, context, trace.SpanKind.SERVER, {"http.request.method": method}
        ) as span:
            yield span

    def accepted(self, event_id: UUID, event_type: str) -> None:
        """Begin and end the first span of an event's trace."""
        asked = trace.get_current_span().get_span_context()
        token = _given.set(event_id)
        try:
            span = self._tracer.start_span(
                f"accept {event_type}",
                Context(),
                trace.SpanKind.PRODUCER,
                {"interchange.event": str(event_id), "interchange.type": event_type},
                [trace.Link(asked)] if asked.is_valid else None,
            )
        finally:
            _given.reset(token)
        span.end()

    @contextmanager
    def delivery(self, event_id: UUID, facts: Mapping[str, str]) -> Iterator[trace.Span]:
        """Span an attempt, as a child of the event's first span."""
        trace_id = trace_id_of(event_id)
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if self._sampler.keeps(trace_id) else 0)
        first = trace.SpanContext(trace_id, first_span_id_of(event_id), True, flags)
        with self._tracer.start_as_current_span(
            f"deliver {facts['action']}",
            trace.set_span_in_context(trace.NonRecordingSpan(first), Context()),
            trace.SpanKind.CONSUMER,
            {f"interchange.{name}": value for name, value in facts.items()},
        ) as span:
            yield span

    @contextmanager
    def outbound(self, method: str, url: str) -> Iterator[trace.Span]:
        """Span a request to a provider."""
        host = urlsplit(url).hostname or ""
        with self._tracer.start_as_current_span(
            f"{method} {host}",
            kind=trace.SpanKind.CLIENT,
            attributes={"http.request.method": method, "server.address": host},
            # An error's text may name a whole URL.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span


def exporting(endpoint: str, share: float) -> Telemetry:
    """Return the telemetry that sends to the OTLP collector at ``endpoint`` (http://host:4318)."""
    return Telemetry(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")), share)
