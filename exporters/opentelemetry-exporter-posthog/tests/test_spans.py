"""Spans become events with their name, start, attributes, duration, kind and status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from opentelemetry.exporter.posthog import PostHogSpanExporter, local_roots
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, span_events
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeSpan = Callable[..., ReadableSpan]

_LOCAL = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
_REMOTE = SpanContext(1, 3, is_remote=True, trace_flags=TraceFlags(1))


def event_of(span: ReadableSpan, **options: Any) -> dict[str, Any]:
    """Map one span, check its batch, and return its event."""
    mapped = span_events([span], MappingOptions(**options))
    assert check_batch(body(mapped.events, api_key="phc_test", sent_at="2026-01-01T00:00:00Z")) == []
    event: dict[str, Any] = json.loads(mapped.events[0])
    return event


def test_a_span_becomes_an_event(make_span: MakeSpan) -> None:
    """The event has the span's name, start, attributes, duration and kind, and no status if none is set."""
    span = make_span(
        {"user.id": "u1", "items": 3},
        kind=SpanKind.SERVER,
        resource=Resource({"service.name": "shop"}),
        instrumentation_scope=InstrumentationScope("lib", "1.2"),
    )
    event = event_of(span)
    assert event["event"] == "checkout"
    assert event["distinct_id"] == "u1"
    assert event["timestamp"] == "2026-01-01T00:00:00.000000Z"
    sent = {name: value for name, value in event["properties"].items() if not name.startswith("$")}
    assert sent == {
        "items": 3,
        "service.name": "shop",
        "otel.scope.name": "lib",
        "otel.scope.version": "1.2",
        "span.kind": "server",
        "duration_ms": 1.5,
    }


def test_status(make_span: MakeSpan) -> None:
    """A status that is set is sent; its description, which quotes exceptions, only if it is mapped."""
    span = make_span(status=Status(StatusCode.ERROR, "secret text"))
    properties = event_of(span)["properties"]
    assert properties["otel.status_code"] == "ERROR"
    assert "secret text" not in json.dumps(properties)
    mapped = event_of(span, property_names={"otel.status_description": "problem"})["properties"]
    assert mapped["problem"] == "secret text"
    assert event_of(make_span(status=Status(StatusCode.OK)))["properties"]["otel.status_code"] == "OK"
    assert "error.type" not in event_of(make_span(status=Status(StatusCode.OK)))["properties"]


def test_error_type(make_span: MakeSpan) -> None:
    """`error.type` is the attribute, else the type of the last recorded exception, else `_OTHER`."""
    failed = Status(StatusCode.ERROR)
    exceptions = [Event("exception", {"exception.type": kind}) for kind in ("KeyError", "ValueError")]
    assert event_of(make_span(status=failed))["properties"]["error.type"] == "_OTHER"
    assert event_of(make_span(status=failed, events=exceptions))["properties"]["error.type"] == "ValueError"
    own = make_span({"error.type": "timeout"}, status=failed, events=exceptions)
    assert event_of(own)["properties"]["error.type"] == "timeout"


def test_trace_context_is_sent_on_request(make_span: MakeSpan) -> None:
    """Trace, span and parent ids are sent only with `trace_context`."""
    span = make_span(context=_LOCAL, parent=_REMOTE)
    ids = {"trace_id", "span_id", "parent_span_id"}
    assert not ids & set(event_of(span)["properties"])
    properties = event_of(span, trace_context=True)["properties"]
    assert {name: properties[name] for name in ids} == {
        "trace_id": f"{1:032x}",
        "span_id": f"{2:016x}",
        "parent_span_id": f"{3:016x}",
    }


@pytest.mark.parametrize(
    "fields", [{"end_time": None}, {"start_time": None}, {"context": None}, {"resource": None}]
)
def test_a_span_may_lack_anything_but_its_name(make_span: MakeSpan, fields: dict[str, Any]) -> None:
    """A span without an end, a start, a context or a resource still becomes an event."""
    assert event_of(make_span({"user.id": "u1"}, **fields))["event"] == "checkout"


def test_local_roots(make_span: MakeSpan) -> None:
    """`local_roots` keeps spans whose parent is absent or in another process."""
    assert local_roots(make_span())
    assert local_roots(make_span(parent=_REMOTE))
    assert not local_roots(make_span(parent=_LOCAL))


def _nested(exporter: PostHogSpanExporter) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (None, ["outer"]),
        ("not_ai_spans", ["inner", "outer"]),
        ("ai_spans", []),
        ("all", ["inner", "outer"]),
        ("local_roots", ["outer"]),
        ("LOCAL_ROOTS", ["outer"]),
        ("rooots", ["outer"]),
    ],
)
def test_a_variable_selects_the_filter(
    server: CaptureServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str | None,
    expected: list[str],
) -> None:
    """`OTEL_EXPORTER_POSTHOG_SPANS` names the filter; for a typo, it warns and uses the cheaper `local_roots`."""
    if variable is not None:
        monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_SPANS", variable)
    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url)
    warnings = ["so only local roots are exported" in one.message for one in caplog.records]
    assert warnings == [True] * (variable == "rooots")
    _nested(exporter)
    assert [event["event"] for event in server.events] == expected
    assert exporter.stats.dropped.get("filtered", 0) == 2 - len(expected)


def test_a_filter_in_code_overrides_the_variable(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the code gives a filter, the variable is not read."""
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_SPANS", "local_roots")
    _nested(
        PostHogSpanExporter(api_key="phc_test", host=server.url, filter=lambda span: span.name == "inner")
    )
    assert [event["event"] for event in server.events] == ["inner"]


def test_a_filter_that_is_falsy_is_used(server: CaptureServer, make_span: MakeSpan) -> None:
    """A callable that is an empty container still filters; if it were ignored, all spans would be billed."""

    class Wanted(set[str]):
        def __call__(self, span: ReadableSpan) -> bool:
            return span.name in self

    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url, filter=Wanted())
    exporter.export([make_span()])
    assert server.requests == []
    assert exporter.stats.dropped == {"filtered": 1}


def test_a_filter_that_raises_drops_the_span(server: CaptureServer, make_span: MakeSpan) -> None:
    """A span for which the filter raises is dropped and counted; the others are sent."""

    def picky(span: ReadableSpan) -> bool:
        if span.name == "bad":
            raise RuntimeError
        return True

    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url, filter=picky)
    exporter.export([make_span(name="good"), make_span(name="bad")])
    assert [event["event"] for event in server.events] == ["good"]
    assert exporter.stats.dropped == {"filter_failed": 1}
