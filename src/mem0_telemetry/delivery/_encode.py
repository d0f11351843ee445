# SPDX-License-Identifier: Apache-2.0
"""Log records to one line of OTLP/JSON, as the OTLP file exporter specification has it.

A naive encoder costs 40 µs a record; this one about 3, because what repeats from record to record (resource,
scope, the attributes of one kind of call) is encoded once and kept. The upstream protobuf encoder is its oracle in
the tests.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.attributes import BoundedAttributes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_K = TypeVar("_K")
_V = TypeVar("_V")

_MOST_KEPT: Final = 256
"""Fragments kept of each kind; an application with more different ones starts over."""
_UID: Final = "log.record.uid"
"""The attribute that no two records share."""
_BEGINNING: Final = '{"resourceLogs":['
_SEPARATOR: Final = "]}]},"
_END: Final = "]}\n"
_MIN_INT64: Final = -(2**63)
_MAX_INT64: Final = 2**63 - 1


class UnencodableError(ValueError):
    """The value has no OTLP form."""


class Encoder:
    """Encodes batches, keeping the fragments that repeat. For one thread at a time."""

    def __init__(self) -> None:
        self._repeated: dict[tuple[Any, ...], tuple[str, str]] = {}
        """What records share that differ in nothing but time, id and trace: attributes, and the other members."""
        # By identity, as hashing a `Resource` costs more than encoding it; the object is kept, so its id
        # stays its own.
        self._resources: dict[int, tuple[Resource, str]] = {}
        self._scopes: dict[int, tuple[InstrumentationScope | None, str]] = {}

    def record(self, record: ReadableLogRecord) -> str:
        """Return one record as a JSON object.

        Raises:
            UnencodableError: its body has no OTLP form. An attribute that has none is left out and counted in
                `droppedAttributesCount`.
        """
        log = record.log_record
        members = (
            log.event_name,
            log.body,
            log.severity_number,
            log.severity_text,
            record.dropped_attributes,
        )
        attributes = plain(log.attributes)
        uid = attributes.pop(_UID, None)
        values = tuple(attributes.values())
        # With the types, as 1 is equal to True.
        key = (*attributes, values, *map(type, values), type(log.body), *members)
        try:
            repeated = self._repeated.get(key)
        except TypeError:  # a value that cannot be hashed
            repeated = None
        if repeated is None:
            repeated = _repeated(record, attributes)
            if _is_kept(log.body) and all(map(_is_kept, values)):
                _keep(self._repeated, key, repeated)
        pairs, others = repeated
        if uid is not None:
            pairs = f'{{"key":"{_UID}","value":{_value(uid)}}}{"," if pairs else ""}{pairs}'
        if log.trace_id or log.span_id or log.trace_flags:
            others += _trace(log)
        return (
            f'{{"timeUnixNano":"{log.timestamp or 0}","observedTimeUnixNano":"{log.observed_timestamp or 0}",'
            f'"attributes":[{pairs}]{others}}}'
        )

    def line(self, records: Iterable[tuple[ReadableLogRecord, str]]) -> bytes:
        """Return records, each with what `record` made of it, as one line with its newline."""
        parts: list[str] = []
        previous: ReadableLogRecord | None = None
        for record, encoded in records:
            if (
                previous is not None
                and record.resource is previous.resource
                and record.instrumentation_scope is previous.instrumentation_scope
            ):
                parts.append(",")
            else:
                head = f'{{{self._resource(record.resource)}"scopeLogs":[{{{self._scope(record.instrumentation_scope)}'
                parts += (_SEPARATOR if previous else _BEGINNING, head, '"logRecords":[')
            parts.append(encoded)
            previous = record
        return "".join([*parts, "]}]}", _END]).encode()

    def _resource(self, resource: Resource) -> str:
        """Return the members of a `ResourceLogs` that stand before its `scopeLogs`, each with its comma."""
        kept = self._resources.get(id(resource))
        if kept is None:
            pairs, _ = _pairs(plain(resource.attributes))
            text = f'"resource":{{"attributes":[{pairs}]}},{_schema_url(resource.schema_url)}'
            kept = _keep(self._resources, id(resource), (resource, text))
        return kept[1]

    def _scope(self, scope: InstrumentationScope | None) -> str:
        """Return the members of a `ScopeLogs` that stand before its `logRecords`, each with its comma."""
        if scope is None:
            return ""
        kept = self._scopes.get(id(scope))
        if kept is None:
            pairs, _ = _pairs(plain(scope.attributes))
            members = f'"name":{_string(scope.name)},"version":{_string(scope.version or "")},"attributes":[{pairs}]'
            text = f'"scope":{{{members}}},{_schema_url(scope.schema_url)}'
            kept = _keep(self._scopes, id(scope), (scope, text))
        return kept[1]


def plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy: the SDK's own iterator takes a lock for each step."""
    if type(attributes) is dict:
        return attributes.copy()
    return dict(attributes.copy() if isinstance(attributes, BoundedAttributes) else attributes or ())


