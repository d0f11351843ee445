"""Races between two threads or processes; each test forces one order of events."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.base.clock import SystemClock
from mem0_telemetry.delivery import _history, _sender
from mem0_telemetry.delivery._disk_store import DiskStore
from mem0_telemetry.delivery._parcel import Packer
from mem0_telemetry.delivery._senders import Senders
from mem0_telemetry.delivery._threads import Worker
from mem0_telemetry.delivery.reading import purge
from support import delivery as support
from support.spool import batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from support.spool import Make as MakeMailbox

    Make = Callable[..., Delivery]

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]


# --- while the threads start or end ---


def test_a_flush_while_another_thread_starts_ours(
    make: Make, sink: support.Sink, pause: support.Pause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush during the first event waits until that event has started the threads."""
    start = Senders.start

    def start_late(senders: Senders) -> None:
        pause.here()
        start(senders)

    monkeypatch.setattr(Senders, "start", start_late)
    delivery = make(support.destination_to(sink.port))
    first = threading.Thread(target=support.enqueue_numbers, args=(delivery, [1]))
    first.start()
    pause.wait()
    support.enqueue_numbers(delivery, [2])
    threading.Timer(0.1, pause.end).start()
    assert delivery.flush(60)
    assert sorted(sink.numbers()) == [1, 2]
    first.join()


@pytest.mark.parametrize("memory", [False, True])
def test_a_first_event_while_another_thread_flushes(
    make: Make, sink: support.Sink, pause: support.Pause, directory: Path, *, memory: bool
) -> None:
    """If a flush holds the lock for starting threads during the first event, the flush starts the threads."""
    delivery = make(support.destination_to(sink.port), directory=None if memory else directory)
    lock = delivery._starting

    class HeldByFlush:
        @staticmethod
        def acquire(**kwargs: Any) -> bool:
            taken = lock.acquire(**kwargs)
            if threading.current_thread().name == "flushing":
                pause.here()
            return taken

        release = staticmethod(lock.release)

    delivery._starting = HeldByFlush  # type: ignore[assignment]
    done: list[bool] = []
    flushing = threading.Thread(target=lambda: done.append(delivery.flush(60)), name="flushing")
    flushing.start()
    pause.wait()
    support.enqueue_numbers(delivery, [1])
    pause.end()
    flushing.join()
    assert sink.wait_for(1)
    assert done == [True]


def test_a_flush_while_the_writer_ends(
    make: Make, sink: support.Sink, pause: support.Pause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the writer ends after a flush has found it alive, the flush writes the rest itself."""
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)
    emit, alive = delivery._writer._emit, Worker.alive.fget
    assert alive is not None

    def emit_late(*event: Any) -> None:
        pause.here()
        emit(*event)

    def alive_before_it_ends(worker: Worker) -> Any:
        answer = alive(worker)
        if worker is delivery._writer.worker and threading.current_thread().name == "flushing" and answer:
            pause.end()
            ending = threading.Thread(target=delivery.shutdown, args=(60,))
            ending.start()
            ending.join()
        return answer

    delivery._writer._emit = emit_late
    support.enqueue_numbers(delivery, [2])
    pause.wait()
    monkeypatch.setattr(Worker, "alive", property(alive_before_it_ends))
    done: list[bool] = []
    flushing = threading.Thread(target=lambda: done.append(delivery.flush(60)), name="flushing")
    flushing.start()
    flushing.join(60)
    assert done == [True]
    assert sink.numbers() == [1, 2]


def test_a_batch_answered_right_before_the_exit_is_removed(directory: Path, sink: support.Sink) -> None:
    """A batch that is answered right before the process ends is removed, and not sent again."""
    code = """
from mem0_telemetry.delivery._history import History
add, answered = History.add, threading.Event()
def add_slowly(*args, **kwargs): answered.set(); time.sleep(0.3); add(*args, **kwargs)
History.add = add_slowly
d = to_sink(D, P, exit_timeout=0)
enqueue_numbers(d, [1])
assert answered.wait(60)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
    assert sink.numbers() == [1]
    assert support.spooled_files(directory) == []


# --- while telemetry is switched off ---


def test_a_request_that_ends_after_a_purge_is_not_in_the_history(
    make: Make, sink: support.Sink, directory: Path
) -> None:
    """A request that ends after another process has switched off and purged leaves nothing on disk."""
    on, answered = [True], threading.Event()
    sink.answer = lambda _: (answered.wait(60), support.Answer())[1]
    delivery = make(support.destination_to(sink.port), allowed=lambda: on[0])
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: sink.requests)
    on[0] = False
    assert purge(directory) == (1, ())
    answered.set()
    assert support.wait_until(lambda: delivery.status().sent == 1)
    delivery.shutdown(60)
    assert support.files(directory) == []


