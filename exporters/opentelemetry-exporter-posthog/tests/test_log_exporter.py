"""Log events reach PostHog through the SDK's own provider and processor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer


def test_an_emitted_event_arrives_as_a_posthog_event(server: CaptureServer) -> None:
    """An event emitted through a LoggerProvider arrives with its name, user and attributes."""
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
    provider = LoggerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    provider.get_logger("shop").emit(
        event_name="order.placed",
        timestamp=time.time_ns(),
        attributes={
            "user.id": "u1",
            "items": 3,
            "gift": False,
            "discount": 0,
            "note": "",
            "tags": ["a", "b"],
        },
    )
    provider.shutdown()

    assert server.wait_for(1, timeout=60)
    assert check_batch(server.requests[0].body) == []
    event = server.events[0]
    assert event["event"] == "order.placed"
    assert event["distinct_id"] == "u1"
    sent = {name: event["properties"][name] for name in ("items", "gift", "discount", "note", "tags")}
    assert sent == {"items": 3, "gift": False, "discount": 0, "note": "", "tags": ["a", "b"]}
    assert event["properties"]["service.name"] == "shop"
    assert exporter.stats.exported == 1
