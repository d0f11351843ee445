"""The caller's last look at an event, and at what the caller made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.posthog._build import NotAnEvent, fits
from opentelemetry.exporter.posthog._check import check_event
from opentelemetry.exporter.posthog._identity import distinct_id_of, timestamp_of
from opentelemetry.exporter.posthog._json import clean, clean_name, encode

if TYPE_CHECKING:
    from collections.abc import Callable


def through(before_send: Callable[[dict[str, Any]], dict[str, Any] | None], event: bytes) -> bytes:
    """Return what `before_send` makes of `event`.

    Raises:
        NotAnEvent: it drops the event, fails, or makes something of it that PostHog would reject.
    """
    try:
        changed = before_send(json.loads(event))
    except Exception as error:
        raise NotAnEvent("before_send_failed") from error
    if changed is None:
        raise NotAnEvent("before_send")
    try:
        return _validated(changed)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NotAnEvent("invalid") from error


def _validated(event: object) -> bytes:
    """Return `event` as JSON that PostHog accepts.

    Raises:
        ValueError: there is none.
    """
    cleaned = clean(event)
    if not isinstance(cleaned, dict) or not cleaned.get("uuid"):
        raise ValueError("no event")
    valid = {
        "event": clean_name(cleaned["event"]),
        "distinct_id": distinct_id_of(cleaned["distinct_id"]),
        "uuid": cleaned["uuid"],
    }
    if "timestamp" in cleaned:
        valid["timestamp"] = timestamp_of([cleaned["timestamp"]])
    properties = cleaned.get("properties", {})
    valid["properties"] = {clean_name(name): value for name, value in properties.items() if name}
    text = encode(valid)
    if not fits(text) or any(check_event(valid)):
        raise ValueError("PostHog would not take it")
    return text.encode()