def test_switched_off_during_the_wait_for_the_history(directory: Path) -> None:
    """If telemetry is switched off while `add` waits for the lock, it writes nothing and leaves no new file."""
    directory.mkdir(parents=True)
    answers = iter([True, False, True, False, False])
    log = _history.History(root=directory, clock=SystemClock(), allowed=lambda: next(answers))
    log.add(destination="d", result="sent", count=1, line=b"{}\n")
    assert support.files(directory) == []
    (directory / _history.FILE).write_text("{}\n")
    log.add(destination="d", result="sent", count=1, line=b"{}\n")
    assert (directory / _history.FILE).read_text() == "{}\n"
    shutil.rmtree(directory)
    log.add(destination="d", result="sent", count=1, line=b"{}\n")
    assert not directory.exists()


def test_no_request_begins_after_a_discard(
    make: Make, sink: support.Sink, pause: support.Pause, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that the sender has packed before a discard is not sent."""
    on, pack = [True], Packer.pack

    def pack_slowly(*args: Any) -> Any:
        parcel = pack(*args)
        pause.here()
        return parcel

    monkeypatch.setattr(Packer, "pack", pack_slowly)
    delivery = make(support.destination_to(sink.port), allowed=lambda: on[0])
    support.enqueue_numbers(delivery, [1])
    pause.wait()
    on[0] = False
    delivery.discard()
    pause.end()
    delivery.shutdown(60)
    assert sink.requests == []
    assert support.files(directory) == []
    assert delivery.status().dropped == {"discarded": 1}


def test_consent_is_checked_three_times_for_a_request(
    make: Make, sink: support.Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender reads the stored consent only 3 times: before a request, before opening the history, under its lock."""
    asked: list[str] = []
    monkeypatch.setattr(_sender, "_ASK_AGAIN", 600)
    delivery = make(
        support.destination_to(sink.port),
        allowed=lambda: bool(asked.append(threading.current_thread().name)) or True,
    )
    for number in (1, 2):
        asked.clear()
        support.enqueue_numbers(delivery, [number])
        assert delivery.flush(60)
        assert support.wait_until(lambda: not next(iter(delivery._senders))._working)
    assert asked.count("tests-sender-loop") == 3


@pytest.mark.parametrize("allowed", [False, None])
def test_without_consent_files_of_other_processes_are_left_alone(
    make: Make, mailbox: MakeMailbox, sink: support.Sink, directory: Path, *, allowed: bool | None
) -> None:
    """Without consent, no exporter is built, and the files of other processes are neither read, renamed nor dropped."""
    others = mailbox()
    others.spool(batch(1, count=2))
    unreadable = support.spooled_files(directory)[0].with_name(f"{1:020d}-00000000-3.v1.jsonl")
    unreadable.write_text("{}\n")
    before = support.spooled_files(directory)
    asked = threading.Event()
    delivery = make(
        support.destination_to(sink.port, build=pytest.fail),
        accept=lambda _: None,
        allowed=lambda: (asked.set(), allowed)[1],
    )
    support.enqueue_numbers(delivery, [1])
    delivery.flush(60)
    assert asked.is_set()
    assert support.spooled_files(directory) == before
    assert set(delivery.status().dropped) <= {"discarded", "rejected"}
    assert delivery.status().destinations[0].state == "ok"


def test_consent_that_is_unknown_right_before_a_request(make: Make, sink: support.Sink) -> None:
    """If consent is unknown right before a request, the sender pauses before it asks again."""
    asked: list[bool | None] = []

    def allowed() -> bool | None:
        if threading.current_thread().name != "tests-sender-loop":
            return True
        asked.append(None if asked else True)
        return asked[-1]

    delivery = make(support.destination_to(sink.port), allowed=allowed)
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: len(asked) > 1)
    assert support.wait_until(lambda: not next(iter(delivery._senders))._working)
    assert sink.requests == []


def test_withdrawn_consent_is_noticed_during_a_back_off(make: Make, sink: support.Sink) -> None:
    """A sender in a long back-off notices that consent was withdrawn, and deletes the spooled batches."""
    on = [True]
    sink.answer_all(503)
    limits = support.quick_limits(backoff_initial=600)
    delivery = make(support.destination_to(sink.port), allowed=lambda: on[0], limits=limits)
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "retrying")
    on[0] = False
    assert support.wait_until(lambda: delivery.status().dropped == {"discarded": 1})
    assert delivery.status().destinations[0].waiting == 0


