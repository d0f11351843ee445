"""OTLP/JSON: our encoder agrees with upstream's, and our decoder returns the same records."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import warnings
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from mem0_telemetry.delivery import _decode, _encode
from mem0_telemetry.delivery._decode import CorruptLineError, decode
from mem0_telemetry.delivery._encode import UnencodableError, encode, joined, line_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.one_of(
    st.none(),
    TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=10),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=5)
FLAT_ATTRIBUTES = st.dictionaries(
    TEXT.filter(bool), TEXT | st.booleans() | st.integers(-1000, 1000), max_size=3
)
RESOURCES = st.builds(Resource, FLAT_ATTRIBUTES, TEXT)
SCOPES = st.none() | st.builds(InstrumentationScope, TEXT, TEXT, TEXT, FLAT_ATTRIBUTES)


@st.composite
def log_records(draw: st.DrawFn) -> LogRecord:
    """Draw a log record in which each optional member may be absent."""
    record = LogRecord(
        timestamp=draw(st.integers(1, 2**63)),
        observed_timestamp=draw(st.integers(1, 2**63)),
        severity_text=draw(st.none() | TEXT.filter(bool)),
        severity_number=draw(st.none() | st.sampled_from(SeverityNumber)),
        body=draw(st.none() | VALUES),
        attributes=draw(ATTRIBUTES),
        event_name=draw(st.none() | TEXT.filter(bool)),
    )
    record.trace_id = draw(st.integers(0, 2**128 - 1))
    record.span_id = draw(st.integers(0, 2**64 - 1))
    record.trace_flags = TraceFlags(draw(st.integers(0, 255)))
    return record


@st.composite
def batches(draw: st.DrawFn) -> list[ReadableLogRecord]:
    """Draw records of a few resources and scopes, mixed."""
    resources = draw(st.lists(RESOURCES, min_size=1, max_size=3))
    scopes = draw(st.lists(SCOPES, min_size=1, max_size=3))
    return [
        ReadableLogRecord(
            draw(log_records()), draw(st.sampled_from(resources)), draw(st.sampled_from(scopes))
        )
        for _ in range(draw(st.integers(1, 5)))
    ]


def encoded(records: list[ReadableLogRecord]) -> bytes:
    """Return the records as one line."""
    return line_of((record, encode(record)) for record in records)


def encoded_anew(record: ReadableLogRecord) -> str:
    """Return a record encoded with an empty cache."""
    _encode._cached_fragments.cache_clear()
    return encode(record)


def members(record: ReadableLogRecord) -> dict[str, Any]:
    """Return all members of a record that must survive encoding and decoding."""
    log = record.log_record
    return {
        "timestamp": log.timestamp,
        "observed": log.observed_timestamp,
        "severity": (log.severity_text, log.severity_number),
        "body": log.body,
        "attributes": dict(log.attributes or {}),
        "event_name": log.event_name,
        "ids": (log.trace_id, log.span_id, int(log.trace_flags or 0)),
        "resource": (dict(record.resource.attributes), record.resource.schema_url),
        "scope": scope_members(record.instrumentation_scope),
    }


def scope_members(scope: InstrumentationScope | None) -> Any:
    """Return the members of a scope, with absent members as empty ones."""
    return scope and (scope.name, scope.version or "", scope.schema_url or "", dict(scope.attributes or {}))


def canonical(request: ExportLogsServiceRequest) -> list[Any]:
    """Return the message's groups sorted, because their order has no meaning."""
    for record in (log for one in request.resource_logs for two in one.scope_logs for log in two.log_records):
        if record.body.WhichOneof("value") is None:  # upstream writes an absent body as an empty one
            record.ClearField("body")
    groups = []
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            groups += [
                (
                    json_format.MessageToJson(resource_logs.resource),
                    resource_logs.schema_url,
                    json_format.MessageToJson(scope_logs.scope),
                    scope_logs.schema_url,
                    json_format.MessageToJson(record),
                )
                for record in scope_logs.log_records
            ]
    return sorted(groups)


def from_otlp_json(line: bytes) -> ExportLogsServiceRequest:
    """Parse OTLP/JSON with protobuf's JSON parser. Only ids differ: hexadecimal in OTLP/JSON, base64 in protobuf's."""
    document = json.loads(line)
    for resource_logs in document["resourceLogs"]:
        for scope_logs in resource_logs["scopeLogs"]:
            for record in scope_logs["logRecords"]:
                for key in ("traceId", "spanId"):
                    if key in record:
                        record[key] = base64.b64encode(bytes.fromhex(record[key])).decode()
    return json_format.ParseDict(document, ExportLogsServiceRequest())


@settings(deadline=None)
@given(batches())
def test_our_encoder_agrees_with_upstream(records: list[ReadableLogRecord]) -> None:
    """Protobuf parses our line to the message that upstream's encoder makes of the same records."""
    ours = canonical(from_otlp_json(encoded(records)))
    upstream = canonical(encode_logs(records))
    assert ours == upstream


