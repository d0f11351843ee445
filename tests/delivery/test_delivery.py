"""The pipeline as a whole: every enqueued event arrives once, and the caller notices nothing."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.delivery import _sender
from mem0_telemetry.delivery._sender import Sender
from mem0_telemetry.delivery._writer import Writer
from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]


def test_everything_arrives_once(make: Make, sink: support.Sink, directory: Path) -> None:
    """Events arrive once, in order, and leave no spool file."""
    delivery = make(support.destination_to(sink.port))
    assert support.enqueue_numbers(delivery, range(1200)) == 1200
    assert delivery.flush(60)
    assert sink.numbers() == list(range(1200))
    assert support.spooled_files(directory) == []
    snapshot = delivery.status()
    assert (snapshot.spooled, snapshot.sent, snapshot.queued, snapshot.dropped) == (1200, 1200, 0, {})


def test_nothing_exists_before_the_first_event(make: Make, sink: support.Sink, directory: Path) -> None:
    """A new delivery has no thread and no file."""
    before = threading.active_count()
    delivery = make(support.destination_to(sink.port))
    assert threading.active_count() == before
    assert delivery.status().threads == ()
    assert delivery.flush(0)
    assert not directory.exists()


def test_threads_are_named_daemons(make: Make, sink: support.Sink) -> None:
    """There are one writer and one sender for each destination, and all threads are daemons."""
    delivery = make(support.destination_to(sink.port), support.destination_to(sink.port, name="other"))
    support.enqueue_numbers(delivery, [1])
    names = ("tests-writer", "tests-sender-loop", "tests-sender-other")
    assert delivery.status().threads == names
    assert all(thread.daemon for thread in threading.enumerate() if thread.name in names)


@pytest.mark.posix
def test_the_first_event_is_on_disk_at_once(make: Make, sink: support.Sink, directory: Path) -> None:
    """The writer writes the first event at once, without waiting for others to share its file."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(linger=60))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: support.spooled_files(directory))


@pytest.mark.posix
def test_later_events_share_a_file(make: Make, sink: support.Sink, directory: Path) -> None:
    """Events that come within the linger time after a write share one file."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(linger=1))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: len(support.spooled_files(directory)) == 1)
    support.enqueue_numbers(delivery, range(2, 40))
    assert support.wait_until(lambda: len(support.spooled_files(directory)) == 2)
    assert support.spooled_files(directory)[1].name.endswith("-38.v1.jsonl")


@pytest.mark.posix
def test_a_file_holds_500_records_at_most(make: Make, sink: support.Sink, directory: Path) -> None:
    """A large queue becomes several files and several requests, each of at most 500 records."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, range(1300))
    assert delivery._writer.flush(60)
    delivery.shutdown(0)
    counts = [int(path.name.split("-")[2].split(".")[0]) for path in support.spooled_files(directory)]
    assert max(counts) <= 500
    assert sum(counts) == 1300
    assert all(len(request) <= 500 for request in sink.requests)


