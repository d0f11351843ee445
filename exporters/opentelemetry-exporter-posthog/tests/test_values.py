"""Values and keys: those that PostHog accepts arrive, others are replaced, and the event is kept."""

from __future__ import annotations

import enum
import json
import math
import time
from collections import UserDict
from datetime import datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]


def event_of(record: ReadableLogRecord, **options: Any) -> dict[str, Any]:
    """Map one record, check its batch, and return its event."""
    mapped = log_events([record], MappingOptions(**options))
    assert mapped.dropped == {}
    assert check_batch(body(mapped.events, api_key="phc_test", sent_at="2026-01-01T00:00:00Z")) == []
    event: dict[str, Any] = json.loads(mapped.events[0])
    return event


def properties_of(record: ReadableLogRecord, **options: Any) -> dict[str, Any]:
    """Return the properties of the record's event, without the exporter's own."""
    properties = event_of(record, **options)["properties"]
    return {name: value for name, value in properties.items() if not name.startswith("$")}


class _Color(enum.IntEnum):
    RED = 1


class _Size(str, enum.Enum):  # not `StrEnum`: its text already is its value
    LARGE = "large"


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _ids(value: object) -> str:
    return type(value).__name__ if isinstance(value, int) else ascii(value)[:40]


_CYCLE: dict[str, Any] = {"name": "tree"}
_CYCLE["children"] = [{"parent": _CYCLE}, {"parent": _CYCLE}, {"parent": None}]


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        1,
        -(2**63),
        2**64 - 1,
        0.0,
        0.1,
        1e300,
        -1.5,
        "",
        "text",
        'quotes " and \\ and / and \n',
        "ümläut 漢字 😀 \u2028",
        None,
        [],
        ["a", "b"],
        [1, 2],
        [-(2**63), 2**64 - 1],
        [True, False],
        [0.5],
        {},
        {"a": {"b": [1, {"c": None}]}},
    ],
    ids=_ids,
)
def test_values_of_json_arrive_unchanged(make_log: MakeLog, value: object) -> None:
    """Each value that JSON can express arrives with its type, including false and empty ones."""
    sent = properties_of(make_log({"value": value}))["value"]
    assert sent == value
    assert type(sent) is type(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ([1.0, math.nan], [1.0, None]),
        ({"deep": [math.inf]}, {"deep": [None]}),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        (["\0"], ["\ufffd"]),
        ({"\0": "\udfff"}, {"\ufffd": "\ufffd"}),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        pytest.param(memoryview(b"a"), "YQ==", id="memoryview"),  # its repr contains an address
        ([b"a"], ["YQ=="]),
        (("a", "b"), ["a", "b"]),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**5000, hex(10**5000)),
        (_Color.RED, 1),
        (_Size.LARGE, "large"),
        ([_Size.LARGE], ["large"]),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), "2026-01-01 00:00:00+00:00"),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({2: "a", None: "b", True: "c"}, {"2": "a", "None": "b", "True": "c"}),
        (_Broken(), None),
        ({"ok": 1, "broken": _Broken()}, {"ok": 1, "broken": None}),
    ],
    ids=_ids,
)
def test_values_that_posthog_cannot_take_are_replaced(
    make_log: MakeLog, value: object, expected: object
) -> None:
    """A value for which PostHog would reject the whole batch is replaced, and the event arrives."""
    assert properties_of(make_log({"value": value, "other": 1})) == {"value": expected, "other": 1}


def test_a_cycle_becomes_null(make_log: MakeLog) -> None:
    """Where a structure contains itself, like a tree with parent links, null is sent, in bounded time."""
    cut = {"name": "tree", "children": [{"parent": None}] * 3}
    twice = {"a": ["shared"], "b": ["shared"]}
    twice["b"] = twice["a"]
    began = time.process_time()
    records = [make_log({"value": _CYCLE, "twice": twice}, body=_CYCLE) for _ in range(200)]
    for event in log_events(records).events:
        sent = json.loads(event)["properties"]
        assert (sent["value"], sent["body"], sent["twice"]) == (cut, cut, twice)
    assert time.process_time() - began < 5


