"""Request bodies, byte for byte, in files that can be read and compared without Python.

`tests/golden/*.json` contain the sent JSON, indented, with a fixed `sent_at` and `$lib_version`.
Run with `UPDATE_GOLDEN=1` to rewrite them, then review the diff.
"""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter, __version__
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from opentelemetry.exporter.posthog.testing import CaptureServer

_GOLDEN = Path(__file__).parent / "golden"
_RESOURCE = {"service.name": "shop", "telemetry.sdk.language": "python"}
_SCOPE = InstrumentationScope("shop.orders", "1.2.0")


def _compare(sent: bytes, name: str) -> None:
    assert check_batch(sent) == []
    fixed = re.sub(rb'"sent_at":"[^"]*"', b'"sent_at":"2026-01-01T00:00:05.000+00:00"', sent)
    fixed = fixed.replace(f'"$lib_version":"{__version__}"'.encode(), b'"$lib_version":"<VERSION>"')
    file = _GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(json.loads(fixed), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    golden = json.loads(file.read_text(encoding="utf-8"))
    assert fixed.decode() == json.dumps(golden, separators=(",", ":"), ensure_ascii=False)


def test_logs(server: CaptureServer, make_log: Callable[..., ReadableLogRecord]) -> None:
    """Log events become this request body, byte for byte."""
    records = [
        make_log(
            {
                "log.record.uid": "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b",
                "user.id": "3f0f9d5e-6f0d-4a51-8d43-7d3c8f8b2a11",
                "order.items": 3,
                "order.total": 49.9,
                "order.gift": False,
                "order.discount": 0,
                "order.note": "",
                "order.tags": ["new", "grün"],
            },
            resource=_RESOURCE,
            scope=_SCOPE,
            timestamp=1_767_225_600_123_456_789,
        ),
        make_log(
            {
                "posthog.distinct_id": "anonymous",
                "user.id": 42,
                "nan": math.nan,
                "bytes": b"\x00\xff",
                "nul": "a\0b",
                "huge": 2**64,
                "nested": {"list": [1, {"deep": None}]},
                "$set": {"email": "never sent"},
                "page": "/cart",
            },
            event_name="page.viewed",
            body="viewed the cart",
            resource=_RESOURCE,
            scope=_SCOPE,
        ),
        make_log({"user.id": "u1"}, event_name="tick", timestamp=None),
        make_log({"user.id": "u1"}, event_name="tick", timestamp=None),  # equal, but a separate event
    ]
    exporter = PostHogLogExporter(
        api_key="phc_golden",
        host=server.url,
        event_names={"page.viewed": "$pageview"},
        property_names={"page": "$pathname", "order.total": "revenue"},
    )
    exporter.export(records)
    _compare(server.requests[0].body, "logs.json")


def test_spans(server: CaptureServer, make_span: Callable[..., ReadableSpan]) -> None:
    """Spans become this request body, byte for byte."""
    trace_id = 0x0AF7651916CD43DD8448EB211C80319C
    root = SpanContext(trace_id, 0xB7AD6B7169203331, is_remote=False, trace_flags=TraceFlags(1))
    spans = [
        make_span(
            {"http.request.method": "POST", "user.id": "u1"},
            name="POST /orders",
            context=root,
            kind=SpanKind.SERVER,
            resource=Resource(_RESOURCE),
            instrumentation_scope=_SCOPE,
        ),
        make_span(
            {"user.id": "u1"},
            name="charge card",
            context=SpanContext(trace_id, 0x00F067AA0BA902B7, is_remote=False, trace_flags=TraceFlags(1)),
            parent=root,
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, "card 4111 declined"),
            events=[Event("exception", {"exception.type": "CardDeclined"})],
            resource=Resource(_RESOURCE),
            instrumentation_scope=_SCOPE,
        ),
    ]
    exporter = PostHogSpanExporter(api_key="phc_golden", host=server.url, trace_context=True, filter="all")
    exporter.export(spans)
    _compare(server.requests[0].body, "spans.json")


_SESSION = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/cart.py", line 7, in total
    return sum(prices[sku] for sku in cart)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/cart.py", line 7, in <genexpr>
    return sum(prices[sku] for sku in cart)
               ~~~~~~^^^^^
KeyError: 'sku-17'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/orders.py", line 21, in place
    order.total = total(cart)
                  ^^^^^^^^^^^
  File "/srv/venv/lib/python3.11/site-packages/pricing/api.py", line 3, in total
    raise OrderError("no price") from error
shop.orders.OrderError: no price
"""


def test_distinct_ids(server: CaptureServer, make_log: Callable[..., ReadableLogRecord]) -> None:
    """Ids of record, span, baggage, resource, session and trace become this request body, byte for byte."""
    from opentelemetry.sdk.trace import TracerProvider

    from opentelemetry import baggage, trace

    span = (
        TracerProvider(shutdown_on_exit=False)
        .get_tracer("a")
        .start_span("s", attributes={"user.id": "of-span"})
    )
    of_span = trace.set_span_in_context(span)
    of_baggage = baggage.set_baggage("user.id", "of-baggage")
    records = [
        make_log({"user.id": "of-record"}, context=of_span),
        make_log({"user.id": "anonymous"}, context=of_span),
        make_log(context=of_baggage),
        make_log(resource={"user.id": ["of-resource"]}),
        make_log({"session.id": _SESSION}, trace_id=0xABC, span_id=1),
        make_log(trace_id=0xABC, span_id=1),
    ]
    exporter = PostHogLogExporter(
        api_key="phc_golden", host=server.url, baggage_keys=("user.id",), person_profiles=True
    )
    exporter.export(records)
    _compare(server.requests[0].body, "whose.json")


def test_sessions_groups_and_persons(
    server: CaptureServer, make_log: Callable[..., ReadableLogRecord]
) -> None:
    """Sessions, groups and person properties become this request body, byte for byte."""
    attributes = {
        "user.id": "u1",
        "session.id": _SESSION,
        "tenant.id": "acme",
        "posthog.group.team": "red",
        "posthog.set.plan": "pro",
        "posthog.set_once.first_order": "2026-01-01",
    }
    exporter = PostHogLogExporter(
        api_key="phc_golden", host=server.url, group_attributes={"company": "tenant.id"}, person_profiles=True
    )
    exporter.export([make_log(attributes, resource=_RESOURCE), make_log({"session.id": "cookie-17"})])
    _compare(
        re.sub(rb'"distinct_id":"[0-9a-f-]{36}"', b'"distinct_id":"<MADE UP>"', server.requests[0].body),
        "meanings.json",
    )


def test_exceptions(server: CaptureServer, make_log: Callable[..., ReadableLogRecord]) -> None:
    """A chained exception becomes this request body, byte for byte."""
    attributes = {
        "user.id": "u1",
        "exception.type": "OrderError",
        "exception.message": "no price",
        "exception.stacktrace": _TRACEBACK,
    }
    exporter = PostHogLogExporter(api_key="phc_golden", host=server.url, exceptions=True)
    exporter.export(
        [make_log(attributes, event_name=None, body="it failed", severity_number=17, resource=_RESOURCE)]
    )
    _compare(server.requests[0].body, "exceptions.json")
