"""Each kind of failure over real sockets: attempts, duration, result, and the next batch.

`python -m pytest -s -k failure_table` prints the table of the README.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter, _sender, _session
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]
    MakeExporter = Callable[..., PostHogLogExporter]

SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
_HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
_TIMEOUT = 2.0
"""Seconds for one export: enough for attempts at 0, 0.5 and 1.5 seconds, plus or minus jitter."""
_RETRIED = range(2, 4)
_IN_TIME = 15.0
"""Seconds: no export takes longer, even on a busy machine, unless it ignores its timeout."""


@dataclass(frozen=True)
class Case:
    """One failure and its expected outcome."""

    name: str
    answer: Answer
    result: LogRecordExportResult = SUCCESS
    attempts: range = range(1, 2)
    dropped: Mapping[str, int] = field(default_factory=dict)
    retry_after: float | None = None

    def __str__(self) -> str:
        """Return the id of the test."""
        return self.name


def _retryable(name: str, answer: Answer, **expected: object) -> Case:
    """Return a case that ends in FAILURE, by default after several attempts."""
    return Case(
        name,
        answer,
        **{"result": FAILURE, "attempts": _RETRIED, **expected},  # type: ignore[arg-type]
    )


CASES = [
    _retryable("reset mid-body", Answer(reset=True)),
    _retryable("dropped after the body", Answer(drop=True)),
    _retryable("never answers", Answer(stall=True), attempts=range(1, 2)),
    _retryable("slow loris", Answer(drip=0.2), attempts=range(1, 2)),
    _retryable("408", Answer(status=408)),
    _retryable("429", Answer(status=429)),
    _retryable("429, Retry-After: 0", Answer(status=429, headers={"Retry-After": "0"}), retry_after=0.0),
    _retryable(
        "429, Retry-After: 60",
        Answer(status=429, headers={"Retry-After": "60"}),
        attempts=range(1, 2),
        retry_after=60.0,
    ),
    _retryable("500", Answer(status=500)),
    _retryable("502, HTML", Answer(status=502, headers={"Content-Type": "text/html"}, body=_HTML)),
    _retryable("503", Answer(status=503)),
    Case("200, invalid JSON", Answer(body=b'{"status')),
    Case("200, truncated", Answer(body=b'{"status":"Ok"}' * 99, truncate=True)),
    Case("204", Answer(status=204)),
    Case("301", Answer(status=301, headers={"Location": "http://127.0.0.1:9/"}), dropped={"redirected": 1}),
    Case("400", Answer(status=400, body=b"missing event name"), dropped={"rejected": 1}),
    Case("401", Answer(status=401, body=b"API key is not valid"), dropped={"unauthorized": 1}),
    Case("404, HTML", Answer(status=404, body=_HTML), dropped={"rejected": 1}),
    Case("413", Answer(status=413), dropped={"too_large": 1}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_failure_table(server: CaptureServer, make_log: MakeLog, case: Case) -> None:
    """Each failure ends in time, with the right result and counts; the next batch arrives."""
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url, timeout=_TIMEOUT)
    exporter.warm_up()
    server.answer_always(case.answer)
    began = time.monotonic()
    result = exporter.export([make_log({"n": 1})])
    seconds = time.monotonic() - began
    attempts = len(server.requests)
    stats = exporter.stats
    retry_after, refusal = exporter.retry_after, exporter.refusal
    server.answer_always(Answer())
    recovered = exporter.export([make_log({"n": 2})])
    exporter.shutdown()

    row = f"{attempts} attempts, {seconds:.1f} s, {result.name}"
    dropped = ", ".join(stats.dropped)
    print(f"| {case} | {attempts} | {seconds:.1f} s | {result.name} | {dropped} |")  # noqa: T201
    assert result is case.result, row
    assert attempts in case.attempts, row
    assert seconds < _IN_TIME, row
    assert stats.dropped == case.dropped
    assert stats.exported + stats.failed + sum(stats.dropped.values()) == 1
    # On a busy machine the deadline may end the last attempt before its request arrives.
    assert attempts - 1 <= stats.retried <= attempts
    assert retry_after == case.retry_after
    assert refusal == (f"HTTP {case.answer.status}" if case.dropped else "")
    assert (recovered, exporter.refusal) == (SUCCESS, "")
    assert server.events[-1]["properties"]["n"] == 2


def test_a_refused_connection_is_retried(make_log: MakeLog) -> None:
    """Without a server, an export retries until its timeout; as soon as a server listens, batches arrive."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    exporter = PostHogLogExporter(api_key="phc_test", host=f"http://127.0.0.1:{port}", timeout=_TIMEOUT)
    began = time.monotonic()
    assert exporter.export([make_log()]) is FAILURE
    seconds = time.monotonic() - began
    print(f"| refused | {exporter.stats.retried + 1} | {seconds:.1f} s | FAILURE | |")  # noqa: T201
    assert exporter.stats.retried + 1 in _RETRIED
    assert exporter.stats.failed == 1
    with CaptureServer(port=port) as server:
        assert exporter.export([make_log({"n": 2})]) is SUCCESS
        assert server.events[0]["properties"]["n"] == 2
    exporter.shutdown()


