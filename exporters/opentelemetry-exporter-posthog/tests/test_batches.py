"""How records become requests: which of them, in which portions, how large."""

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


def test_too_large_is_split_down_to_the_one(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """After 413 a batch is halved until the event that is too large stands alone; all others arrive."""
    exporter = make_exporter()
    # 8 events, the 6th too large: [8] no, [0-3] yes, [4-7] no, [4-5] no, [4] yes, [5] no, [6-7] yes.
    too_large = Answer(status=413)
    server.answer(too_large, Answer(), too_large, too_large, Answer(), too_large, Answer())
    assert exporter.export([make_log({"n": number}) for number in range(8)]) is SUCCESS
    sizes = [[event["properties"]["n"] for event in request.json()["batch"]] for request in server.requests]
    assert sizes == [list(range(8)), [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]
    assert exporter.stats.exported == 7
    assert exporter.stats.dropped == {"too_large": 1}


def test_records_of_several_resources_and_scopes_keep_their_own(make_log: MakeLog) -> None:
    """In one batch each record has the attributes of its own resource and scope, in whatever order they come."""
    resources = [Resource({"service.name": name}) for name in ("shop", "bank")]
    scopes = [InstrumentationScope(name) for name in ("orders", "money")]
    pairs = [(resource, scope) for resource in resources for scope in scopes]
    records = [
        ReadableLogRecord(make_log().log_record, resource, scope) for resource, scope in [*pairs, *pairs]
    ]
    sent = [json.loads(event)["properties"] for event in log_events(records).events]
    told = [(properties["service.name"], properties["otel.scope.name"]) for properties in sent]
    assert told == [("shop", "orders"), ("shop", "money"), ("bank", "orders"), ("bank", "money")] * 2


def test_resources_that_come_and_go_keep_their_own(make_log: MakeLog) -> None:
    """Over many exports each record has its own resource's attributes, and few resources are remembered."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    told = []
    for number in range(1500):  # each is gone when the next is made, maybe at the same address
        record = ReadableLogRecord(make_log().log_record, Resource({"service.name": str(number)}), None)
        (event,) = mapper.map([record]).events
        told.append(json.loads(event)["properties"]["service.name"])
        del record
    assert told == [str(number) for number in range(1500)]
    assert len(mapper._known) <= 1024


def test_large_resources_are_not_kept(make_log: MakeLog) -> None:
    """A process that makes a large resource for each record, or sends what is too big, keeps few of them."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resources: weakref.WeakSet[Resource] = weakref.WeakSet()
    for number in range(200):
        resource = Resource({f"key.{key}": f"{number}" * 400 for key in range(60)})
        resources.add(resource)
        mapper.map([ReadableLogRecord(make_log({f"n.{number}": 1}).log_record, resource, None)])
        del resource
    assert len(resources) <= 100  # of up to 72 kB each
    small = Resource({"service.name": "shop"})
    for number in range(3):
        too_big = make_log({f"n.{number % 2}": 1, "text": "x" * 2_000_000})
        mapper.map([ReadableLogRecord(too_big.log_record, small, None)])
    assert mapper._builder._cached_shared_members.cache_info().currsize == 2


def test_an_application_may_have_many_loggers(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the records of a thousand scopes share is worked out once for each."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resource = Resource({"service.name": "shop"})
    scopes = [InstrumentationScope(f"shop.{number}") for number in range(1000)]
    records = [ReadableLogRecord(make_log().log_record, resource, scope) for scope in scopes]
    mapper.map(records)
    monkeypatch.setattr(EventBuilder, "inherited", lambda *_: pytest.fail("encoded again"))
    assert len(mapper.map(records).events) == 1000


def test_a_resource_is_encoded_once(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the records of a resource and scope share is worked out at the first export only."""
    mapper = Mapper["ReadableLogRecord"](MappingOptions(), "log")
    resource, scope = Resource({"user.id": "u1", "service.name": "shop"}), InstrumentationScope("orders")
    records = [ReadableLogRecord(make_log({"n": n}).log_record, resource, scope) for n in range(3)]
    first = [mapper.map([record]).events[0] for record in records]
    monkeypatch.setattr(EventBuilder, "inherited", lambda *_: pytest.fail("encoded again"))
    assert [mapper.map([record]).events[0] for record in records] == first
    assert json.loads(first[0])["distinct_id"] == "u1"


def test_few_sets_of_names_are_remembered(make_log: MakeLog) -> None:
    """What stands beside a record's own properties is remembered for 1024 sets of names, none of more than 128."""
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


def test_one_bad_record_costs_nobody_else(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """Records that cannot become events are counted by reason; their neighbours arrive."""
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


def test_reserved_names_pass_where_they_are_mapped(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """An event of PostHog's own is made only by who says so in the mapping."""
    exporter = make_exporter(event_names={"$pageview": "$pageview"})
    exporter.export([make_log(event_name="$pageview")])
    assert server.events[0]["event"] == "$pageview"


def test_batches_are_cut_by_count_and_size(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """No request has more than 1000 events or 4 MiB before compression, however much is exported at once."""
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
    """Bodies travel as gzip and say so."""
    make_exporter().export([make_log({"text": "x" * 10_000})])
    request = server.requests[0]
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/json"
    assert len(request.raw_body) < 1_000 < len(request.body)
    assert json.loads(request.body)["api_key"] == "phc_test"


def test_a_body_can_be_made_of_any_number_of_events() -> None:
    """The public function frames none, one or several events, from any iterable."""
    for events in ([], [b"{}"], [b"{}", b"{}"]):
        made = json.loads(body(iter(events), api_key="phc_test", sent_at="2026-01-01T00:00:00Z"))
        assert made == {"api_key": "phc_test", "sent_at": "2026-01-01T00:00:00Z", "batch": [{}] * len(events)}