def test_a_batch_written_during_a_purge_is_deleted(
    make: Make, sink: support.Sink, pause: support.Pause, directory: Path
) -> None:
    """A batch that is written to disk right after another process has purged the spool is deleted."""
    on, selecting = [True], threading.Event()

    def accept(record: Any) -> Any:
        if selecting.is_set():
            pause.here()
        return record

    sink.answer_all(503)
    limits = support.quick_limits(backoff_initial=600)
    delivery = make(support.destination_to(sink.port), accept=accept, allowed=lambda: on[0], limits=limits)
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "retrying")
    selecting.set()
    support.enqueue_numbers(delivery, [2])
    pause.wait()
    on[0] = False
    purge(directory)
    pause.end()
    assert support.wait_until(lambda: delivery.status().spooled == 2)
    assert support.wait_until(lambda: support.files(directory) == [])


def test_a_discard_waits_for_the_write(
    make: Make, sink: support.Sink, pause: support.Pause, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`discard` waits for a batch that the writer has just put on disk, until the writer deletes it."""
    on, write = [True], DiskStore.write

    def write_slowly(*args: Any) -> None:
        write(*args)
        pause.here()

    sink.answer_all(503)
    limits = support.quick_limits(backoff_initial=600)
    delivery = make(support.destination_to(sink.port), allowed=lambda: on[0], limits=limits)
    support.enqueue_numbers(delivery, [1])
    # The sender backs off from here on, so it holds no batch.
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "retrying")
    monkeypatch.setattr(DiskStore, "write", write_slowly)
    support.enqueue_numbers(delivery, [2])
    pause.wait()
    on[0] = False
    threading.Timer(0.2, pause.end).start()
    delivery.discard()
    assert support.spooled_files(directory) == []
    assert delivery.status().dropped == {"discarded": 2}


def test_a_purge_removes_batches_spooled_meanwhile(
    mailbox: MakeMailbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`purge` also removes a batch that is spooled meanwhile, and returns the number of events it found first."""
    box, rmtree = mailbox(), shutil.rmtree
    box.spool(batch(1, count=2))

    def remove_and_spool(*args: Any, **kwargs: Any) -> None:
        monkeypatch.undo()
        rmtree(*args, **kwargs)
        box.spool(batch(2, count=3))

    monkeypatch.setattr(shutil, "rmtree", remove_and_spool)
    assert purge(directory) == (2, ())
    assert support.files(directory) == []


@pytest.mark.parametrize("emitted", [False, True])
def test_events_after_a_discard_are_delivered(
    make: Make, sink: support.Sink, pause: support.Pause, *, emitted: bool
) -> None:
    """An event enqueued after a discard is delivered, even if the writer was making a discarded batch."""
    delivery = make(support.destination_to(sink.port))
    emit = delivery._writer._emit

    def emit_slowly(*event: Any) -> None:
        if emitted:
            emit(*event)
        pause.here()
        if not emitted:
            emit(*event)

    delivery._writer._emit = emit_slowly
    with delivery._writer._writing:  # so the writer finds all three together
        support.enqueue_numbers(delivery, [1, 2, 3])
    pause.wait()
    delivery.discard()
    support.enqueue_numbers(delivery, [4])
    pause.end()
    assert delivery.flush(60)
    assert sink.numbers() == [4]
    assert delivery.status().dropped == {"discarded": 3}


# --- a signal handler or a finalizer interrupts our code ---

_INTERRUPTED = """
import faulthandler; faulthandler.dump_traceback_later(60, exit=True)
d = to_sink(D, P)
enqueue_numbers(d, [1]); assert d._writer.flush(60)
class Interrupting(set):  # changed while the mailbox's lock is held
    done = False
    def __isub__(self, gone):
        if not self.done and threading.current_thread() is threading.main_thread() and now():
            self.done = True
            interrupt()
        return super().__isub__(gone)
now = lambda: True
mailbox = d._senders._all[0].mailbox
mailbox._own = Interrupting(mailbox._own)
"""


@pytest.mark.parametrize("call", ["flush(0.1)", "shutdown(0.1)", "discard()", "status()"])
def test_a_signal_handler_that_interrupts_a_flush(directory: Path, sink: support.Sink, call: str) -> None:
    """A signal handler that interrupts a flush may call the delivery without a deadlock."""
    sink.answer_all(503)
    code = f"""{_INTERRUPTED}
signal.signal(signal.SIGTERM, lambda *_: (d.{call}, print("handled")))
interrupt = lambda: os.kill(os.getpid(), signal.SIGTERM)
d.flush(0.5)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.out, finished.err) == (0, "handled\n", "")


def test_a_finalizer_that_records_at_exit(directory: Path, sink: support.Sink) -> None:
    """A finalizer that records an event while the exit holds the mailbox's lock writes it, and the process ends."""
    sink.answer_all(503)
    code = f"""{_INTERRUPTED}
now = lambda: d._exit_deadline is not None
interrupt = lambda: enqueue_numbers(d, [2])
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
    assert len(support.spooled_files(directory)) == 2