@settings(deadline=None)
@given(batches())
def test_decoding_returns_the_same_records(records: list[ReadableLogRecord]) -> None:
    """Decoding an encoded batch returns the same records."""
    read = decode(encoded(records))
    key = lambda facts: repr(sorted(facts.items()))  # noqa: E731
    assert sorted(map(members, read), key=key) == sorted(map(members, records), key=key)


@settings(max_examples=30, deadline=None)
@given(batches())
def test_a_batch_is_one_ascii_line(records: list[ReadableLogRecord]) -> None:
    """A batch is one line of ASCII with one newline, whatever its content."""
    line = encoded(records)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")


@settings(max_examples=20, deadline=None)
@given(st.lists(batches(), min_size=2, max_size=3))
def test_the_cache_does_not_change_the_encoding(several: list[list[ReadableLogRecord]]) -> None:
    """Records encode the same with an empty and a filled cache."""
    records = [record for records in several for record in records]
    anew = list(map(encoded_anew, records))
    _encode._cached_fragments.cache_clear()
    for _ in range(2):
        assert list(map(encode, records)) == anew


def record_with(**kwargs: Any) -> ReadableLogRecord:
    """Return a record with fixed times, an empty resource and these members."""
    return ReadableLogRecord(LogRecord(timestamp=1, observed_timestamp=2, **kwargs), Resource({}))


def test_special_numbers_survive() -> None:
    """NaN and the infinities, which JSON numbers cannot represent, are encoded as strings and decoded again."""
    line = encoded([record_with(attributes={"a": math.nan, "b": math.inf, "c": -math.inf})])
    attributes = decode(line)[0].log_record.attributes
    assert attributes is not None
    assert math.isnan(attributes["a"])  # type: ignore[arg-type]
    assert (attributes["b"], attributes["c"]) == (math.inf, -math.inf)
    assert canonical(from_otlp_json(line))


def test_an_unencodable_attribute_is_left_out_and_counted() -> None:
    """An attribute without an OTLP representation (an integer over 64 bits, an object) is left out and counted."""
    line = encoded([record_with(attributes={"big": 2**63, "object": object(), "good": 1})])
    [record] = decode(line)
    assert dict(record.log_record.attributes or {}) == {"good": 1}
    assert record.dropped_attributes == 2


def test_an_unencodable_uid_is_left_out_and_counted() -> None:
    """A `log.record.uid` without an OTLP representation is left out and counted, as any other attribute is."""
    [record] = decode(encoded([record_with(attributes={"log.record.uid": 2**64, "good": 1})]))
    assert dict(record.log_record.attributes or {}) == {"good": 1}
    assert record.dropped_attributes == 1


def test_an_unencodable_body_raises() -> None:
    """A record whose body has no OTLP representation raises `UnencodableError`."""
    with pytest.raises(UnencodableError):
        encode(record_with(body=object()))


def test_lone_surrogates_are_replaced() -> None:
    """A lone surrogate is replaced by "?": receivers would refuse the whole batch because of it."""
    [record] = decode(encoded([record_with(body="a\ud800b")]))
    assert record.log_record.body == "a?b"


def test_the_cache_is_bounded() -> None:
    """The cache of fragments stays bounded, even if every record has a new key."""
    for number in range(5000):
        encode(record_with(attributes={f"key.{number}": 1}))
    assert _encode._cached_fragments.cache_info().currsize <= 256


@pytest.mark.parametrize(
    "values", [[1, True, 1.0], [0.0, -0.0, 0, False], [(1,), (True,), (1.0,)], [("1",), ["1"]], ["1", b"1"]]
)
@pytest.mark.parametrize("member", ["attributes", "body"])
def test_the_cache_distinguishes_equal_values_of_different_types(values: list[Any], member: str) -> None:
    """A cached fragment is not used for a value that is equal but encoded differently, such as 1 and True."""
    records = [
        record_with(**{member: {"key": value} if member == "attributes" else value}) for value in values
    ]
    anew = list(map(encoded_anew, records))
    _encode._cached_fragments.cache_clear()
    for _ in range(2):
        assert list(map(encode, records)) == anew


@settings(max_examples=20, deadline=None)
@given(st.lists(batches(), min_size=1, max_size=3))
def test_lines_are_joined(several: list[list[ReadableLogRecord]]) -> None:
    """`joined` returns one line with the records of several lines."""
    line = joined([encoded(records) for records in several])
    assert list(map(members, decode(line))) == [
        members(record) for records in several for record in decode(encoded(records))
    ]


