"""Batching: which records become events, and how the exporter divides the events into requests."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from opentelemetry.exporter.posthog._build import EventBuilder
from opentelemetry.exporter.posthog._mapper import Mapper
from opentelemetry.exporter.posthog._sources import log_source
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events
from opentelemetry.exporter.posthog.testing import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.exporter.posthog import PostHogLogExporter
    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]
    MakeExporter = Callable[..., PostHogLogExporter]

SUCCESS = LogRecordExportResult.SUCCESS


def test_a_batch_that_is_too_large_is_halved(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """After HTTP 413 the exporter halves the batch until the oversized event is alone; the others arrive."""
    exporter = make_exporter()
    # Event 5 of 0 to 7 is too large. Refused: [0-7], [4-7], [4-5] and [5]; accepted: [0-3], [4], [6-7].
    too_large = Answer(status=413)
    server.answer(too_large, Answer(), too_large, too_large, Answer(), too_large, Answer())
    assert exporter.export([make_log({"n": number}) for number in range(8)]) is SUCCESS
    sizes = [[event["properties"]["n"] for event in request.json()["batch"]] for request in server.requests]
    assert sizes == [list(range(8)), [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]
    assert exporter.stats.exported == 7
    assert exporter.stats.dropped == {"too_large": 1}


def test_records_keep_their_own_resource_and_scope(make_log: MakeLog) -> None:
    """In one batch, each event has the attributes of its own resource and scope, in any order."""
    resources = [Resource({"service.name": name}) for name in ("shop", "bank")]
    scopes = [InstrumentationScope(name) for name in ("orders", "money")]
    pairs = [(resource, scope) for resource in resources for scope in scopes]
    records = [
        ReadableLogRecord(make_log().log_record, resource, scope) for resource, scope in [*pairs, *pairs]
    ]
    sent = [json.loads(event)["properties"] for event in log_events(records).events]
    found = [(properties["service.name"], properties["otel.scope.name"]) for properties in sent]
    assert found == [("shop", "orders"), ("shop", "money"), ("bank", "orders"), ("bank", "money")] * 2
    assert "otel.scope.version" not in sent[0]


def test_short_lived_resources_are_not_confused(make_log: MakeLog) -> None:
    """Each event has its own resource's attributes; the mapper remembers at most 1024 resources."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    found = []
    resources: weakref.WeakSet[Resource] = weakref.WeakSet()
    for number in range(1500):  # a resource that the mapper forgot may leave its address to the next
        record = ReadableLogRecord(make_log().log_record, Resource({"service.name": str(number)}), None)
        resources.add(record.resource)
        (event,) = mapper.map([record]).events
        found.append(json.loads(event)["properties"]["service.name"])
        del record
    assert found == [str(number) for number in range(1500)]
    assert len(mapper._known) == len(resources) <= 1024


