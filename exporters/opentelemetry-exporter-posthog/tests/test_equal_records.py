"""Equal records are separate events, a repeated record is the same event, times of any type are kept."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)

from opentelemetry.exporter.posthog import PostHogLogExporter, _identity
from opentelemetry.exporter.posthog.mapping import log_events, span_events
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

_KEY = ("uuid", "timestamp", "event", "distinct_id")
_SECOND = 1_600_000_000


def _kept(server: CaptureServer) -> set[tuple[str, ...]]:
    """Return the identities of the received events, of each of which PostHog keeps one event."""
    return {tuple(event[name] for name in _KEY) for event in server.events}


@pytest.mark.parametrize("processor", [BatchLogRecordProcessor, SimpleLogRecordProcessor])
@pytest.mark.parametrize("same_object", [False, True])
def test_equal_records_are_separate_events(
    server: CaptureServer, processor: Any, *, same_object: bool
) -> None:
    """N equal records are N events in PostHog, however many exports the processor makes of them."""
    n = 600 if processor is BatchLogRecordProcessor else 7
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor(PostHogLogExporter(api_key="phc_test", host=server.url)))
    logger = provider.get_logger("import")
    attributes = {"user.id": "u1"}
    for _ in range(n):
        fields: dict[str, Any] = {"attributes": attributes if same_object else dict(attributes)}
        logger.emit(event_name="page.viewed", timestamp=_SECOND * 10**9, **fields)
    provider.shutdown()
    assert len(server.events) == n
    assert len(_kept(server)) == n


def test_a_repeated_batch_has_the_same_events(
    server: CaptureServer, make_exporter: Callable[..., PostHogLogExporter], make_log: Callable[..., Any]
) -> None:
    """A failed batch keeps its uuids when it is exported again, whatever was exported in between."""
    exporter = make_exporter(retry=False)
    batch = [make_log({"user.id": "u1"}) for _ in range(3)]
    server.answer(Answer(status=503))
    assert exporter.export(batch) is LogRecordExportResult.FAILURE
    exporter.export([make_log({"user.id": "u1"}) for _ in range(2)])
    exporter.export(batch)
    uuids = [event["uuid"] for event in server.events]
    assert uuids[:3] == uuids[5:]
    assert len(set(uuids)) == 5


def test_only_the_latest_contents_are_remembered(
    monkeypatch: pytest.MonkeyPatch, make_log: Callable[..., ReadableLogRecord]
) -> None:
    """An exporter remembers a bounded number of contents, the latest ones."""
    monkeypatch.setattr(_identity, "_REMEMBERED_CONTENTS", 10)
    ordinals = _identity.Ordinals()
    for number in range(1000):
        ordinals.uuid_of(make_log(), f"content {number}")
    assert len(ordinals._counts) + len(ordinals._earlier) <= 20
    assert ordinals.uuid_of(make_log(), "content 999") != "content 999"


_DAY = "2020-09-13T12:26:40"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (_SECOND * 10**9 + 123_456_789, f"{_DAY}.123456Z"),
        (float(_SECOND * 10**9), f"{_DAY}.000000Z"),
        (decimal.Decimal(_SECOND * 10**9), f"{_DAY}.000000Z"),
        (dt.datetime.fromtimestamp(_SECOND, dt.timezone.utc), f"{_DAY}.000000Z"),
        (dt.datetime(2020, 9, 13, 12, 26, 40, 123456), f"{_DAY}.123456Z"),  # noqa: DTZ001  # naive on purpose
        (
            dt.datetime(2020, 9, 13, 14, 26, 40, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            f"{_DAY}.000000Z",
        ),
        (f"{_DAY}Z", f"{_DAY}.000000Z"),
        ("2020-09-13T14:26:40+02:00", f"{_DAY}.000000Z"),
    ],
    ids=lambda value: f"{type(value).__name__} {value}",
)
def test_times_of_other_types_are_kept(
    make_log: Callable[..., Any], make_span: Callable[..., ReadableSpan], moment: Any, expected: str
) -> None:
    """A number, a `datetime` or ISO 8601 text gives the event's timestamp, for log records and spans."""
    (event,) = log_events([make_log(timestamp=moment)]).events
    assert json.loads(event)["timestamp"] == expected
    (event,) = span_events([make_span(start_time=moment, end_time=moment)]).events
    assert json.loads(event)["timestamp"] == expected
    assert json.loads(event)["properties"]["duration_ms"] == 0


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_times_of_numpy_are_kept(make_log: Callable[..., Any], unit: str) -> None:
    """`numpy` integers and `datetime64` of any unit give the event's timestamp."""
    numpy = pytest.importorskip("numpy")
    nanos = _SECOND * 10**9
    for moment in (
        numpy.int64(nanos),
        numpy.uint64(nanos),
        numpy.datetime64(_SECOND, "s").astype(f"datetime64[{unit}]"),
    ):
        (event,) = log_events([make_log(timestamp=moment)]).events
        assert json.loads(event)["timestamp"] == f"{_DAY}.000000Z"


class _Incomparable:
    """An object that raises when it is compared, like an array in a condition."""

    def __eq__(self, other: object) -> Any:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]  # like an array's

    def __str__(self) -> str:
        return "[0 1 2]"


@pytest.mark.parametrize("name", ["user.id", "n"])
def test_any_body_becomes_a_property(make_log: Callable[..., Any], name: str) -> None:
    """A body that cannot be compared is sent as text, and its record is not dropped."""
    mapped = log_events([make_log({name: "u1"}, body=_Incomparable())])
    assert mapped.dropped == {}
    assert json.loads(mapped.events[0])["properties"]["body"] == "[0 1 2]"


@pytest.mark.parametrize("illegal", ["anonymous", "", "null", True, [], {"a": 1}])
def test_an_illegal_id_is_passed_over(make_log: Callable[..., Any], illegal: object) -> None:
    """If PostHog would reject the record's id, the resource's id counts, under the same key or another."""
    for key in ("user.id", "app.installation.id"):
        (event,) = log_events([make_log({"user.id": illegal}, resource={key: "u-17"})]).events
        assert json.loads(event)["distinct_id"] == "u-17"


def test_a_content_is_remembered_among_others(make_log: Callable[..., Any]) -> None:
    """A record that equals an earlier one, with others in between, is still a separate event."""
    mapped = log_events([make_log({"n": number}) for number in (1, 2, 3, 1)])
    assert len({json.loads(event)["uuid"] for event in mapped.events}) == 4
