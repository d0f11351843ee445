"""What a spooled line becomes: the body of the request to PostHog, made by the parts that make the real one."""

from __future__ import annotations

from mem0_telemetry.delivery._decode import decode
from mem0_telemetry.pipeline.exporters import posthog_mapping
from mem0_telemetry.pipeline.selection import Selection
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events


def posthog_request(line: bytes, *, api_key: str) -> bytes:
    """Answer the body that `line` becomes, selected against the registry once more, as when it is sent.

    Args:
        line: one line of OTLP/JSON, as it lies in the spool, with its newline or without.
        api_key: the project's key.

    Raises:
        ValueError: where the line is not OTLP/JSON.
    """
    select = Selection()
    whole = line.rstrip(b"\n") + b"\n"
    records = [selected for record in decode(whole) if (selected := select(record)) is not None]
    events = log_events(records, MappingOptions(**posthog_mapping())).events
    return body(events, api_key=api_key, sent_at="(when it is sent)")