def test_few_large_resources_are_remembered(make_log: MakeLog) -> None:
    """The mapper keeps few large resources, even if each record has a new one or an event is too big."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resources: weakref.WeakSet[Resource] = weakref.WeakSet()
    for number in range(200):
        resource = Resource({f"key.{key}": f"{number}" * 400 for key in range(60)})
        resources.add(resource)
        mapper.map([ReadableLogRecord(make_log({f"n.{number}": 1}).log_record, resource, None)])
        del resource
    assert 1 < len(resources) <= 100  # up to 72 kB each
    small = Resource({"service.name": "shop"})
    for number in range(3):
        too_big = make_log({f"n.{number % 2}": 1, "text": "x" * 2_000_000})
        mapper.map([ReadableLogRecord(too_big.log_record, small, None)])
    assert mapper._builder._cached_shared_members.cache_info().currsize == 2


def test_a_thousand_scopes_are_encoded_once(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mapper encodes the shared attributes of each of 1000 scopes only once."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resource = Resource({"service.name": "shop"})
    scopes = [InstrumentationScope(f"shop.{number}") for number in range(1000)]
    records = [ReadableLogRecord(make_log().log_record, resource, scope) for scope in scopes]
    mapper.map(records)
    monkeypatch.setattr(EventBuilder, "inherited", lambda *_: pytest.fail("encoded again"))
    assert len(mapper.map(records).events) == 1000


def test_a_resource_is_encoded_once(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mapper encodes the attributes of a resource and scope at the first export only."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resource, scope = Resource({"user.id": "u1", "service.name": "shop"}), InstrumentationScope("orders")
    records = [ReadableLogRecord(make_log({"n": n}).log_record, resource, scope) for n in range(3)]
    first = [mapper.map([record]).events[0] for record in records]
    monkeypatch.setattr(EventBuilder, "inherited", lambda *_: pytest.fail("encoded again"))
    assert [mapper.map([record]).events[0] for record in records] == first
    assert json.loads(first[0])["distinct_id"] == "u1"


def test_few_sets_of_names_are_remembered(make_log: MakeLog) -> None:
    """Shared properties are cached for 1024 sets of property names, each of at most 128 names."""
    builder = EventBuilder(MappingOptions())
    inherited = builder.inherited(Resource({"service.name": "shop", "key.1": 0}), None)
    for attributes in [{f"key.{number}": 1} for number in range(1100)] + [
        dict.fromkeys(map(str, range(129)), 1)
    ]:
        event = json.loads(
            builder.build(log_source(make_log(attributes), MappingOptions()), inherited, Counter())
        )
        assert {"service.name": "shop", "key.1": 0} | attributes == {
            name: value for name, value in event["properties"].items() if name[0] != "$"
        }
    remembered = builder._cached_shared_members.cache_info()
    assert (remembered.currsize, remembered.misses) == (1024, 1100)


def test_a_bad_record_does_not_affect_the_others(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """Records that cannot become events are counted by reason; the other records of the batch arrive."""
    broken = make_log()
    object.__setattr__(broken, "log_record", None)
    exporter = make_exporter()
    records = [
        make_log({"n": 1}),
        make_log(event_name=None),
        make_log(event_name=""),
        make_log(event_name="$identify"),
        broken,
        make_log({"n": 2}),
    ]
    assert exporter.export(records) is SUCCESS
    assert [event["properties"]["n"] for event in server.events] == [1, 2]
    assert exporter.stats.dropped == {"no_name": 2, "reserved_name": 1, "unmappable": 1}
    assert exporter.stats.exported == 2


def test_a_reserved_name_is_sent_if_it_is_mapped(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """An event name that begins with `$` is sent only if `event_names` maps it."""
    exporter = make_exporter(event_names={"$pageview": "$pageview"})
    exporter.export([make_log(event_name="$pageview")])
    assert server.events[0]["event"] == "$pageview"


def test_batches_are_cut_by_count_and_size(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """No request has more than 1000 events or 4 MiB before compression, whatever the size of the export."""
    exporter = make_exporter()
    assert exporter.export([make_log({"n": number}) for number in range(2500)]) is SUCCESS
    assert [len(request.json()["batch"]) for request in server.requests] == [1000, 1000, 500]
    large = [make_log({"n": number, "text": "x" * 500_000}) for number in range(20)]
    assert exporter.export(large) is SUCCESS
    later = server.requests[3:]
    assert [len(request.json()["batch"]) for request in later] == [8, 8, 4]
    assert all(len(request.body) <= 4 * 1024 * 1024 + 200 for request in later)
    assert [event["properties"]["n"] for event in server.events[2500:]] == list(range(20))


def test_bodies_are_compressed(server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog) -> None:
    """Request bodies are compressed with gzip, and the headers declare it."""
    make_exporter().export([make_log({"text": "x" * 10_000})])
    request = server.requests[0]
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/json"
    assert len(request.raw_body) < 1_000 < len(request.body)
    assert json.loads(request.body)["api_key"] == "phc_test"


def test_a_body_can_be_made_of_any_number_of_events() -> None:
    """`body` accepts none, one or several events, from any iterable."""
    for events in ([], [b"{}"], [b"{}", b"{}"]):
        made = json.loads(body(iter(events), api_key="phc_test", sent_at="2026-01-01T00:00:00Z"))
        assert made == {"api_key": "phc_test", "sent_at": "2026-01-01T00:00:00Z", "batch": [{}] * len(events)}
