# SPDX-License-Identifier: Apache-2.0
"""The mapping on its own: log records and spans in, PostHog events out, without network, clock, environment.

An event is the JSON text that is sent for it, validated: PostHog rejects a whole batch for one bad event.
Imports neither `posthog` nor the OpenTelemetry SDK.

Example:
    >>> mapped = log_events(records, MappingOptions(event_names={"app.started": "app started"}))
    >>> body(mapped.events, api_key="phc_...", sent_at="2026-01-01T00:00:00Z")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.posthog._json import clean_text, encode
from opentelemetry.exporter.posthog._mapper import Mapped, Mapper
from opentelemetry.exporter.posthog._settings import DEFAULT_DISTINCT_ID_ATTRIBUTES, MappingOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = [
    "DEFAULT_DISTINCT_ID_ATTRIBUTES",
    "Mapped",
    "MappingOptions",
    "body",
    "log_events",
    "span_events",
]


def log_events(records: Iterable[ReadableLogRecord], options: MappingOptions | None = None) -> Mapped:
    """Map log records as `PostHogLogExporter` does.

    Args:
        records: what an exporter is given. One without an event name becomes no event.
        options: how; the defaults are the exporter's.

    Returns:
        The events, and what was dropped. Never raises for a record.
    """
    return Mapper["ReadableLogRecord"](options or MappingOptions(), "log").map(records)


def span_events(spans: Iterable[ReadableSpan], options: MappingOptions | None = None) -> Mapped:
    """Map spans as `PostHogSpanExporter` does, but for its filter: each span becomes an event.

    Args and returns as for `log_events`.
    """
    return Mapper["ReadableSpan"](options or MappingOptions(), "span").map(spans)


def body(events: Iterable[bytes], *, api_key: str, sent_at: str) -> bytes:
    """Return the body of the request that sends `events`, before it is compressed: JSON in UTF-8.

    Args:
        events: as mapped. PostHog refuses a request without any.
        api_key: the project's.
        sent_at: the moment of the attempt as RFC 3339 text; PostHog corrects the events' timestamps by it.
    """
    head = f'{{"api_key":{encode(clean_text(api_key))},"sent_at":{encode(sent_at)},"batch":['
    framed = list(events) or [b""]
    framed[0] = head.encode() + framed[0]
    framed[-1] += b"]}"
    return b",".join(framed)  # the only copy: half a megabyte that is touched once
