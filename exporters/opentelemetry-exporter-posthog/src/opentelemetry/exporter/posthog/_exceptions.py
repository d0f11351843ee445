"""Exceptions as events of PostHog's error tracking."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._json import to_json
from opentelemetry.exporter.posthog._stacktrace import Raised, parse, split_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.exporter.posthog._sources import Source

TYPE: Final = "exception.type"
MESSAGE: Final = "exception.message"
STACKTRACE: Final = "exception.stacktrace"
_ATTRIBUTES: Final = (TYPE, MESSAGE, STACKTRACE, "exception.escaped")
_EVENT: Final = "exception"
_UID: Final = "log.record.uid"
_LEVELS: Final = ((21, "fatal"), (17, "error"), (13, "warning"), (9, "info"), (1, "debug"))
"""The lowest severity number of each of PostHog's levels."""
_REMEMBERED: Final = 4096


class Seen:
    """Which exceptions of which trace were sent, so that one on a span and on a record is one event. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may export too
        self._by: OrderedDict[tuple[int, str, str], str] = OrderedDict()

    def is_of_other(self, key: tuple[int, str, str], signal: str) -> bool:
        """Return whether the other signal sent `key` already; else remember that `signal` does."""
        with self._lock:
            first = self._by.setdefault(key, signal)
            while len(self._by) > _REMEMBERED:
                self._by.popitem(last=False)
            return first != signal


of_this_process: Final = Seen()


def is_exception(source: Source) -> bool:
    """Return whether a record says that there was an exception."""
    return TYPE in source.attributes or MESSAGE in source.attributes


def is_nothing_else(source: Source) -> bool:
    """Return whether a record says nothing but that there was an exception."""
    return not source.name or source.name == _EVENT


def of_record(source: Source, level: object) -> tuple[Source, dict[str, Any]]:
    """Return the exception of a log record as a source, and the properties that make it one.

    Args:
        source: the record, as an exception.
        level: its severity number.
    """
    attributes = {key: value for key, value in source.attributes.items() if key not in _ATTRIBUTES}
    uid = attributes.get(_UID)
    if uid and not is_nothing_else(source):
        attributes[_UID] = f"{to_json(uid)}/exception"  # beside the event of that id
    severity = getattr(level, "value", level)
    name = "error"
    if isinstance(severity, int):
        name = next((text for lowest, text in _LEVELS if severity >= lowest), name)
    return source._replace(attributes=attributes), _properties(source.attributes, name)


def of_span(source: Source) -> Iterator[tuple[Source, dict[str, Any]]]:
    """Yield the exceptions that a span recorded, if it ended in an error."""
    span = source.record
    if span.status.status_code.name != "ERROR":
        return
    for index, event in enumerate(span.events):
        if event.name == _EVENT:
            own = dict(event.attributes or {})
            attributes = {key: value for key, value in own.items() if key not in _ATTRIBUTES}
            yield (
                source._replace(
                    times=(event.timestamp, *source.times),
                    attributes={**source.attributes, **attributes},
                    extras={},
                    origin=f"{source.origin}/exception/{index}" if source.is_unique else source.origin,
                ),
                _properties(own, "error"),
            )


def identity(source: Source, properties: dict[str, Any]) -> tuple[int, str, str] | None:
    """Return what tells an exception from others of its trace, or None outside of traces."""
    outermost = properties["$exception_list"][0]
    return (source.trace_id, outermost["type"], outermost["value"]) if source.trace_id else None


def _properties(attributes: dict[Any, Any], level: str) -> dict[str, Any]:
    kind, message, stacktrace = (
        value if isinstance(value := attributes.get(key), str) else "" for key in (TYPE, MESSAGE, STACKTRACE)
    )
    raised = parse(stacktrace)
    if not raised:
        raised = [Raised(kind or "Exception", message, [], "", 0, is_group=False)]
    elif not raised[0].value or (message and raised[0].value.startswith(f"{message}\n")):  # notes follow it
        raised[0] = raised[0]._replace(value=message)
    return {
        "$exception_list": [_exception(index, one) for index, one in enumerate(raised)],
        "$exception_level": level,
    }


def _exception(index: int, raised: Raised) -> dict[str, Any]:
    mechanism: dict[str, Any] = {"exception_id": index}
    if index:
        mechanism |= {"source": raised.link, "parent_id": raised.parent, "type": "chained"}
    else:
        mechanism |= {"type": "generic", "handled": True}
    mechanism["synthetic"] = False
    if raised.is_group:
        mechanism["is_exception_group"] = True
    module, name = split_type(raised.kind)
    exception = {"mechanism": mechanism, "module": module, "type": name, "value": raised.value}
    if raised.frames:
        exception["stacktrace"] = {"frames": raised.frames, "type": "raw"}
    return exception
