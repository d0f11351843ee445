"""Arbitrary records and spans: nothing raises, each record is counted, the checker accepts the body."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from opentelemetry.exporter.posthog._members import MemberEncoder, joined
from opentelemetry.exporter.posthog.mapping import Mapped, MappingOptions, body, log_events, span_events
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _quiet_sdk() -> Iterator[None]:
    """Silence the SDK's warnings: they quote lone surrogates, which pytest-xdist cannot send."""
    logger = logging.getLogger("opentelemetry.attributes")
    logger.disabled = True
    yield
    logger.disabled = False


_any_text = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates and NUL included
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | _any_text
    | st.binary(max_size=20)
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(_any_text, inner, max_size=3)
    ),
    max_leaves=12,
)
_special_keys = st.sampled_from(
    [
        *(
            "posthog.distinct_id",
            "user.id",
            "app.installation.id",
            "log.record.uid",
            "$set",
            "$ip",
            "$lib",
            "body",
        ),
        *("capture_internal", "error.type", "span.kind", "distinct_id", "uuid", "", " "),
        *("session.id", "posthog.group.company", "posthog.set.plan", "posthog.set_once.", "http.route"),
        *("exception.type", "exception.message", "exception.stacktrace", "url.full", "http.target"),
    ]
)
_keys = _any_text | _special_keys | st.text(min_size=190, max_size=300)
_keys_of_any_type = _keys | st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=4)
_attributes = st.none() | st.dictionaries(_keys_of_any_type, _values, max_size=6)
_plain_attributes = st.dictionaries(_keys, _values, max_size=4)
_times = st.none() | st.integers(-(10**20), 10**31) | st.just(0)
_EXCEPTION = ("exception.type", "exception.message", "exception.stacktrace")
_tracebacks = st.lists(
    st.sampled_from(
        [
            *(
                "Traceback (most recent call last):",
                '  File "a.py", line 1, in f',
                "    f()",
                "    ^^^",
                "",
                "|",
            ),
            *("  [Previous line repeated 9999 more times]", "ValueError: a", "    raise", "a.B", "KeyError"),
            *(
                "  + Exception Group Traceback (most recent call last):",
                "  +-+---------------- 1 ----------------",
            ),
            *(
                "    | ValueError: b",
                "    +------------------------------------",
                "The above exception was the",
            ),
            "The above exception was the direct cause of the following exception:",
            "During handling of the above exception, another exception occurred:",
        ]
    ),
    max_size=12,
).map("\n".join)


def _add_unclean_properties(event: dict[str, Any]) -> dict[str, Any]:
    event["properties"] |= {"$set": {"a": 1}, "nan": math.nan, "\ud800": b"", "": 1}
    return event


_names = st.none() | _any_text | st.text(max_size=300) | st.sampled_from(["$identify", "a.b", " ", "\0"])
_ids = st.integers(0, 2**64 - 1)
_scopes = st.none() | st.builds(
    InstrumentationScope, _any_text, st.none() | _any_text, attributes=st.none() | _plain_attributes
)
_options = st.builds(
    MappingOptions,
    event_names=st.dictionaries(st.text(max_size=3), st.text(max_size=250), max_size=2),
    property_names=st.dictionaries(
        st.sampled_from(["user.id", "a", "$ip", "log.record.uid", "body", "session.id", "posthog.set.plan"]),
        st.sampled_from(
            [
                *("", "renamed", "user.id", "$ip", "$current_url", "x" * 300, "$set", "$set_once", "$groups"),
                *("$process_person_profile", "$geoip_disable", "$session_id", "$exception_list"),
            ]
        ),
        max_size=3,
    ),
    baggage_keys=st.lists(_any_text, max_size=1),
    group_attributes=st.dictionaries(_any_text, st.sampled_from(["user.id", "a"]), max_size=2),
    events=st.lists(st.sampled_from(["*", "a*", "[", "order.*"]), max_size=2),
    before_send=st.none()
    | st.sampled_from([lambda event: event, lambda _: None, lambda _: {}, _add_unclean_properties]),
    **dict.fromkeys(
        ("person_profiles", "geoip", "ip", "trace_context", "conventions", "exceptions", "redact"),
        st.booleans(),
    ),
)


def _log(fields: dict[str, Any], attributes: Any, resource: Any, scope: Any) -> ReadableLogRecord:
    record = LogRecord()
    record.attributes = attributes
    for name, value in fields.items():
        setattr(record, name, value)
    return ReadableLogRecord(record, Resource(resource), scope)


