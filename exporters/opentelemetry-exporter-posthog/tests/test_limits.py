"""Limits: the largest value that arrives whole, the smallest that is cut, events that cannot fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog.mapping import body, log_events
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]

_ROOM = 900 * 1024 - 4 * 1024 - len('"big":"",')
"""The longest text, in characters, that fits into an event."""
_ROOM_FOR_QUOTES = (990_000 - 4 * 1024 - len('"big":"",') - 4) // 4
"""The longest text of quotes that fits: the exporter escapes each quote once, and PostHog again."""


def properties_of(record: ReadableLogRecord) -> dict[str, Any]:
    """Return the properties of the record's event."""
    mapped = log_events([record])
    assert check_batch(body(mapped.events, api_key="phc_test", sent_at="2026-01-01T00:00:00Z")) == []
    (event,) = mapped.events
    properties: dict[str, Any] = json.loads(event)["properties"]
    return properties


@pytest.mark.parametrize(
    ("character", "room"),
    [("x", _ROOM), ('"', _ROOM_FOR_QUOTES), ("\\", _ROOM_FOR_QUOTES), ("é", _ROOM // 2)],
)
def test_a_text_is_cut_only_if_the_event_is_too_big(make_log: MakeLog, character: str, room: int) -> None:
    """A text that just fits arrives whole; one more character, and it is cut to 65 536 characters."""
    assert properties_of(make_log({"big": character * room}))["big"] == character * room
    assert properties_of(make_log({"big": character * (room + 1)}))["big"] == character * 65_536


@pytest.mark.parametrize(
    ("texts", "left"), [(1, 1_000_000), (13, 65_536), (14, 8_192), (100, 8_192), (700, 1_024), (900, 128)]
)
def test_values_are_cut_no_more_than_necessary(make_log: MakeLog, texts: int, left: int) -> None:
    """The more big values an event has, the shorter each is cut, in four steps."""
    size = 900_000 if texts == 1 else 1_000_000 // texts + 66_000
    sent = properties_of(make_log({f"big-{number}": "x" * size for number in range(texts)}))
    assert {len(value) for name, value in sent.items() if name.startswith("big-")} == {min(left, size)}


def test_a_list_that_is_too_big_is_cut(make_log: MakeLog) -> None:
    """A list that is too big is cut to 65 536 values, including nested ones."""
    sent = properties_of(make_log({"big": [["x" * 10] * 9] * 20_000, "small": [1, 2]}))
    assert sum(1 + len(inner) for inner in sent["big"]) == 65_536
    assert sent["small"] == [1, 2]


def test_a_list_keeps_100_000_values(make_log: MakeLog) -> None:
    """The first 100 000 values of a list arrive, however short they are; the others are left out."""
    assert properties_of(make_log({"value": [1] * 100_000}))["value"] == [1] * 100_000
    assert properties_of(make_log({"value": [1] * 100_001}))["value"] == [1] * 100_000


@pytest.mark.parametrize("kind", [list, dict])
def test_a_container_nested_too_deeply_is_null(make_log: MakeLog, kind: type) -> None:
    """Up to 32 containers may be nested; the next one is replaced by null."""
    value: Any = "deep"
    for _ in range(40):
        value = [value] if kind is list else {"a": value}
    sent = properties_of(make_log({"value": value}))["value"]
    depth = 0
    while sent is not None:
        depth += 1
        sent = sent[0] if kind is list else sent["a"]
    assert depth == 32


@pytest.mark.parametrize(
    ("name", "left"), [("x" * 200, 200), ("x" * 201, 200), ("ü" * 51, 51), ("漢" * 67, 66)]
)
def test_names_are_cut_to_200_bytes(make_log: MakeLog, name: str, left: int) -> None:
    """Event names, property names and ids are cut to 200 bytes of UTF-8, without splitting a character."""
    (text,) = log_events([make_log({name: 1, "user.id": name}, event_name=name)]).events
    event = json.loads(text)
    assert event["event"] == event["distinct_id"] == name[:left]
    assert event["properties"][name[:left]] == 1


@pytest.mark.parametrize(
    "value",
    [
        "x" * 2_000_000,
        '"' * 400_000,  # 0.8 MB of JSON, 1.6 MB as PostHog stores it
        "漢" * 400_000,
        ["x" * 1000] * 2000,
        list(range(500_000)),
        {"a": b"x" * 10**6},
    ],
    ids=["text", "escapes", "wide", "list of texts", "long list", "bytes"],
)
def test_an_event_that_is_too_big_is_cut_until_it_fits(make_log: MakeLog, value: object) -> None:
    """An event over PostHog's limit keeps its name and small attributes; its big values are cut."""
    properties = properties_of(make_log({"big": value, "small": "kept", "n": 1}))
    assert properties["small"] == "kept"
    assert properties["n"] == 1
    assert properties["big"]


def test_an_event_that_cannot_be_cut_is_dropped_and_counted(make_log: MakeLog) -> None:
    """A record with too many attributes to fit is dropped and counted; the other records arrive."""
    bad = make_log({f"key-{number:0190d}": "x" * 100 for number in range(5000)})
    mapped = log_events([make_log({"n": 1}), bad, make_log({"n": 2})])
    assert mapped.dropped == {"too_large": 1}
    assert [json.loads(event)["properties"]["n"] for event in mapped.events] == [1, 2]


@pytest.mark.parametrize(
    ("value", "sent"),
    [(["\ud800"], ["\ufffd"]), ([2**64], [str(2**64)]), ({"a": ["\ud800", 1]}, {"a": ["\ufffd", 1]})],
)
def test_values_within_a_container_are_replaced(make_log: MakeLog, value: object, sent: object) -> None:
    """What PostHog rejects is replaced within lists and maps, too."""
    (event,) = log_events([make_log({"a": value})]).events
    assert json.loads(event)["properties"]["a"] == sent