def test_a_flush_sees_a_sender_that_finishes_during_its_check(
    make: Make, sink: support.Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flush` returns True if the sender finishes and goes idle while `flush` checks it."""
    may_progress_by = Sender.may_progress_by

    def ask_when_it_rests(sender: Sender, moment: float) -> bool:
        assert support.wait_until(
            lambda: not (sender.mailbox.outstanding() or may_progress_by(sender, moment))
        )
        return may_progress_by(sender, moment)

    monkeypatch.setattr(Sender, "may_progress_by", ask_when_it_rests)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)


@pytest.mark.parametrize(
    ("between", "patience"),
    [(600.0, 600.0), (0.01, 600.0), (600.0, 0.01)],
    ids=["not yet", "one in a while", "long without an end"],
)
def test_a_sender_yields_while_the_queue_is_long(
    make: Make, sink: support.Sink, monkeypatch: pytest.MonkeyPatch, between: float, patience: float
) -> None:
    """With thousands of events in the queue, a sender makes few requests, so that the writer gets the GIL."""
    asked = 0

    def events_in_queue(_: Writer) -> int:
        nonlocal asked
        asked += 1
        return 10_000

    monkeypatch.setattr(Writer, "__len__", events_in_queue)
    monkeypatch.setattr(_sender, "_YIELD", between)
    monkeypatch.setattr(_sender, "_MAX_YIELD_TIME", patience)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert sink.wait_for(1)
    support.enqueue_numbers(delivery, [2])
    assert delivery._writer.flush(60)
    before = asked
    assert support.wait_until(lambda: asked > before + 5 or len(sink.requests) > 1)
    assert len(sink.requests) == (1 if between == patience else 2)
    assert delivery.flush(60)  # a flush does not wait for the writer
    assert sink.numbers() == [1, 2]


def test_records_of_other_loggers_are_delivered(make: Make, sink: support.Sink) -> None:
    """A user's provider may have our processor: its records arrive, `force_flush` flushes, `shutdown` ends nothing."""
    delivery = make(support.destination_to(sink.port))
    provider = support.provider_of(delivery)
    provider.get_logger("user").emit(event_name="user.event", attributes={"n": 1})
    assert provider.force_flush(60_000)
    provider.shutdown()
    support.enqueue_numbers(delivery, [2])
    assert delivery.flush(60)
    assert sink.numbers() == [1, 2]


def test_a_full_queue_drops_the_newest_and_counts(make: Make, sink: support.Sink) -> None:
    """`enqueue` returns False if the queue is full; the status and the next batch's first record have the count."""
    release = threading.Event()
    delivery = make(
        support.destination_to(sink.port),
        limits=support.quick_limits(queue_events=10),
        allowed=lambda: release.wait(60),
        dropped_attributes=lambda counts: {f"dropped.{reason}": n for reason, n in counts.items()},
    )
    accepted = support.enqueue_numbers(delivery, range(25))
    assert accepted == 10
    delivery.count_dropped("elsewhere", 3)
    assert delivery.status().dropped == {"queue_full": 15, "elsewhere": 3}
    release.set()
    assert delivery.flush(60)
    assert sink.numbers() == list(range(10))
    assert sink.arrived[0]["dropped.queue_full"] == 15
    assert sink.arrived[0]["dropped.elsewhere"] == 3
    assert "dropped.queue_full" not in sink.arrived[1]


def test_drop_counts_are_reported_once(make: Make, sink: support.Sink) -> None:
    """A batch does not repeat counts that an earlier batch reported."""
    delivery = make(
        support.destination_to(sink.port), dropped_attributes=lambda counts: {"dropped": sum(counts.values())}
    )
    delivery.count_dropped("elsewhere", 2)
    for number in (1, 2):
        support.enqueue_numbers(delivery, [number])
        assert delivery.flush(60)
    assert [event.get("dropped") for event in sink.arrived] == [2, None]


def test_rejected_records_are_dropped_and_counted(make: Make, sink: support.Sink) -> None:
    """Records for which `accept` returns None are dropped before they are written, and counted."""
    delivery = make(
        support.destination_to(sink.port),
        accept=lambda record: record if record.log_record.attributes["n"] % 2 else None,
    )
    support.enqueue_numbers(delivery, range(10))
    assert delivery.flush(60)
    assert sink.numbers() == [1, 3, 5, 7, 9]
    assert delivery.status().dropped == {"rejected": 5}


def test_after_shutdown_events_are_counted(make: Make, sink: support.Sink) -> None:
    """`shutdown` delivers and ends the threads, may be called twice, and later events are dropped and counted."""
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert delivery.shutdown(5)
    assert delivery.shutdown(5)
    assert delivery.status().threads == ()
    assert not delivery.enqueue("test.event", {})
    assert delivery.status().dropped == {"shut_down": 1}
    assert sink.numbers() == [1]


@pytest.mark.posix
def test_discard_deletes_what_this_process_wrote(make: Make, sink: support.Sink, directory: Path) -> None:
    """`discard` deletes this process's files and not those of others, and later events are delivered."""
    sink.answer_all(503)
    earlier = make(support.destination_to(sink.port))
    support.enqueue_numbers(earlier, [1])
    assert earlier._writer.flush(60)
    earlier.shutdown(0)
    [left] = support.spooled_files(directory)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [2])
    assert support.wait_until(lambda: len(support.spooled_files(directory)) == 2)
    support.enqueue_numbers(delivery, [3])
    delivery.discard()
    # The writer itself deletes a batch that it was making at that moment.
    assert support.wait_until(lambda: delivery.status().dropped == {"discarded": 2})
    assert support.spooled_files(directory) == [left]
    sink.answer = lambda events: support.Answer(503 if {2, 3} & {event["n"] for event in events} else 200)
    support.enqueue_numbers(delivery, [4])
    assert delivery.flush(60)
    assert sink.wait_for(2)
    assert sorted(sink.numbers()) == [1, 4]


def test_discard_includes_the_batch_being_written(make: Make, sink: support.Sink, directory: Path) -> None:
    """A batch that the writer is making during `discard` is not written."""

    def switch_off(record: object) -> object:
        delivery.discard()
        return record

    delivery = make(support.destination_to(sink.port), accept=switch_off)
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().dropped == {"discarded": 1})
    assert support.spooled_files(directory) == []
    assert sink.requests == []


def test_not_allowed_means_discarded(make: Make, sink: support.Sink, directory: Path) -> None:
    """While `allowed` returns False, events are discarded: nothing is written or sent."""
    delivery = make(support.destination_to(sink.port), allowed=lambda: False)
    support.enqueue_numbers(delivery, [1, 2])
    delivery.flush(60)
    assert sink.requests == []
    assert support.spooled_files(directory) == []
    assert delivery.status().dropped == {"discarded": 2}


@pytest.mark.usefixtures("lenient")
def test_a_destination_that_is_down_delays_no_other(make: Make, sink: support.Sink) -> None:
    """A stalled destination, or one whose exporter cannot be built, does not delay another one."""

    def broken() -> None:
        raise LookupError("no such exporter")

    with support.sinks(1) as [down]:
        down.answer_all(delay=60)
        delivery = make(
            support.destination_to(down.port, name="down"),
            support.destination_to(0, name="broken", build=broken),
            support.destination_to(sink.port),
        )
        support.enqueue_numbers(delivery, range(100))
        assert sink.wait_for(100)

        def states() -> dict[str, tuple[str, str, int]]:
            return {one.name: (one.state, one.reason, one.sent) for one in delivery.status().destinations}

        # The sender counts a batch when it has the answer, a moment after the sink received the batch.
        assert support.wait_until(lambda: states()["loop"] == ("ok", "", 100))
        assert states()["broken"] == ("unusable", "LookupError: no such exporter", 0)
        assert states()["down"][2] == 0


@pytest.mark.posix
def test_the_next_run_delivers_unsent_batches(make: Make, sink: support.Sink) -> None:
    """A later process with the same destination sends the batches on disk, and reports them as `waiting_earlier`."""
    sink.answer_all(503)
    first = make(support.destination_to(sink.port))
    support.enqueue_numbers(first, range(5))
    assert first._writer.flush(60)
    assert not first.shutdown(0.1)
    assert first.status().waiting_earlier == 0
    sink.answer_all(200)
    second = make(support.destination_to(sink.port))
    assert second.status().waiting_earlier == 5
    support.enqueue_numbers(second, [5])
    assert second.flush(60)
    assert sink.wait_for(6)
    assert sorted(sink.numbers()) == list(range(6))


def test_a_shutdown_without_a_timeout_starts_no_request(make: Make, sink: support.Sink) -> None:
    """`shutdown(0)` starts no request to a destination in back-off: the exit would cut it off."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=600))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "retrying")
    assert not delivery.shutdown(0)
    assert support.wait_until(lambda: delivery.status().threads == ())
    assert len(sink.requests) == 1


def test_a_failing_destination_is_silent(
    make: Make, sink: support.Sink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A destination that fails causes no log record above DEBUG, and no output."""
    caplog.set_level(logging.DEBUG)
    sink.answer_all(500)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    delivery.shutdown(0.3)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert capfd.readouterr() == ("", "")


def test_a_queue_shorter_than_a_batch_loses_nothing(make: Make, sink: support.Sink) -> None:
    """All accepted events are sent, even if the queue is smaller than a batch and each emit enqueues more."""
    accepted, emitter = 0, support.Emitter()

    def emit_and_enqueue(*event: Any) -> None:
        nonlocal accepted
        if accepted < 30:
            accepted += support.enqueue_numbers(delivery, [accepted])
        emitter(*event)

    limits = support.quick_limits(queue_events=3, batch_records=9)
    delivery = make(support.destination_to(sink.port), emit=emit_and_enqueue, limits=limits)
    emitter.delivery = delivery
    accepted += support.enqueue_numbers(delivery, [accepted])
    assert support.wait_until(lambda: delivery.status().sent + sum(delivery.status().dropped.values()) == 30)
    assert delivery.status().dropped == {}