def joined(lines: Sequence[bytes]) -> bytes:
    """Return one line with the records of several, each of which `Encoder.line` has written."""
    if len(lines) == 1:
        return lines[0]
    groups = (line[len(_BEGINNING) : -len(_END)] for line in lines)
    return b"%s%s%s" % (_BEGINNING.encode(), b",".join(groups), _END.encode())


def _keep(fragments: dict[_K, _V], key: _K, value: _V) -> _V:
    if len(fragments) >= _MOST_KEPT:
        fragments.clear()
    fragments[key] = value
    return value


def _is_kept(value: Any) -> bool:
    """Return whether a fragment with this value may be kept: no value that is written otherwise is equal to it."""
    kind = type(value)
    if kind is tuple:
        return all(type(item) is str for item in value)
    return kind is str or kind is bool or kind is int or value is None or (kind is float and value != 0)


def _repeated(record: ReadableLogRecord, attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return the attributes of a record, and the members that follow them, each after a comma."""
    log = record.log_record
    pairs, left_out = _pairs(attributes)
    others = ""
    if log.severity_number is not None:
        others += f',"severityNumber":{log.severity_number.value:d}'
    if log.severity_text:
        others += f',"severityText":{_string(log.severity_text)}'
    if log.body is not None:
        others += f',"body":{_value(log.body)}'
    if dropped := record.dropped_attributes + left_out:
        others += f',"droppedAttributesCount":{dropped:d}'
    if log.event_name:
        others += f',"eventName":{_string(log.event_name)}'
    return pairs, others


def _trace(log: LogRecord) -> str:
    """Return the members that say of which trace a record is part, each after a comma."""
    members = f',"flags":{int(log.trace_flags or 0):d}'
    if log.trace_id:
        members += f',"traceId":"{log.trace_id:032x}"'
    if log.span_id:
        members += f',"spanId":"{log.span_id:016x}"'
    return members


def _pairs(attributes: Mapping[str, Any]) -> tuple[str, int]:
    """Return the elements of an `attributes` array, and how many attributes had no OTLP form."""
    pairs = []
    for key, value in attributes.items():
        with suppress(UnencodableError):
            pairs.append(f'{{"key":{_string(key)},"value":{_value(value)}}}')
    return ",".join(pairs), len(attributes) - len(pairs)


def _schema_url(url: str | None) -> str:
    return f'"schemaUrl":{_string(url)},' if url else ""


def _string(text: str) -> str:
    if not text.isascii():
        # A lone surrogate is no Unicode: no receiver takes it, and no later encoder either.
        text = text.encode("utf-8", "replace").decode()
    return encode_basestring_ascii(text)


def _value(value: Any) -> str:  # noqa: PLR0911  # one return for each of OTLP's kinds of value
    """Return an `AnyValue`. The commonest kinds come first; a bool is an int, so before it."""
    if isinstance(value, str):
        return f'{{"stringValue":{_string(value)}}}'
    if isinstance(value, bool):
        return '{"boolValue":true}' if value else '{"boolValue":false}'
    if isinstance(value, int):
        if not _MIN_INT64 <= value <= _MAX_INT64:
            raise UnencodableError("an integer of more than 64 bits")
        return f'{{"intValue":"{value:d}"}}'
    if isinstance(value, float):
        return f'{{"doubleValue":{_double(value)}}}'
    if value is None:
        return "{}"
    if isinstance(value, bytes):
        return f'{{"bytesValue":"{base64.b64encode(value).decode()}"}}'
    if isinstance(value, (tuple, list, Sequence)):  # the first two without asking an abstract class
        return f'{{"arrayValue":{{"values":[{",".join(map(_value, value))}]}}}}'
    if isinstance(value, Mapping):
        items = (f'{{"key":{_string(str(key))},"value":{_value(item)}}}' for key, item in value.items())
        return f'{{"kvlistValue":{{"values":[{",".join(items)}]}}}}'
    raise UnencodableError(f"a value of type {type(value).__name__}")


def _double(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
