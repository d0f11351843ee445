"""What a spooled line becomes: the body of the request to PostHog, made by the parts that make the real one."""

from __future__ import annotations

from mem0_telemetry.delivery._decode import decode
from mem0_telemetry.pipeline.selection import Selection
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry.added_attributes import INSTALLATION_ID
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
    options = MappingOptions(
        event_names=registry.posthog_event_names(),
        property_names=registry.posthog_property_names(),
        distinct_id_attributes=(INSTALLATION_ID.key,),
    )
    return body(log_events(records, options).events, api_key=api_key, sent_at="(when it is sent)")