def test_a_structure_that_shares_its_parts_becomes_an_event(make_log: MakeLog) -> None:
    """A structure that doubles with each level, small in memory but huge as JSON, becomes an event."""
    value: list[Any] = ["x"]
    for _ in range(30):
        value = [value, value]
    assert "value" in properties_of(make_log({"value": value}))


def test_a_body_becomes_a_property(make_log: MakeLog) -> None:
    """A body, nested or not, becomes the property `body`, unless it repeats the name of the event."""
    nested = {"lines": [{"sku": "a", "price": math.nan, "raw": b"\xff"}]}
    assert properties_of(make_log(body=nested)) == {
        "body": {"lines": [{"sku": "a", "price": None, "raw": "/w=="}]}
    }
    for repeated in ("order.placed", "", None):
        assert properties_of(make_log(body=repeated)) == {}
    assert properties_of(make_log({"body": "the attribute"}, body="the body")) == {"body": "the attribute"}


def test_equal_values_of_different_types_stay_apart(make_log: MakeLog) -> None:
    """Equal values of one key (1, 1.0 and True; 0.0 and -0.0) arrive unchanged, in any order."""
    values = (True, 1, 1.0, 1, True, 0.0, -0.0, 0.0, [1], [True], ["a"])
    records = [make_log({"value": tuple(one) if isinstance(one, list) else one}) for one in values]
    sent = [json.loads(event)["properties"]["value"] for event in log_events(records).events]
    assert [repr(value) for value in sent] == [repr(value) for value in values]


def test_an_id_is_not_a_property_of_an_event_that_is_cut(make_log: MakeLog) -> None:
    """An attribute that became the `distinct_id` is not a property, even if values are cut."""
    record = make_log({"big": "x" * 2_000_000}, resource={"user.id": "u1"})
    event = event_of(record)
    assert event["distinct_id"] == "u1"
    assert "user.id" not in event["properties"]


def test_attributes_may_come_in_any_number_of_shapes(make_log: MakeLog) -> None:
    """Hundreds of different sets of keys are encoded correctly, at their first record and at later ones."""
    records = [make_log({f"key-{number}": number, "n": number}) for number in range(700)]
    sent = [json.loads(event)["properties"] for event in log_events([*records, *records]).events]
    assert [properties["n"] for properties in sent] == [*range(700), *range(700)]
    assert all(properties[f"key-{properties['n']}"] == properties["n"] for properties in sent)


def test_many_values_under_one_key(make_log: MakeLog) -> None:
    """Thousands of values of one key, and thousands of keys, arrive like the first few."""
    records = [make_log({"id": f"id-{number}", f"key-{number}": number}) for number in range(6000)]
    mapped = log_events(records)
    for number in (0, 63, 64, 65, 5999):
        properties = json.loads(mapped.events[number])["properties"]
        assert properties["id"] == f"id-{number}"
        assert properties[f"key-{number}"] == number


def test_record_wins_over_scope_over_resource(make_log: MakeLog) -> None:
    """Attributes of resource, scope and record become properties; of equal keys, the record's wins."""
    record = make_log(
        {"both": "record", "mine": 1},
        resource={"both": "resource", "service.name": "shop", "scoped": "resource"},
        scope=InstrumentationScope("lib", "1.2", attributes={"scoped": "scope"}),
    )
    assert properties_of(record) == {
        "both": "record",
        "mine": 1,
        "service.name": "shop",
        "scoped": "scope",
        "otel.scope.name": "lib",
        "otel.scope.version": "1.2",
    }


