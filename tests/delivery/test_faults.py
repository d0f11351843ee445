"""With damaged spools, failing destinations and bursts, every event arrives or is counted as dropped."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery.reading import mailboxes
from support import delivery as support
from support import spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]


@pytest.mark.posix
def test_a_damaged_spool(make: Make, sink: support.Sink, directory: Path) -> None:
    """Truncated, empty and binary files are renamed and counted; newer and foreign files are left alone."""
    spool.leave_behind(
        make, sink, range(3), range(3, 6), range(6, 9), range(9, 12), range(12, 15), range(15, 18)
    )
    whole, truncated, empty, binary, newer, blank = support.spooled_files(directory)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    empty.write_bytes(b"")
    blank.write_bytes(b"\n")
    binary.write_bytes(b"\x00\xff" * 100 + b"\n")
    left = newer.rename(newer.with_name(newer.name.replace(".v1.", ".v2.")))
    foreign = whole.with_name("notes.txt")
    foreign.write_text("somebody's")
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [100])
    assert delivery.flush(60)
    assert sink.wait_for(4)
    assert sink.numbers() == [0, 1, 2, 100]
    assert delivery.status().dropped == {"corrupt": 12}
    names = {path.name for path in left.parent.iterdir()}
    corrupt = {path.name + ".corrupt" for path in (truncated, empty, binary, blank)}
    assert names == {left.name, foreign.name, *corrupt}
    [mailbox] = mailboxes(directory)
    assert [(file.state, file.events) for file in mailbox.files] == [
        ("corrupt", 3),
        ("corrupt", 3),
        ("corrupt", 3),
        ("newer", 3),
        ("corrupt", 3),
    ]
    assert mailbox.events == 0


@pytest.mark.posix
def test_records_read_from_disk_are_selected_again(make: Make, sink: support.Sink) -> None:
    """Records read from disk pass through `accept` before they are sent; rejected ones are counted."""
    spool.leave_behind(make, sink, range(10))
    delivery = make(
        support.destination_to(sink.port),
        accept=lambda record: record if record.log_record.attributes["n"] >= 7 else None,
    )
    support.enqueue_numbers(delivery, [100])
    assert delivery.flush(60)
    assert sink.wait_for(4)
    assert sink.numbers() == [7, 8, 9, 100]
    assert delivery.status().dropped == {"rejected": 7}


def test_a_file_without_accepted_records_is_removed(make: Make, sink: support.Sink, directory: Path) -> None:
    """A file from which `accept` keeps no record is removed, and nothing is sent."""
    spool.leave_behind(make, sink, range(10))
    delivery = make(
        support.destination_to(sink.port),
        accept=lambda record: record if record.log_record.attributes["n"] == 100 else None,
    )
    support.enqueue_numbers(delivery, [100])
    assert delivery.flush(60)
    assert support.wait_until(lambda: not support.spooled_files(directory))
    assert sink.numbers() == [100]


def test_all_events_arrive_after_an_outage(make: Make, sink: support.Sink) -> None:
    """After an outage, all events from before and during it arrive once, and their times give their order."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(linger=0.01))
    for number in range(100):
        support.enqueue_numbers(delivery, [number])
        if number % 10 == 0:
            delivery._writer.flush(60)
    assert support.wait_until(lambda: len(sink.requests) >= 7)
    assert delivery.status().destinations[0].state == "quiet"
    assert delivery.status().destinations[0].reason
    sink.answer_all(200)
    support.enqueue_numbers(delivery, [100])
    assert sink.wait_for(101)
    in_order = sorted(sink.arrived, key=lambda event: event["time_ns"])
    assert [event["n"] for event in in_order] == list(range(101))
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "ok")


@pytest.mark.posix
def test_a_batch_that_always_fails_delays_no_other(make: Make, sink: support.Sink) -> None:
    """A batch that the destination always refuses goes to the end of the line and delays no other batch."""
    spool.leave_behind(make, sink, range(3), range(3, 6), range(6, 9))
    sink.answer = lambda events: support.Answer(500 if any(event["n"] == 1 for event in events) else 200)
    limits = support.quick_limits(backoff_initial=0.001, quiet_interval=0.01, linger=0.001)
    delivery = make(support.destination_to(sink.port), limits=limits)
    support.enqueue_numbers(delivery, [100])
    assert sink.wait_for(7)
    assert {3, 4, 5, 6, 7, 8, 100} == set(sink.numbers())
    for number in range(101, 121):
        support.enqueue_numbers(delivery, [number])
        assert delivery.flush(60) or sink.wait_for(number - 93)
    assert delivery.status().waiting_earlier == 3
    assert delivery.status().dropped == {}
    sink.answer_all(200)
    assert sink.wait_for(30)
    assert support.wait_until(lambda: delivery.status().waiting_earlier == 0)