def test_a_batch_whose_answer_is_lost_is_sent_again(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """A batch whose answer was lost is sent again with the same uuids: no event is lost or doubled."""
    server.answer(Answer(drop=True))
    exporter = make_exporter()
    records = [make_log({"user.id": "u1", "n": number}) for number in range(3)]
    assert exporter.export(records) is SUCCESS
    first, second = (request.json() for request in server.requests)
    assert first["batch"] == second["batch"]
    assert len({event["uuid"] for event in server.events}) == 3
    assert first["sent_at"] < second["sent_at"]
    assert exporter.stats.exported == 3
    assert exporter.stats.retried == 3


def test_an_export_recovers_within_the_deadline(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """An export succeeds if the server accepts the batch after two failures, within the timeout."""
    server.answer(Answer(status=503), Answer(status=429, headers={"Retry-After": "1"}))
    exporter = make_exporter()
    began = time.monotonic()
    assert exporter.export([make_log()]) is SUCCESS
    assert time.monotonic() - began >= 1
    assert exporter.stats.retried == 2
    assert exporter.retry_after is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("99999999999", 86_400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 01 Jan 2999 00:00:00 GMT", 86_400.0),
    ],
)
def test_retry_after_is_reported_to_the_caller(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, header: str, expected: float | None
) -> None:
    """With `retry=False` an export is one attempt; `retry_after` has the seconds that the server asks for."""
    server.answer(Answer(status=429, headers={"Retry-After": header}))
    exporter = make_exporter(retry=False)
    assert exporter.export([make_log()]) is FAILURE
    assert exporter.retry_after == expected
    assert exporter.export([make_log()]) is SUCCESS
    assert exporter.retry_after is None
    assert len(server.requests) == 2


def test_a_frozen_clock_does_not_prolong_an_export(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a tool froze time for the application's tests, an export still ends by its timeout."""
    server.answer_always(Answer(status=503))
    monkeypatch.setattr(_sender, "_LONGEST_PAUSE", 0.1)
    exporter = make_exporter(timeout=1)
    frozen = {getattr(time, name): lambda: 1.0 for name in ("monotonic", "perf_counter", "time")}
    for module in (time, _sender, _session):  # freezegun also replaces imported names
        for name, value in list(vars(module).items()):
            if callable(value) and value in frozen:
                monkeypatch.setattr(module, name, frozen[value])
    results: list[LogRecordExportResult] = []
    thread = threading.Thread(target=lambda: results.append(exporter.export([make_log()])))
    thread.start()
    thread.join(60)
    exporter.shutdown()
    assert results == [FAILURE]


def test_without_retries_failure_is_immediate(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """With `retry=False` a failure takes one attempt and no wait; exported again, the events are the same."""
    server.answer(Answer(status=503), Answer(drop=True))
    exporter = make_exporter(retry=False)
    records = [make_log({"n": 1}), make_log({"n": 1})]
    began = time.monotonic()
    assert [exporter.export(records) for _ in range(3)] == [FAILURE, FAILURE, SUCCESS]
    assert time.monotonic() - began < _IN_TIME
    batches = [request.json()["batch"] for request in server.requests]
    assert batches[0] == batches[1] == batches[2]
    assert exporter.stats.failed == 4
    assert exporter.stats.retried == 0


def test_shutdown_ends_a_wait(server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog) -> None:
    """`shutdown` wakes an export that waits for its next attempt; the export returns FAILURE at once."""
    server.answer_always(Answer(status=429, headers={"Retry-After": "200"}))
    exporter = make_exporter(timeout=300)
    results: list[LogRecordExportResult] = []
    thread = threading.Thread(target=lambda: results.append(exporter.export([make_log()])))
    began = time.monotonic()
    thread.start()
    assert server.wait_for_requests(1, timeout=60)
    exporter.shutdown()
    thread.join(60)
    assert results == [FAILURE]
    assert time.monotonic() - began < 120


def test_shutdown_sends_no_further_batch(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """`shutdown` during a large export lets the current request end; the other events count as failed."""
    server.answer(Answer(delay=2))
    exporter = make_exporter()
    results: list[LogRecordExportResult] = []
    records = [make_log({"n": number}) for number in range(2500)]
    thread = threading.Thread(target=lambda: results.append(exporter.export(records)))
    thread.start()
    assert server.wait_for_requests(1, timeout=60)
    exporter.shutdown()
    thread.join(60)
    assert results == [FAILURE]
    assert len(server.requests) == 1
    assert (exporter.stats.exported, exporter.stats.failed) == (1000, 1500)
    assert exporter.failure == "shut down"


def test_shutdown_closes_only_the_exporters_own_session(
    make_exporter: MakeExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`shutdown` closes the connections of the exporter's own session; afterwards, `warm_up` makes no new one."""
    closed: list[requests.Session] = []
    monkeypatch.setattr(requests.Session, "close", lambda session: closed.append(session))  # noqa: PLW0108  # a method
    for session in (None, requests.Session()):
        exporter = make_exporter(session=session)
        exporter.shutdown()
        assert len(closed) == 1
    exporter._sender = None
    exporter.warm_up()
    assert exporter._sender is None
    assert PostHogLogExporter()._sender is None


def test_an_export_after_shutdown_fails(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """After `shutdown`, which is idempotent, an export returns FAILURE: another exporter could send it."""
    exporter = make_exporter()
    assert exporter.export([make_log()]) is SUCCESS
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([make_log()]) is FAILURE
    assert exporter.failure == "shut down"
    assert exporter.force_flush(timeout_millis=1)
    assert len(server.requests) == 1
    assert exporter.stats.failed == 1


def test_a_bad_record_in_a_repeated_batch_is_dropped_once(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """A record that cannot become an event counts as dropped once, however often its batch is repeated."""
    server.answer(Answer(status=503), Answer(status=503))
    exporter = make_exporter(retry=False)
    records = [make_log({"n": 1}), make_log(event_name="")]
    assert [exporter.export(records) for _ in range(3)] == [FAILURE, FAILURE, SUCCESS]
    assert exporter.stats.failed == 4
    assert exporter.stats.dropped == {"no_name": 1}
    assert exporter.stats.exported == 1