def test_names_are_mapped(make_log: MakeLog) -> None:
    """A mapping renames events and properties, can leave attributes out, and alone permits `$` names."""
    record = make_log({"a": 1, "b": 2, "c": 3, "$set": {"x": 1}, "$lib": "theirs"})
    event = event_of(
        record,
        event_names={"order.placed": "Order Placed"},
        property_names={"a": "alpha", "b": "", "c": "$current_url"},
    )
    assert event["event"] == "Order Placed"
    assert event["properties"]["alpha"] == 1
    assert event["properties"]["$current_url"] == 3
    assert not {"a", "b", "c", "$set"} & set(event["properties"])
    assert event["properties"]["$lib"] == "opentelemetry-exporter-posthog"


def test_two_attributes_with_one_name(make_log: MakeLog) -> None:
    """If a mapping gives two attributes of a record one name, only the later attribute is sent."""
    assert properties_of(make_log({"a": 1, "b": 2}), property_names={"a": "b"}) == {"b": 2}


def test_privacy_defaults_and_their_switches(make_log: MakeLog) -> None:
    """By default PostHog keeps no person, place or address; settings or a mapped attribute change that."""
    default = event_of(make_log())["properties"]
    assert default["$process_person_profile"] is False
    assert default["$geoip_disable"] is True
    assert default["$ip"] == "0.0.0.0"  # noqa: S104  # the placeholder
    asked = event_of(make_log({"user.id": "u1"}), person_profiles=True, geoip=True, ip=True)["properties"]
    assert not {"$process_person_profile", "$geoip_disable", "$ip"} & set(asked)
    nobody = event_of(make_log(), person_profiles=True, geoip=True, ip=True)["properties"]
    assert nobody["$process_person_profile"] is False
    mapped = event_of(make_log({"client.address": "192.0.2.1"}), property_names={"client.address": "$ip"})
    assert mapped["properties"]["$ip"] == "192.0.2.1"
    assert mapped["properties"]["$geoip_disable"] is True


def test_names_that_are_left_out_unless_mapped(make_log: MakeLog) -> None:
    """The SDK's random `service.instance.id` and PostHog's `capture_internal` are left out, unless mapped."""
    record = make_log({"capture_internal": True, "": 1}, resource={"service.instance.id": "i-1"})
    assert properties_of(record) == {}
    kept = properties_of(record, property_names={"service.instance.id": "instance"})
    assert kept == {"instance": "i-1"}


def test_keys_of_other_types_become_text(make_log: MakeLog) -> None:
    """A key that is not a string is sent as text."""
    assert properties_of(make_log({1: "a", b"k": "b", None: "c", (1, 2): "d"})) == {
        "1": "a",
        "aw==": "b",
        "None": "c",
        "[1, 2]": "d",
    }


def test_over_long_names_are_cut(make_log: MakeLog) -> None:
    """Names of events and properties are cut to 200 bytes, without splitting a character."""
    event = event_of(make_log({"ü" * 150: 1}, event_name="漢" * 100))
    assert event["event"] == "漢" * 66
    assert event["properties"]["ü" * 100] == 1


def test_trace_context_of_a_log_record_is_sent_on_request(make_log: MakeLog) -> None:
    """The trace and span id of a log record are sent only with `trace_context`, and only if it has them."""
    record = make_log(trace_id=1, span_id=2)
    assert properties_of(record) == {}
    ids = {"trace_id": f"{1:032x}", "span_id": f"{2:016x}"}
    assert properties_of(record, trace_context=True) == ids
    assert properties_of(make_log(), trace_context=True) == {}


def test_any_mapping_may_hold_the_attributes(make_log: MakeLog) -> None:
    """Any mapping can hold a record's attributes, whether or not its copy is a dict."""
    for mapping in (MappingProxyType({"a": 1}), UserDict(a=1)):
        assert properties_of(make_log(mapping)) == {"a": 1}


def test_dropped_attributes_are_counted(make_log: MakeLog) -> None:
    """The event of a record whose attributes the SDK dropped has their count, as OTel asks of exporters."""
    from opentelemetry.attributes import BoundedAttributes

    record = make_log(BoundedAttributes(maxlen=1, attributes={"a": 1, "b": 2}, immutable=True))
    assert properties_of(record)["otel.dropped_attributes_count"] == 1
