"""The caller's last look at an event, and at what the caller made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.posthog._build import MAX_EVENT_BYTES, NotAnEvent
from opentelemetry.exporter.posthog._identity import distinct_id_of, is_uuid, timestamp_of
from opentelemetry.exporter.posthog._json import clean, clean_name, encode

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOLEANS = ("$process_person_profile", "$geoip_disable")
_OF_PERSONS = ("$set", "$set_once")


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
    except (TypeError, ValueError, AttributeError) as error:
        raise NotAnEvent("invalid") from error


def _validated(event: object) -> bytes:
    """Return `event` as JSON that PostHog accepts.

    Raises:
        ValueError: there is none.
    """
    cleaned = clean(event)
    if not isinstance(event, dict) or not isinstance(cleaned, dict):
        raise TypeError("no dictionary")
    name, distinct_id = cleaned.get("event"), distinct_id_of(cleaned.get("distinct_id"))
    properties = cleaned.get("properties", {})
    if (
        not isinstance(name, str)
        or not name.strip()
        or distinct_id is None
        or not isinstance(properties, dict)
    ):
        raise ValueError("no name, no distinct_id or no properties")
    valid: dict[str, Any] = {"event": clean_name(name), "distinct_id": distinct_id}
    if not isinstance(cleaned.get("uuid"), str) or not is_uuid(cleaned["uuid"]):
        raise ValueError("no uuid")
    valid["uuid"] = cleaned["uuid"]
    if "timestamp" in cleaned:
        valid["timestamp"] = timestamp_of([cleaned["timestamp"]])
        if valid["timestamp"] is None:
            raise ValueError("no timestamp")
    valid["properties"] = {clean_name(key): value for key, value in properties.items() if key}
    _check_properties(valid["event"], valid["properties"])
    text = encode(valid)
    size = len(text.encode())
    if size > MAX_EVENT_BYTES or size + text.count('"') + text.count("\\") > 990_000:  # noqa: PLR2004
        raise ValueError("too large")
    return text.encode()


def _check_properties(name: str, properties: dict[str, Any]) -> None:
    if any(not isinstance(properties.get(key, False), bool) for key in _BOOLEANS):
        raise ValueError("a switch of PostHog's that is no boolean")
    if properties.get("$process_person_profile") is False and any(key in properties for key in _OF_PERSONS):
        raise ValueError("what is known of a person, in an event of nobody")
    exceptions = properties.get("$exception_list")
    if name == "$exception" and not (
        isinstance(exceptions, list)
        and exceptions
        and all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in exceptions)
    ):
        raise ValueError("an exception without its list")
