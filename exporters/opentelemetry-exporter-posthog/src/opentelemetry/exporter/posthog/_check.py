# SPDX-License-Identifier: Apache-2.0
"""Check a batch by the rules of PostHog's parser and ingestion, or by slightly stricter ones.

PostHog's `/batch/` endpoint rejects a whole batch for one bad event; its ingestion then cuts, drops or hides values
that are too long. This module reports each case as a violation. It follows PostHog's sources and imports nothing of
this package's mapping, because it checks that mapping; the mapping imports its limits from here.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BODY_BYTES: Final = 20 * 1024 * 1024
_MAX_EVENT_BYTES: Final = 1_000_000
MAX_NAME_BYTES: Final = 200
"""PostHog creates no definition for a longer name, and cuts a longer id."""
_MAX_KEY_LENGTH: Final = 64
_MAX_DEPTH: Final = 120
MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**64 - 1
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_ILLEGAL_IDS: Final = {
    *("", "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user"),
    *("backend", "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none"),
    *("not_authenticated", "null", "system", "true", "undefined", "user"),
}
"""Ids that PostHog treats as mistakes; it ignores case, white space and one pair of quotes."""
_FRAME: Final = frozenset({"platform", "filename", "function", "in_app"})
"""The keys of a stack frame that error tracking reads."""
BOOLEANS: Final = frozenset({"$process_person_profile", "$geoip_disable"})
PERSON_KEYS: Final = frozenset({"$set", "$set_once"})


def check_batch(body: bytes) -> list[str]:
    """Return what PostHog would reject, cut, drop or misread in the body of a `/batch/` request.

    Args:
        body: the decompressed body.

    Returns:
        A sentence for each violation, with the event's index in the batch; empty if there is none. Never raises.
    """
    if len(body) > _MAX_BODY_BYTES:
        return [f"the body has {len(body)} bytes, more than {_MAX_BODY_BYTES}"]
    try:
        request = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return [f"PostHog cannot parse the body: {error}"]
    if not isinstance(request, dict):
        return ["the body is no JSON object"]
    return [*_check_envelope(request), *_check_events(request.get("batch"))]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} twice in one object")
        found[key] = value
    return found


def _refuse(token: str) -> None:
    raise ValueError(f"the token {token}")


def _check_envelope(request: dict[str, Any]) -> Iterator[str]:
    key = request.get("api_key", request.get("token"))
    if not isinstance(key, str) or not key.strip():
        yield "there is no api_key"
    elif len(key) > _MAX_KEY_LENGTH or not key.isascii() or "\0" in key:
        yield "the api_key has not the form of one"
    elif key.startswith("phx_"):
        yield "the api_key is a personal one"
    if "sent_at" in request and not _is_timestamp(request["sent_at"]):
        yield "sent_at is no RFC 3339 text with an offset"
    if not isinstance(request.get("historical_migration", False), bool):
        yield "historical_migration is no boolean"


def _check_events(batch: object) -> Iterator[str]:
    if not isinstance(batch, list) or not batch:
        yield "there is no batch, or it is empty"
        return
    for place, event in enumerate(batch):
        found = (
            [*check_event(event), *_check_frames(event)] if isinstance(event, dict) else ["it is no object"]
        )
        for violation in found:
            yield f"event {place}: {violation}"


def check_event(event: dict[str, Any]) -> Iterator[str]:
    """Yield what PostHog would reject, cut, drop or misread in an event."""
    name = event.get("event")
    if not isinstance(name, str) or not name.strip():
        yield "it has no name"
    elif _is_too_long(name):
        yield f"its name has more than {MAX_NAME_BYTES} bytes"
    yield from _check_distinct_id(event.get("distinct_id"))
    uuid = event.get("uuid", "")
    if uuid != "" and not (isinstance(uuid, str) and UUID.fullmatch(uuid)):
        yield "its uuid is none"
    if "timestamp" in event and not _is_timestamp(event["timestamp"]):
        yield "its timestamp is no RFC 3339 text with an offset"
    properties = event.get("properties", {})
    if isinstance(properties, dict):
        yield from _check_properties(properties)
        if name == "$exception" and not _is_exception_list(properties.get("$exception_list")):
            yield "it is an exception without an $exception_list of objects that have a type"
    else:
        yield "its properties are no object"
    yield from _check_value(event)
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    size = len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    if size > _MAX_EVENT_BYTES:
        yield f"it takes {size} bytes where PostHog keeps {_MAX_EVENT_BYTES}"


def _check_distinct_id(distinct_id: object) -> Iterator[str]:
    if isinstance(distinct_id, bool) or not isinstance(distinct_id, (str, int, float)):
        yield "it has no distinct_id"
        return
    text = str(distinct_id)
    if is_illegal_id(text):
        yield f"PostHog takes the distinct_id {text!r} for a mistake"
    if _is_too_long(text):
        yield f"its distinct_id has more than {MAX_NAME_BYTES} bytes"


def is_illegal_id(text: str) -> bool:
    """Return whether PostHog would treat the id `text` as a mistake."""
    return unquoted(text).lower() in _ILLEGAL_IDS


def unquoted(text: str) -> str:
    """Return `text` without white space and one pair of quotes around it."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _check_properties(properties: dict[str, Any]) -> Iterator[str]:
    for name in properties:
        if not name or _is_too_long(name):
            yield f"the name of a property is empty, or has more than {MAX_NAME_BYTES} bytes: {name[:20]!r}"
    for name in sorted(BOOLEANS):
        if not isinstance(properties.get(name, False), bool):
            yield f"{name} is no boolean"
    if properties.get("$process_person_profile") is False:
        for name in sorted(PERSON_KEYS):
            if name in properties:
                yield f"{name} in an event without a person"


def _is_exception_list(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in value)
    )


def _check_frames(event: dict[str, Any]) -> Iterator[str]:
    """Yield a violation if frames lack keys that this exporter sends; a `before_send` may remove them."""
    properties = event.get("properties")
    exceptions: Any = properties.get("$exception_list") if isinstance(properties, dict) else None
    if _is_exception_list(exceptions) and not all(map(_has_whole_frames, exceptions)):
        yield "the frames in its $exception_list are not whole"


def _has_whole_frames(exception: dict[str, Any]) -> bool:
    stacktrace = exception.get("stacktrace") or {}
    frames = stacktrace.get("frames") or [] if isinstance(stacktrace, dict) else [None]
    return isinstance(frames, list) and all(isinstance(one, dict) and one.keys() >= _FRAME for one in frames)


def _check_value(value: object, depth: int = 1) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield "it is nested too deeply"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _check_value(key, depth)
            yield from _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _check_value(item, depth + 1)
    elif isinstance(value, str) and UNSTORABLE.search(value):
        yield "it holds text with NUL or a lone surrogate"
    elif isinstance(value, float) and not math.isfinite(value):
        yield "it holds a number that is not finite"
    elif isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        yield "it holds an integer beyond 64 bits"


def _is_too_long(text: str) -> bool:
    return len(text.encode(errors="replace")) > MAX_NAME_BYTES


def _is_timestamp(value: object) -> bool:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return False
    try:
        datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007  # only checks that the date exists
    except ValueError:
        return False
    return True
