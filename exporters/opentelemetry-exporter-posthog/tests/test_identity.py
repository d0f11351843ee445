"""A record is the same event at every attempt and in every process; different records differ."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanContext, TraceFlags

from opentelemetry.exporter.posthog import _build
from opentelemetry.exporter.posthog.mapping import MappingOptions, log_events, span_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    MakeLog = Callable[..., ReadableLogRecord]
    MakeSpan = Callable[..., ReadableSpan]

_ID = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"
_IDENTITY = ("event", "distinct_id", "uuid", "timestamp")


def events_of(*records: ReadableLogRecord, **options: Any) -> list[dict[str, Any]]:
    """Map log records and return their events."""
    return [json.loads(event) for event in log_events(records, MappingOptions(**options)).events]


def uuids_of(*records: ReadableLogRecord, **options: Any) -> list[str]:
    """Return the uuids of the records' events."""
    return [event["uuid"] for event in events_of(*records, **options)]


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (_ID, _ID),
        (_ID.upper(), _ID),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01563e3a-b5d3-d676-4c61-efb99302bd5b"),
        ("01arz3ndektsv4rrffq69g5fav", "01563e3a-b5d3-d676-4c61-efb99302bd5b"),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ],
)
def test_record_ids_become_uuids(make_log: MakeLog, uid: str, expected: str) -> None:
    """A `log.record.uid` that is a UUID is the event's uuid; a ULID is converted to its 128 bits."""
    assert uuids_of(make_log({"log.record.uid": uid})) == [expected]


@pytest.mark.parametrize(
    "uid", ["order-17", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "{" + _ID + "}", "\ud800", "ü", 17, True, ["a"], b"a"]
)
def test_other_record_ids_are_hashed(make_log: MakeLog, uid: object) -> None:
    """Any other `log.record.uid` is hashed to a UUIDv5, and stays a property because the hash hides it."""
    record = make_log({"log.record.uid": uid})
    first, second = events_of(record, make_log({"log.record.uid": uid, "other": 1}))
    assert uuid.UUID(first["uuid"]).version == 5
    assert first["uuid"] == second["uuid"]
    assert "log.record.uid" in first["properties"]


def test_different_record_ids_are_different_uuids(make_log: MakeLog) -> None:
    """Different record ids give different uuids, whatever their types; a number counts as its text."""
    uids: list[Any] = [17, 18, True, ["a"], ["b"], "order-17", 1.5]
    assert len({uuids_of(make_log({"log.record.uid": uid}))[0] for uid in uids}) == len(uids)
    assert uuids_of(make_log({"log.record.uid": 17})) == uuids_of(make_log({"log.record.uid": "17"}))


def test_hashed_record_ids_are_standard_uuids(make_log: MakeLog) -> None:
    """The hash is the standard UUIDv5 in a fixed namespace, so that anyone can compute it."""
    namespace = uuid.UUID("a1b6c1f0-8d52-5a5e-9c51-2f6f0f6f5d3b")
    assert uuids_of(make_log({"log.record.uid": "order-17"})) == [str(uuid.uuid5(namespace, "order-17"))]


@pytest.mark.parametrize("uid", [None, ""])
def test_an_empty_record_id_is_ignored(make_log: MakeLog, uid: object) -> None:
    """An empty `log.record.uid` is ignored: the uuid is derived from the content."""
    first, second = uuids_of(
        make_log({"log.record.uid": uid, "n": 1}), make_log({"log.record.uid": uid, "n": 2})
    )
    assert first != second


def test_the_record_id_is_not_sent_twice(make_log: MakeLog) -> None:
    """A `log.record.uid` that is the event's uuid is not also a property, unless it is mapped."""
    record = make_log({"log.record.uid": _ID})
    assert "log.record.uid" not in events_of(record)[0]["properties"]
    mapped = events_of(record, property_names={"log.record.uid": "record"})[0]
    assert mapped["properties"]["record"] == _ID