GOOD = encoded([record_with(body="x", attributes={"a": 1}, severity_number=SeverityNumber.INFO)])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\x00\xff\xfe binary \n",
        GOOD[:-1],
        GOOD[: len(GOOD) // 2] + b"\n",
        b"[" * 100_000 + b"\n",
        b'{"resourceLogs":5}\n',
        b'{"resourceLogs":[5]}\n',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":["x"]}]}]}\n',
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"soon"'),
        GOOD.replace(b'{"intValue":"1"}', b'{"intValue":{}}'),
        GOOD.replace(b'{"stringValue":"x"}', b'{"stringValue":5}'),
        GOOD.replace(b'"severityNumber":9', b'"severityNumber":99'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"-1"'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"18446744073709551616"'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":Infinity'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"' + b"1" * 5000 + b'"'),
        GOOD.replace(b'"observedTimeUnixNano":"2"', b'"observedTimeUnixNano":NaN'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"1","droppedAttributesCount":-1'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"1","traceId":"-1"'),
        GOOD.replace(b'"timeUnixNano":"1"', b'"timeUnixNano":"1","flags":4294967296'),
        GOOD.replace(b'{"intValue":"1"}', b'{"intValue":"9223372036854775808"}'),
        GOOD.replace(b'{"stringValue":"x"}', b'{"stringValue":"\xed\xa0\x80"}'),
        GOOD.replace(b'{"stringValue":"x"}', b'{"arrayValue":{"values":[' * 2000 + b"]}}" * 2000),
        GOOD.decode().encode("utf-16"),
    ],
)
def test_other_content_than_otlp_is_refused(line: bytes) -> None:
    """Truncated, binary and foreign content raises `CorruptLineError` and nothing else."""
    assert line != GOOD
    with pytest.raises(CorruptLineError):
        decode(line)


ODD_ATTRIBUTES = [
    '{"key":"","value":{"stringValue":"x"}}',
    '{"key":"mixed","value":{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"}]}}}',
    '{"key":"nested","value":{"kvlistValue":{"values":[{"key":"","value":{"intValue":"1"}}]}}}',
    '{"key":"nothing","value":{}}',
    '{"key":"bytes","value":{"bytesValue":"/w=="}}',
]
PLACES = [
    '{"resourceLogs":[{"resource":{"attributes":[%s]},"scopeLogs":[{"logRecords":[{}]}]}]}\n',
    '{"resourceLogs":[{"scopeLogs":[{"scope":{"attributes":[%s]},"logRecords":[{}]}]}]}\n',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"droppedAttributesCount":1,"attributes":[%s]}]}]}]}\n',
]


@pytest.mark.parametrize("place", PLACES, ids=["resource", "scope", "record"])
def test_attributes_invalid_for_opentelemetry_are_skipped_silently(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An attribute for which OpenTelemetry's classes would log a warning is left out silently; the others stay."""
    good = '{"key":"good","value":{"intValue":"1"}}'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [record] = decode((place % ",".join([*ODD_ATTRIBUTES, good])).encode())
    scope = record.instrumentation_scope
    kept = [record.resource.attributes, scope.attributes if scope else None, record.log_record.attributes]
    assert [dict(attributes) for attributes in kept if attributes] == [{"good": 1}]
    assert record.dropped_attributes in {0, 1 + len(ODD_ATTRIBUTES)}
    assert caplog.records == []


def test_escaped_lone_surrogates_are_replaced() -> None:
    """The decoder replaces an escaped lone surrogate, which JSON allows and receivers refuse."""
    line = GOOD.replace(b'{"stringValue":"x"}', b'{"stringValue":"a\\ud800b\\u00e9"}')
    assert decode(line)[0].log_record.body == "a?b\u00e9"


@pytest.mark.parametrize("most", [0, 1, 2, None])
def test_records_are_counted_before_they_are_built(most: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line with more records than `most` is refused before any record is built."""
    records = '{"scopeLogs":[{"logRecords":[{}]}]},{"scopeLogs":[{},{"logRecords":[{}]}]}'
    line = f'{{"resourceLogs":[{records}]}}\n'.encode()
    if most is None or most >= 2:
        assert len(decode(line, most=most)) == 2
        return
    monkeypatch.setattr(_decode, "_records", pytest.fail)
    with pytest.raises(CorruptLineError):
        decode(line, most=most)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_content_is_decoded_or_refused(content: bytes) -> None:
    """Decoding any content returns records or raises `CorruptLineError`."""
    for line in (content, content + b"\n", GOOD[: len(content)] + content + b"\n"):
        with contextlib.suppress(CorruptLineError):
            decode(line)


def test_unknown_members_are_ignored() -> None:
    """The decoder ignores members that it does not know, which a later version of OTLP may add."""
    line = GOOD.replace(b'{"timeUnixNano"', b'{"newMember":{"x":[1]},"timeUnixNano"')
    assert line != GOOD
    assert decode(line)[0].log_record.body == "x"
