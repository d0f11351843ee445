# SPDX-License-Identifier: Apache-2.0
"""Map log records and spans to PostHog events, without network, clock or environment variables.

Each event is validated JSON text, exactly as it is sent: PostHog rejects a whole batch for one bad event.
This module imports neither `posthog` nor the OpenTelemetry SDK.

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
        records: as an exporter receives them. One without an event name can only become an event of error tracking.
        options: how to map; the defaults are the exporter's.

    Returns:
        The events, and the number of dropped records by reason. No record makes this function raise.
    """
    return Mapper["ReadableLogRecord"](options or MappingOptions(), "log").map(records)


def span_events(spans: Iterable[ReadableSpan], options: MappingOptions | None = None) -> Mapped:
    """Map spans as `PostHogSpanExporter` does, but without its `filter`: child spans also become events.

    Arguments and result are those of `log_events`.
    """
    return Mapper["ReadableSpan"](options or MappingOptions(), "span").map(spans)


def body(events: Iterable[bytes], *, api_key: str, sent_at: str) -> bytes:
    """Return the uncompressed body of the request that sends `events`: JSON in UTF-8.

    Args:
        events: mapped events. PostHog refuses a request without events.
        api_key: the project API key.
        sent_at: the time of the attempt as RFC 3339 text; PostHog corrects the events' timestamps with it.
    """
    head = f'{{"api_key":{encode(clean_text(api_key))},"sent_at":{encode(sent_at)},"batch":['
    framed = list(events) or [b""]
    framed[0] = head.encode() + framed[0]
    framed[-1] += b"]}"
    return b",".join(framed)  # copies the events, often half a megabyte, only once