def test_equal_records_of_one_batch_stay_distinct(make_log: MakeLog) -> None:
    """Equal records of one batch are separate events, which have the same uuids at each attempt."""
    records = [make_log({"user.id": "u1", "n": 1}) for _ in range(3)]
    first = uuids_of(*records)
    assert len(set(first)) == 3
    assert uuids_of(*records) == first


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": 1_767_225_600_000_001_000},
        {"event_name": "order.paid"},
        {"body": "text"},
        {"attributes": {"user.id": "u1", "n": 2}},
        {"attributes": {"user.id": "u2", "n": 1}},
        {"trace_id": 1, "span_id": 1},
        {"resource": {"service.name": "other"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_records_that_differ_are_different_events(make_log: MakeLog, fields: dict[str, Any]) -> None:
    """Each part of a record affects its uuid, including the ids of its span, which are not sent."""
    attributes = {"user.id": "u1", "n": 1}
    plain = uuids_of(make_log(attributes))
    assert uuids_of(make_log(**{"attributes": attributes, **fields})) != plain


def test_identity_does_not_change_with_the_release(
    make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade between two attempts does not change the uuid."""
    before = uuids_of(make_log({"user.id": "u1"}))
    monkeypatch.setattr(_build, "__version__", "9.9.9")
    assert uuids_of(make_log({"user.id": "u1"})) == before


_IN_ANOTHER_PROCESS = """
import json
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.posthog.mapping import log_events
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
record = LogRecord(timestamp=1767225600123456789, event_name="order.placed")
record.attributes = {"user.id": "u1", "n": 1, "tags": ["a"]}
event = json.loads(log_events([ReadableLogRecord(record, Resource({"service.name": "shop"}))]).events[0])
print(json.dumps([event[name] for name in ("event", "distinct_id", "uuid", "timestamp")]))
"""


def test_identity_survives_a_restart() -> None:
    """Two processes give one record the same name, distinct_id, uuid and timestamp."""
    answers = {
        subprocess.run([sys.executable, "-c", _IN_ANOTHER_PROCESS], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())[3] == "2026-01-01T00:00:00.123456Z"


@pytest.mark.parametrize(
    ("timestamp", "observed", "expected"),
    [
        (1_767_225_600_123_456_789, 1, "2026-01-01T00:00:00.123456Z"),
        (None, 1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000Z"),
        (0, 1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000Z"),
        (-1, 1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000Z"),
        (10**30, 1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000Z"),
        ("now", 1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000Z"),
        (999, None, "1970-01-01T00:00:00.000000Z"),
        (253_402_300_799_999_999_999, None, "9999-12-31T23:59:59.999999Z"),
        (None, None, None),
        (0, 0, None),
    ],
)
def test_timestamps(make_log: MakeLog, timestamp: object, observed: object, expected: str | None) -> None:
    """An event has the record's timestamp, else the observed one, in microseconds; else PostHog sets one."""
    record = make_log(timestamp=timestamp, observed_timestamp=observed)
    assert events_of(record)[0].get("timestamp") == expected


def test_the_first_usable_distinct_id_counts(make_log: MakeLog) -> None:
    """`posthog.distinct_id`, `user.id`, `app.installation.id` are tried in this order, resource last."""
    everything = {"app.installation.id": "i", "user.id": "u", "posthog.distinct_id": "p"}
    assert events_of(make_log(everything))[0]["distinct_id"] == "p"
    event = events_of(make_log({"user.id": "u"}, resource={"app.installation.id": "i"}))[0]
    assert event["distinct_id"] == "u"
    assert event["properties"]["app.installation.id"] == "i"
    assert "user.id" not in event["properties"]
    event = events_of(make_log(resource={"app.installation.id": "i"}))[0]
    assert event["distinct_id"] == "i"
    assert "app.installation.id" not in event["properties"]


def test_other_attributes_can_give_the_distinct_id(make_log: MakeLog) -> None:
    """`distinct_id_attributes` replaces the default list; an attribute that is mapped is also a property."""
    record = make_log({"account": 42, "user.id": "u"})
    event = events_of(record, distinct_id_attributes=("account",), property_names={"account": "account"})[0]
    assert event["distinct_id"] == "42"
    assert event["properties"]["account"] == 42
    assert event["properties"]["user.id"] == "u"


_ILLEGAL: list[Any] = [
    *(
        "0",
        "00000000-0000-0000-0000-000000000000",
        "[object Object]",
        "anonymous",
        "Anonymous-User",
        "backend",
    ),
    *(
        "distinct_id",
        "distinctId",
        "email",
        "false",
        "guest",
        "id",
        "NaN",
        "None",
        "not_authenticated",
        "null",
    ),
    *("system", "true", "undefined", "user", "", "  ", " null ", "'guest'", '"anonymous"', "''"),
    *(0, True, False, 1.5, None, [], ["u1", "u2"], [7], {}, b"u1", 10**5000),
]


@pytest.mark.parametrize("illegal", _ILLEGAL, ids=lambda value: ascii(value) if value != 10**5000 else "huge")
def test_illegal_distinct_ids_are_passed_over(make_log: MakeLog, illegal: object) -> None:
    """An id that PostHog would reject, or a value that cannot be an id, is skipped for the next attribute."""
    record = make_log({"posthog.distinct_id": illegal, "user.id": "u1"})
    assert events_of(record)[0]["distinct_id"] == "u1"
    alone = events_of(make_log({"posthog.distinct_id": illegal}), fallback_distinct_id="made-up")
    assert alone[0]["distinct_id"] == "made-up"


@pytest.mark.parametrize(
    "legal", ["'alice'", "XguestX", "'", "'guest", "'null\"", "a", "1", "00", "users", -1]
)
def test_ids_that_resemble_illegal_ones_are_used(make_log: MakeLog, legal: object) -> None:
    """An id that has quotes, or an illegal id as a part, is used."""
    assert events_of(make_log({"user.id": legal}))[0]["distinct_id"] == str(legal)


def test_long_and_unclean_distinct_ids(make_log: MakeLog) -> None:
    """An id is cut to the 200 bytes that PostHog keeps, and cleaned like all text."""
    assert events_of(make_log({"user.id": "ü" * 300}))[0]["distinct_id"] == "ü" * 100
    assert events_of(make_log({"user.id": "a\0b\ud800"}))[0]["distinct_id"] == "a\ufffdb\ufffd"


class _Account(str, enum.Enum):
    FIRST = "first"


class _Number(enum.IntEnum):
    SEVEN = 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [(_Account.FIRST, "first"), (_Number.SEVEN, "7"), (7, "7"), (7.0, "7"), (["u1"], "u1")],
)
def test_ids_of_other_types(make_log: MakeLog, value: object, expected: str) -> None:
    """A number is used as text, and an enumeration by its value, on every Python version."""
    assert events_of(make_log({"user.id": value}))[0]["distinct_id"] == expected


def test_without_an_id_a_random_one_of_the_process_is_used(make_log: MakeLog) -> None:
    """Events without an id share a random `distinct_id`, which does not affect their uuids."""
    options = MappingOptions()
    events = [
        json.loads(event) for event in log_events([make_log({"n": 1}), make_log({"n": 2})], options).events
    ]
    assert len({event["distinct_id"] for event in events}) == 1
    assert uuid.UUID(events[0]["distinct_id"]).version == 4
    assert uuids_of(make_log({"n": 1})) == [events[0]["uuid"]]
    assert MappingOptions().fallback_distinct_id == options.fallback_distinct_id


def test_the_uuid_of_a_span_depends_on_its_ids_only(make_span: MakeSpan) -> None:
    """A span's uuid is derived from its trace and span id alone, and does not reveal them."""
    context = SpanContext(0xA1, 0xB2, is_remote=False, trace_flags=TraceFlags(1))
    first, second = (
        json.loads(span_events([make_span(attributes, context=context)]).events[0])
        for attributes in ({"user.id": "u1", "n": 1}, {"user.id": "u1", "n": 2})
    )
    assert first["uuid"] == second["uuid"]
    assert "a1" not in json.dumps(first["properties"])


def test_one_attribute_may_be_given_as_a_string(make_log: MakeLog) -> None:
    """A string names one attribute; it is not read as a list of letters."""
    record = make_log({"account": "a-17", "a": "wrong"})
    (event,) = events_of(record, distinct_id_attributes="account")
    assert event["distinct_id"] == "a-17"