@pytest.mark.posix
def test_a_short_run_delivers_despite_a_batch_that_always_fails(make: Make, sink: support.Sink) -> None:
    """If the oldest file always fails, a process that ends soon still delivers the other files and its own events."""
    spool.leave_behind(make, sink, range(3), range(3, 6))
    sink.answer = lambda events: support.Answer(500 if any(event["n"] == 1 for event in events) else 200)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=60))
    support.enqueue_numbers(delivery, [100])
    assert delivery.shutdown(60)
    assert set(sink.numbers()) == {3, 4, 5, 100}


def test_the_sender_waits_for_retry_after(make: Make, sink: support.Sink) -> None:
    """The sender waits for the time of `Retry-After`; a flush that cannot wait so long returns False at once."""
    asked: list[float] = []

    def answer(_: object) -> support.Answer:
        asked.append(time.monotonic())
        return support.Answer(200 if len(asked) > 1 else 429, headers={"Retry-After": "5"})

    sink.answer = answer
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "retrying")
    assert not delivery.flush(0.2)
    assert delivery.flush(60)
    assert asked[1] - asked[0] >= 5
    assert sink.numbers() == [1]


@pytest.mark.usefixtures("lenient")
def test_an_exporter_that_raises_is_a_failure(make: Make, sink: support.Sink) -> None:
    """The status shows an exporter's exception; the sender retries the batch, and nothing is lost."""
    exporter = support.exporter_to(sink.port)
    export, failures = exporter.export, iter([True, True, False])

    def sometimes(batch: object) -> object:
        if next(failures, False):
            raise ConnectionResetError("by a peer")
        return export(batch)  # type: ignore[arg-type]

    exporter.export = sometimes  # type: ignore[method-assign,assignment]
    delivery = make(
        support.destination_to(sink.port, build=lambda: exporter),
        limits=support.quick_limits(backoff_initial=0.5),
    )
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(
        lambda: "ConnectionResetError: by a peer" in delivery.status().destinations[0].reason
    )
    assert delivery.status().destinations[0].state == "retrying"
    assert sink.wait_for(1)


@pytest.mark.usefixtures("lenient")
def test_an_exporter_that_fails_to_build_is_built_later(make: Make, sink: support.Sink) -> None:
    """An exporter that failed to build is built again later, and delivers the batches of the time before."""
    upgraded = False

    def build() -> object:
        if not upgraded:
            raise ImportError("being upgraded")
        return support.exporter_to(sink.port)

    delivery = make(support.destination_to(sink.port, build=build))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "unusable")
    assert not delivery.flush(0)
    upgraded = True
    assert sink.wait_for(1)
    assert delivery.status().destinations[0].state == "ok"


@pytest.mark.usefixtures("lenient")
def test_a_flush_does_not_build_a_failed_exporter_again(make: Make) -> None:
    """`flush` does not build a failed exporter again before its pause ends: each failing import may take a second."""
    builds = []

    def build() -> object:
        builds.append(True)
        raise ImportError("not installed")

    delivery = make(support.destination_to(0, build=build), limits=support.quick_limits(backoff_initial=600))
    for number in range(3):
        support.enqueue_numbers(delivery, [number])
        assert not delivery.flush(60)
    assert len(builds) == 1


def test_a_discarded_request_is_not_repeated(make: Make, sink: support.Sink, directory: Path) -> None:
    """A batch that is discarded during its request is not sent again, even if the request fails."""
    answered = threading.Event()
    sink.answer = lambda _: (answered.wait(60), support.Answer(503))[1]
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: sink.requests)
    delivery.discard()
    assert support.spooled_files(directory) == []
    answered.set()
    support.enqueue_numbers(delivery, [2])
    assert support.wait_until(lambda: len(sink.requests) >= 3)
    assert [event["n"] for request in sink.requests[1:] for event in request].count(1) == 0


def test_a_burst_beyond_the_queue_is_counted(make: Make, sink: support.Sink) -> None:
    """Of 200 000 events at once, all accepted ones arrive, and all others are counted."""
    delivery = make(support.destination_to(sink.port))
    accepted = support.enqueue_numbers(delivery, range(200_000))
    assert accepted >= 20_000
    assert delivery.status().dropped.get("queue_full", 0) == 200_000 - accepted
    assert delivery.flush(60)
    assert len(sink.numbers()) == accepted
    assert sink.doubled() == []


def test_bursts_in_memory_stay_within_bounds(directory: Path, sink: support.Sink) -> None:
    """While the destination is down, memory does not grow, and each event is spooled or counted."""
    code = """
import resource
from mem0_telemetry.delivery import Limits
d = to_sink(D, 1, limits=Limits(spool_bytes=4 * 1024 * 1024))
enqueue_numbers(d, range(1000)); d._writer.flush(60)
def rss():
    with open("/proc/self/statm") as statm: pages = int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
before, accepted = rss(), 1000
for number in range(60):
    accepted += enqueue_numbers(d, range(2000))
    d._writer.flush(60)
snapshot = d.status()
assert snapshot.spooled == accepted == 121_000, snapshot
assert snapshot.destinations[0].waiting + sum(snapshot.dropped.values()) == accepted, snapshot
print(rss() - before)
"""
    finished = support.run(code, directory, sink.port)
    assert finished.err == ""
    assert float(finished.out) < 20