_logs = st.builds(
    _log,
    st.fixed_dictionaries(
        {
            "event_name": _names,
            "timestamp": _times,
            "observed_timestamp": _times,
            "body": _values,
            "trace_id": st.none() | _ids,
            "span_id": st.none() | _ids,
        }
    ),
    _attributes,
    _plain_attributes,
    _scopes,
)
_exception_attributes = st.dictionaries(st.sampled_from(_EXCEPTION), _values | _tracebacks, max_size=3)
_spans = st.builds(
    ReadableSpan,
    name=_names.filter(lambda name: name is not None),
    context=st.none() | st.builds(SpanContext, _ids, _ids, st.booleans(), st.just(TraceFlags(1))),
    parent=st.none() | st.builds(SpanContext, _ids, _ids, st.booleans(), st.just(TraceFlags(1))),
    resource=st.builds(Resource, _plain_attributes),
    attributes=_attributes,
    events=st.lists(st.builds(Event, _any_text | st.just("exception"), _exception_attributes), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.builds(Status, st.sampled_from(StatusCode)),
    start_time=_times,
    end_time=_times,
    instrumentation_scope=_scopes,
)
_without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _check(mapped: Mapped, records: list[Any]) -> None:
    assert len(mapped.events) + sum(mapped.dropped.values()) >= len(records)  # exceptions add events
    assert sum(mapped.dropped.values()) <= len(records)
    if mapped.events:
        assert check_batch(body(mapped.events, api_key="phc_test", sent_at="2026-01-01T00:00:00Z")) == []


@_without_deadline
@given(st.lists(_logs, max_size=4), _options)
def test_any_log_records_become_a_valid_batch(
    records: list[ReadableLogRecord], options: MappingOptions
) -> None:
    """Any log records become a batch that PostHog accepts; mapping is repeatable and counts each record."""
    mapped = log_events(records, options)
    _check(mapped, records)
    assert "unmappable" not in mapped.dropped
    assert log_events(records, options) == mapped


@_without_deadline
@given(st.lists(_spans, max_size=4), _options)
def test_any_spans_become_a_valid_batch(spans: list[ReadableSpan], options: MappingOptions) -> None:
    """Any spans become a batch that PostHog accepts; mapping is repeatable and counts each span."""
    mapped = span_events(spans, options)
    _check(mapped, spans)
    assert "unmappable" not in mapped.dropped
    assert span_events(spans, options) == mapped


@_without_deadline
@given(st.dictionaries(st.text(min_size=1, max_size=9), _values, max_size=8))
def test_any_attributes_from_the_sdk_become_a_valid_batch(attributes: dict[str, Any]) -> None:
    """Attributes that pass through the SDK also become a batch that PostHog accepts."""
    memory = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    provider.get_logger("test").emit(event_name="order.placed", attributes=attributes)
    _check(log_events(memory.get_finished_logs()), [None])


@_without_deadline
@given(
    st.lists(st.dictionaries(_keys_of_any_type, _values, max_size=5), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["a", "user.id"]), st.sampled_from(["", "b", "a"])),
)
def test_the_caches_do_not_change_the_json(records: list[dict[Any, Any]], names: dict[str, str]) -> None:
    """Encoding with the caches of earlier records gives the same JSON as encoding without them."""
    encoder_options = MappingOptions(property_names=names)
    encoder = MemberEncoder(encoder_options)
    for attributes in [*records, *records]:
        each = MemberEncoder(encoder_options).encode_each(attributes)
        assert encoder.encode(attributes) == joined(each, encoder.special_keys(attributes))


_plain_keys = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=9)
_json_values = st.sampled_from([False, 0, "", True, 1, 0.0, "x", [], ["a"]]) | st.floats(
    allow_nan=False, allow_infinity=False
)


@_without_deadline
@given(st.dictionaries(_plain_keys, _json_values | st.integers(-(2**63), 2**64 - 1), max_size=9))
def test_json_values_arrive_unchanged(attributes: dict[str, Any]) -> None:
    """Values that JSON can express arrive unchanged, including `False`, `0`, `""` and empty lists."""
    record = _log({"event_name": "order.placed", "timestamp": 1}, attributes, {}, None)
    properties = json.loads(log_events([record]).events[0])["properties"]
    sent = {name: value for name, value in properties.items() if not name.startswith("$")}
    assert sent == attributes
    assert [type(value) for value in sent.values()] == [type(value) for value in attributes.values()]
