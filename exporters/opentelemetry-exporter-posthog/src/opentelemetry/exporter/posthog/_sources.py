# SPDX-License-Identifier: Apache-2.0
"""Read the parts of an event from a log record or a span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.exporter.posthog._conventions import from_context
from opentelemetry.exporter.posthog._identity import nanoseconds
from opentelemetry.exporter.posthog._redact import ROUTE, hide_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from opentelemetry.exporter.posthog._settings import MappingOptions

_NAMES: Final = ("otel.event.name", "event.name")


class Source(NamedTuple):
    """The parts of one event, not yet validated."""

    name: object
    times: tuple[object, ...]
    """Candidates for the timestamp (see `nanoseconds`); the first valid one counts."""
    attributes: dict[Any, Any]
    """A copy, because building the event may remove some of them."""
    extras: dict[str, Any]
    """Properties that are not attributes in OTel; an attribute with the same key takes precedence."""
    origin: str
    """Trace id and span id, or empty. Part of the event's identity; not sent."""
    is_unique: bool
    """Whether `origin` alone identifies the event."""
    record: Any
    """The log record or span, with its resource and scope."""
    trace_id: int
    span_id: int


def log_source(record: ReadableLogRecord, options: MappingOptions) -> Source:
    """Read a log record. Its severity, observed timestamp and flags become no properties."""
    log = record.log_record
    name, body, attributes = log.event_name, log.body, _copied(log.attributes)
    if not name:  # the `extra` of a `logging` record may name the event
        name = next(filter(None, [attributes.pop(key, None) for key in _NAMES]), name)
    if context := log.context:
        attributes.update(from_context(attributes, context, options))
    if options.redact and ROUTE in attributes:
        hide_parameters(attributes)
    extras: dict[str, Any] = {}
    if body is not None and not (isinstance(body, str) and body in ("", name)):  # array == text is an array
        extras["body"] = body
    if dropped := getattr(log.attributes, "dropped", 0):
        extras["otel.dropped_attributes_count"] = dropped
    trace_id, span_id = log.trace_id or 0, log.span_id or 0
    if options.trace_context and trace_id:
        extras["trace_id"] = f"{trace_id:032x}"
        extras["span_id"] = f"{span_id:016x}"
    times = (log.timestamp, log.observed_timestamp)
    origin = f"{trace_id:x}/{span_id:x}" if trace_id else ""
    is_unique = False  # equal records in one span are separate events
    # Calling the class takes three times as long.
    return tuple.__new__(
        Source, (name, times, attributes, extras, origin, is_unique, record, trace_id, span_id)
    )


def span_source(span: ReadableSpan, options: MappingOptions) -> Source:
    """Read a span. Its events and links become no properties, except the type of a recorded exception."""
    attributes = _copied(span.attributes)
    if options.redact and ROUTE in attributes:
        hide_parameters(attributes)
    extras: dict[str, Any] = {"span.kind": span.kind.name.lower()}
    start, end = nanoseconds(span.start_time), nanoseconds(span.end_time)
    if start and end:
        extras["duration_ms"] = (end - start) / 1e6
    status = span.status.status_code.name
    if status != "UNSET":
        extras["otel.status_code"] = status
        if span.status.description:
            extras["otel.status_description"] = span.status.description
    if status == "ERROR":
        extras["error.type"] = _exception_type(span)
    if dropped := span.dropped_attributes:
        extras["otel.dropped_attributes_count"] = dropped
    trace_id, span_id = (span.context.trace_id, span.context.span_id) if span.context else (0, 0)
    if options.trace_context and span.context:
        extras["trace_id"] = f"{trace_id:032x}"
        extras["span_id"] = f"{span_id:016x}"
        if span.parent:
            extras["parent_span_id"] = f"{span.parent.span_id:016x}"
    origin = f"{trace_id:x}/{span_id:x}" if trace_id and span_id else ""
    is_unique = bool(origin)
    times = (span.start_time, span.end_time)
    return Source(span.name, times, attributes, extras, origin, is_unique, span, trace_id, span_id)


def _exception_type(span: ReadableSpan) -> Any:
    """Return the type of the last exception that the span recorded, else OTel's value for an unnamed error."""
    for event in reversed(span.events):
        if event.attributes and "exception.type" in event.attributes:
            return event.attributes["exception.type"]
    return "_OTHER"


def _copied(attributes: Mapping[Any, Any] | None) -> dict[Any, Any]:
    """Copy to a plain dict. Copying the SDK's own mapping is 20 times faster than iterating over it."""
    if attributes is None:
        return {}
    try:
        copied = attributes.copy()  # type: ignore[attr-defined]
    except AttributeError:
        copied = None
    return copied if type(copied) is dict else dict(attributes)


READERS: Final[dict[str, Callable[..., Source]]] = {"log": log_source, "span": span_source}
"""For each signal, the function that reads a record."""
