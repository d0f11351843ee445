# SPDX-License-Identifier: Apache-2.0
"""Convert exceptions to events for PostHog's error tracking."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._conventions import UID
from opentelemetry.exporter.posthog._json import to_json
from opentelemetry.exporter.posthog._stacktrace import exception, parse

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog._sources import Source

TYPE: Final = "exception.type"
MESSAGE: Final = "exception.message"
STACKTRACE: Final = "exception.stacktrace"
ESCAPED: Final = "exception.escaped"
_ATTRIBUTES: Final = (TYPE, MESSAGE, STACKTRACE, ESCAPED)
_EVENT: Final = "exception"
_LEVELS: Final = ((21, "fatal"), (17, "error"), (13, "warning"), (9, "info"), (1, "debug"))
"""OTel's lowest severity number for each of PostHog's levels."""
_REMEMBERED: Final = 4096

ExceptionEvent = tuple["Source", dict[str, Any]]
"""The source of an exception's event, and the event's additional properties, such as `$exception_list`."""


class Seen:
    """Remembers the latest exceptions, so that one on both a span and a log record is sent once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may export too
        self._by: OrderedDict[tuple[int, str, str], str] = OrderedDict()

    def was_sent_by_other_signal(self, exception: ExceptionEvent, signal: str, added: list[Any]) -> bool:
        """Return True if the other signal already sent `exception`; otherwise record that `signal` sends it.

        Args:
            exception: the exception.
            signal: `log` or `span`.
            added: gets the exception's key, if it is new, for `forget`.
        """
        source, properties = exception
        if not source.trace_id:
            return False
        outermost = properties["$exception_list"][0]
        key = source.trace_id, outermost["type"], outermost["value"]
        with self._lock:
            if key not in self._by:
                self._by[key] = signal
                added.append(key)
            if len(self._by) > _REMEMBERED:
                self._by.popitem(last=False)
            return self._by[key] != signal

    def forget(self, added: list[Any]) -> None:
        """Forget exceptions that could not be sent, so that the other signal may send them."""
        with self._lock:
            for key in added:
                self._by.pop(key, None)


sent_by_this_process = Seen()


def is_only_an_exception(source: Source) -> bool:
    """Return whether a log record is no event besides its exception: its name is empty or `exception`."""
    return not source.name or source.name == _EVENT


def exceptions_of(source: Source, signal: str) -> list[ExceptionEvent]:
    """Return an event for each exception of a log record, or of a span that ended with an error."""
    record = source.record
    if signal == "log":
        if TYPE in source.attributes or MESSAGE in source.attributes:
            return [_from_record(source, record.log_record.severity_number)]
    elif record.status.status_code.name == "ERROR":
        events = enumerate(record.events)
        return [_from_span(source, index, event) for index, event in events if event.name == _EVENT]
    return []


def cut_exceptions(properties: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return an exception's `properties` with about `limit` values, by removing whole exceptions and whole frames.

    Keep the innermost frames, which show where an exception was raised. Keep the outermost exceptions of a long
    chain, because the others refer to them. An exception has at most 14 values, and 9 in each frame.
    """
    exceptions = properties["$exception_list"][: limit // 32]
    frames = limit // (20 * len(exceptions))
    kept = [
        {**one, "stacktrace": {**stacktrace, "frames": stacktrace["frames"][-frames:]}}
        if (stacktrace := one.get("stacktrace"))
        else one
        for one in exceptions
    ]
    return {**properties, "$exception_list": kept}


def _from_record(source: Source, severity: object) -> ExceptionEvent:
    attributes = _without_exception(source.attributes)
    uid = attributes.get(UID)
    if uid and not is_only_an_exception(source):
        attributes[UID] = f"{to_json(uid)}/exception"  # the record's own event has the id itself
    number = getattr(severity, "value", severity)
    level = "error"
    if isinstance(number, int):
        level = next((text for lowest, text in _LEVELS if number >= lowest), level)
    return source._replace(attributes=attributes), _properties(source.attributes, level)


def _from_span(source: Source, index: int, event: Any) -> ExceptionEvent:
    own = dict(event.attributes or {})
    own_source = source._replace(
        times=(event.timestamp, *source.times),
        attributes={**source.attributes, **_without_exception(own)},
        extras={},
        origin=f"{source.origin}/exception/{index}" if source.is_unique else source.origin,
    )
    return own_source, _properties(own, "error")


def _without_exception(attributes: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in attributes.items() if key not in _ATTRIBUTES}


def _properties(attributes: dict[Any, Any], level: str) -> dict[str, Any]:
    kind, message, stacktrace = (
        value if isinstance(value := attributes.get(key), str) else "" for key in (TYPE, MESSAGE, STACKTRACE)
    )
    exceptions = parse(stacktrace) or [exception(kind or "Exception", message)]
    outermost = exceptions[0]
    if not outermost["value"] or (
        message and outermost["value"].startswith(f"{message}\n")
    ):  # the exception's notes follow the message
        outermost["value"] = message
    outermost["mechanism"]["handled"] = str(attributes.get(ESCAPED)).lower() != "true"  # the SDK writes text
    return {"$exception_list": exceptions, "$exception_level": level}
