"""Races between processes that share a directory; each test forces one order of events."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.base.clock import SystemClock
from mem0_telemetry.delivery import _history
from mem0_telemetry.delivery._disk_store import DiskStore
from mem0_telemetry.delivery._mailbox import Mailbox, MemoryStore
from mem0_telemetry.delivery.reading import history, purge
from support import delivery as support
from support.spool import batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make as MakeMailbox

    Make = Callable[..., Delivery]

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]
fcntl = pytest.importorskip("fcntl")


# --- two writers of one history ---


@pytest.mark.parametrize("moment", ["before it is locked", "while the other holds the lock"])
def test_a_history_that_two_processes_create_has_both_entries(directory: Path, moment: str) -> None:
    """If another process claims a new history before its creator locks it, the file has the entries of both."""
    directory.mkdir(parents=True)
    first = _history.History(root=directory, clock=SystemClock())
    other = _history.History(root=directory, clock=SystemClock())
    lock, close, pause = first._files._lock, other._files.close, support.Pause()
    closed = []

    def add(log: _history.History, name: str) -> None:
        log.add(destination=name, result="sent", count=1, line=b"{}\n")

    def close_late(descriptor: int) -> None:
        closed.append(descriptor)
        if len(closed) == 1:  # the new file is in place, the old one still locked
            pause.here()
        close(descriptor)

    def lock_late(descriptor: int) -> None:
        first._files._lock = lock  # type: ignore[method-assign]
        if moment == "before it is locked":
            add(other, "other")
            lock(descriptor)
            return
        other._files.close = close_late  # type: ignore[method-assign]
        threading.Thread(target=add, args=(other, "other")).start()
        pause.wait()
        try:
            lock(descriptor)
        finally:
            threading.Timer(0.05, pause.end).start()

    first._files._lock = lock_late  # type: ignore[method-assign]
    add(first, "first")
    assert support.wait_until(lambda: len(history(directory)) == 2)
    assert {entry["destination"] for entry in history(directory)} == {"first", "other"}


def test_temporary_files_of_the_history_are_purged(directory: Path) -> None:
    """`purge` also deletes the temporary file that a killed writer of the history left: it contains a batch too."""
    directory.mkdir(parents=True)
    (directory / (_history.FILE + ".0a1b2c3d.aside")).write_text("{}\n")
    assert purge(directory) == (0, ())
    assert support.files(directory) == []


# --- a batch that another process holds ---


def test_a_flush_waits_for_another_process_that_sends_our_batch(
    make: Make, sink: support.Sink, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush waits while another process sends our batch, even if our own sender checks rarely."""
    held: list[int] = []
    claim = Mailbox.claim

    def claim_late(mailbox: Mailbox, name: str) -> Any:
        if not held:
            held.append(os.open(support.spooled_files(directory)[0], os.O_RDWR))
            fcntl.flock(held[0], fcntl.LOCK_EX)  # as another process would
        return claim(mailbox, name)

    def finish() -> None:
        support.spooled_files(directory)[0].unlink()
        os.close(held[0])

    monkeypatch.setattr(Mailbox, "claim", claim_late)
    monkeypatch.setattr("mem0_telemetry.delivery._sender._BUSY_AT_FIRST", 600)
    limits = support.quick_limits(busy_interval=600)
    delivery = make(support.destination_to(sink.port), limits=limits)
    support.enqueue_numbers(delivery, [1])
    [sender] = delivery._senders
    assert support.wait_until(lambda: held and sender._busy_for and not sender._working)
    threading.Timer(0.2, finish).start()
    assert delivery.flush(60)
    assert sink.requests == []


def test_a_batch_on_disk_is_not_kept_in_memory_too(
    mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If making room fails after a batch was written to disk, the batch is not also kept in memory."""

    def fail(*_: Any) -> None:
        raise OSError("no descriptors left")

    monkeypatch.setattr(DiskStore, "_make_room", fail)
    box = mailbox()
    box.spool(batch(1))
    assert box.on_disk
    assert len(box.names()) == 1


def test_a_batch_chosen_to_be_dropped_cannot_be_claimed(drops: Drops) -> None:
    """No sender can claim a batch after the store has chosen to drop it."""
    store, claimed = MemoryStore(max_bytes=150, drops=drops), []
    old, new = batch(1), batch(2)
    store.write(old.name, old.line)
    delete = store.delete

    def delete_late(names: Iterable[str]) -> int:
        other = threading.Thread(target=lambda: claimed.append(store.claim(old.name)))
        other.start()
        other.join(0.1)
        return delete(names)

    store.delete = delete_late  # type: ignore[method-assign]
    store.write(new.name, new.line)
    assert drops.totals() == {"spool_full": 1}
    assert support.wait_until(lambda: claimed == [None])
