# SPDX-License-Identifier: Apache-2.0
"""Decode a line of OTLP/JSON, written by `_encode` or any other writer of the format, into log records."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN, TraceFlags, set_span_in_context

if TYPE_CHECKING:
    from collections.abc import Iterator


class CorruptLineError(ValueError):
    """The line is not OTLP/JSON."""


def decode(line: bytes, *, most: int | None = None) -> tuple[ReadableLogRecord, ...]:
    """Return the records in `line`, in order. Unknown members are ignored, as the OTLP specification requires.

    Costs about 50 µs a record. OpenTelemetry's classes log invalid values, so this module passes them none.

    Args:
        line: one line of OTLP/JSON, with its newline.
        most: the most records that the line may have; None for any number.

    Raises:
        CorruptLineError: the line is truncated, is not OTLP/JSON, or has more than `most` records.
    """
    if not line.endswith(b"\n"):
        raise CorruptLineError("not a whole line")
    try:
        document = json.loads(line.decode())
        if most is not None and _count(document) > most:
            raise ValueError("more records than its name says")  # noqa: TRY301
        return tuple(_records(document))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise CorruptLineError(f"not OTLP/JSON: {type(error).__name__}") from error


def _count(document: dict[str, Any]) -> int:
    return sum(
        len(scope_logs.get("logRecords", ()))
        for resource_logs in document["resourceLogs"]
        for scope_logs in resource_logs.get("scopeLogs", ())
    )


def _records(document: dict[str, Any]) -> Iterator[ReadableLogRecord]:
    # Pass an explicit context: without one, `LogRecord` looks up the current span, which costs three times as much.
    context = set_span_in_context(INVALID_SPAN, Context())
    for resource_logs in document["resourceLogs"]:
        resource = Resource(
            _plain(_attributes(resource_logs.get("resource", {}))), _text(resource_logs.get("schemaUrl", ""))
        )
        for scope_logs in resource_logs.get("scopeLogs", ()):
            scope = _scope(scope_logs)
            for record in scope_logs.get("logRecords", ()):
                yield ReadableLogRecord(
                    log_record=_log_record(record, context), resource=resource, instrumentation_scope=scope
                )


def _scope(scope_logs: dict[str, Any]) -> InstrumentationScope | None:
    scope = scope_logs.get("scope")
    if scope is None:
        return None
    return InstrumentationScope(
        _text(scope.get("name", "")),
        _text(scope.get("version", "")) or None,
        _text(scope_logs.get("schemaUrl", "")) or None,
        _plain(_attributes(scope)) or None,
    )


def _log_record(record: dict[str, Any], context: Context) -> LogRecord:
    attributes: Any = _attributes(record)
    if dropped := _unsigned(record.get("droppedAttributesCount", 0), 32):
        plain = _plain(attributes)
        dropped += len(attributes) - len(plain)
        attributes = BoundedAttributes(attributes=plain, immutable=False)
        attributes.dropped = dropped
    severity = record.get("severityNumber")
    log = LogRecord(
        timestamp=_unsigned(record.get("timeUnixNano", 0), 64) or None,
        observed_timestamp=_unsigned(record.get("observedTimeUnixNano", 0), 64),
        context=context,
        severity_text=_text(record.get("severityText", "")) or None,
        severity_number=None if severity is None else SeverityNumber(severity),
        body=_value(record["body"]) if "body" in record else None,
        attributes=attributes,
        event_name=_text(record.get("eventName", "")) or None,
    )
    log.trace_id = _unsigned(int(record.get("traceId") or "0", 16), 128)
    log.span_id = _unsigned(int(record.get("spanId") or "0", 16), 64)
    log.trace_flags = TraceFlags(_unsigned(record.get("flags", 0), 32))
    return log


def _unsigned(value: Any, bits: int) -> int:
    number = int(value)
    if number >> bits:  # too large, or negative
        raise ValueError("out of range")
    return number


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that every version of `BoundedAttributes` accepts without logging."""
    return {key: value for key, value in attributes.items() if key and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    kinds = set(map(type, value)) if isinstance(value, tuple) else {type(value)}
    return len(kinds) <= 1 and kinds <= {str, bool, int, float}


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {_text(item["key"]): _value(item["value"]) for item in owner.get("attributes", ())}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    # Replace lone surrogates: they are not valid Unicode, and neither receivers nor other encoders accept them.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _value(value: dict[str, Any]) -> Any:  # noqa: PLR0911  # one return for each of OTLP's kinds of value
    for kind, content in value.items():
        match kind:
            case "stringValue":
                return _text(content)
            case "boolValue":
                if not isinstance(content, bool):
                    raise TypeError("not a bool")
                return content
            case "intValue":
                return _unsigned(int(content) + 2**63, 64) - 2**63
            case "doubleValue":
                return float(content)
            case "arrayValue":
                return tuple(map(_value, content.get("values", ())))
            case "kvlistValue":
                return {_text(item["key"]): _value(item["value"]) for item in content.get("values", ())}
            case "bytesValue":
                return base64.b64decode(content, validate=True)
    return None
