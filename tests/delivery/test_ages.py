"""Batches older than a week are dropped and counted; a jump of the wall clock makes no batch old."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery._batch import BatchName
from support import delivery as support
from support import spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]


class JumpingClock:
    """The machine's clocks, with a wall clock that a test can set."""

    def __init__(self) -> None:
        self.offset_days = 0.0

    def time_ns(self) -> int:
        """Return the wall clock's time, wrong by `offset_days`."""
        return time.time_ns() + int(self.offset_days * 86_400e9)

    def monotonic(self) -> float:
        """Return the true monotonic time."""
        return time.monotonic()


@pytest.mark.parametrize("days", [-400.0, -8.0, 8.0, 400.0])
def test_a_clock_that_is_set_loses_no_event(days: float, make: Make, sink: support.Sink) -> None:
    """If the wall clock is set while the destination is down, no event is lost, and each keeps its own time."""
    clock = JumpingClock()
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), clock=clock)
    for number in range(4):
        support.enqueue_numbers(delivery, [number])
        assert support.wait_until(lambda n=number: delivery.status().spooled == n + 1)
        clock.offset_days += days if number % 2 == 0 else -days
    assert support.wait_until(lambda: len(sink.requests) > 8)
    sink.answer_all(200)
    assert delivery.flush(60)
    assert sorted(sink.numbers()) == [0, 1, 2, 3]
    assert delivery.status().dropped == {}
    times = {event["n"]: event["time_ns"] for event in sink.arrived}
    assert abs(times[1] - times[0] - days * 86_400e9) < 60e9


def age(path: Path, days: float) -> None:
    """Make a spooled file `days` older."""
    name = BatchName.parse(path.name)
    assert name is not None
    older = BatchName(time_ns=name.time_ns - int(days * 86_400e9), token=name.token, count=name.count)
    path.rename(path.with_name(str(older)))


@pytest.mark.posix
def test_a_batch_that_is_too_old_gets_one_last_try(make: Make, sink: support.Sink, directory: Path) -> None:
    """A batch older than a week is delivered if the destination is up, and dropped and counted if it is down."""
    spool.leave_behind(make, sink, range(3))
    age(support.spooled_files(directory)[0], 8)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [100])
    assert delivery.flush(60)
    assert sorted(sink.numbers()) == [0, 1, 2, 100]
    delivery.shutdown(60)
    spool.leave_behind(make, sink, range(3), range(3, 5))
    age(support.spooled_files(directory)[0], 8)
    age(support.spooled_files(directory)[1], 6)
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=600))
    support.enqueue_numbers(delivery, [200])
    assert support.wait_until(lambda: delivery.status().dropped == {"expired": 3})
    assert delivery.status().waiting_earlier == 2


def cannot_be_built() -> None:
    """Fail to build an exporter."""
    raise ImportError("not installed")


@pytest.mark.posix
@pytest.mark.usefixtures("lenient")
def test_batches_expire_if_the_exporter_cannot_be_built(
    make: Make, sink: support.Sink, directory: Path
) -> None:
    """While the exporter cannot be built, a batch older than a week is dropped and counted, a newer one kept."""
    spool.leave_behind(make, sink, range(3), range(3, 5))
    old, new = support.spooled_files(directory)
    age(old, 8)
    age(new, 6)
    delivery = make(support.destination_to(sink.port, build=cannot_be_built))
    support.enqueue_numbers(delivery, [100])
    assert support.wait_until(lambda: delivery.status().dropped == {"expired": 3})
    assert delivery.status().waiting_earlier == 2


def test_nothing_is_built_while_consent_is_unknown(make: Make, sink: support.Sink) -> None:
    """While `allowed` returns None, the sender asks at each wake, and builds no exporter, so no batch can expire."""
    asked, builds = [], []

    def allowed() -> None:
        asked.append(threading.current_thread().name)

    delivery = make(support.destination_to(sink.port, build=lambda: builds.append(True)), allowed=allowed)
    for number in range(3):
        support.enqueue_numbers(delivery, [number])
        assert delivery._writer.flush(60)
        assert support.wait_until(lambda n=number: asked.count("tests-sender-loop") > n)
    assert builds == []


@pytest.mark.posix
def test_batches_of_an_unused_destination_expire(make: Make, sink: support.Sink, directory: Path) -> None:
    """A batch for an unused destination is dropped and counted after a week, and kept before."""
    spool.leave_behind(make, sink, range(3), range(3, 5))
    old, new = support.spooled_files(directory)
    age(old, 8)
    age(new, 1)
    delivery = make(support.destination_to(sink.port, name="another"))
    support.enqueue_numbers(delivery, [100])
    assert support.wait_until(lambda: delivery.status().dropped == {"expired": 3})
    assert delivery.flush(60)
    assert len(support.spooled_files(directory)) == 1
    assert sink.numbers() == [100]
