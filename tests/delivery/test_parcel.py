"""The packer claims free batches in order, up to a number of records, and handles unreadable ones."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.delivery import Limits
from mem0_telemetry.delivery._batch import MAX_BYTES, MAX_RECORDS, Batch, BatchName, Claim
from mem0_telemetry.delivery._encode import encode
from mem0_telemetry.delivery._parcel import Packer
from support import delivery as support
from support.spool import RECORD, batch, spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._mailbox import Mailbox
    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make

    Accept = Callable[[ReadableLogRecord], ReadableLogRecord | None]


pytestmark = pytest.mark.posix


def always(_: Any) -> bool:
    """Let every batch join."""
    return True


def packer(mailbox: Mailbox, drops: Drops, accept: Accept = lambda record: record, most: int = 5) -> Packer:
    """Return a packer for `mailbox` that keeps the records that `accept` returns, at most `most` in a parcel."""
    return Packer(support.wiring(drops, accept=accept, limits=Limits(batch_records=most)), mailbox)


def readable(time_ns: int, count: int) -> Batch:
    """Return a batch that another process can read."""
    return Batch.of(str(BatchName.new(time_ns=time_ns, count=count)), [(RECORD, encode(RECORD))] * count)


@pytest.mark.parametrize(("most", "claimed"), [(1, 1), (3, 1), (4, 2), (5, 2), (6, 3), (100, 4)])
def test_a_parcel_has_as_many_batches_as_fit(mailbox: Make, drops: Drops, most: int, claimed: int) -> None:
    """A parcel has the oldest batch, whatever its size, and the next ones as long as all records fit the bound."""
    box = mailbox()
    for time_ns in range(4):
        box.spool(batch(time_ns, count=2))
    parcel = packer(box, drops, most=most).pack(box.names(), always)
    assert parcel is not None
    assert parcel.names == box.names()[:claimed]
    assert len(parcel.records) == 2 * claimed
    parcel.done()
    assert len(box.names()) == 4 - claimed


def test_one_request_keeps_few_files_open(mailbox: Make, drops: Drops) -> None:
    """A parcel has at most 32 batches, each with an open file, because the application needs descriptors too."""
    box = mailbox()
    for time_ns in range(100):
        box.spool(batch(time_ns))
    parcel = packer(box, drops, most=500).pack(box.names(), always)
    assert parcel is not None
    assert parcel.names == box.names()[:32]
    assert len(box._disk._files._held) == 32


@pytest.mark.parametrize(("alone", "claimed"), [(0, [0]), (1, [0]), (2, [0, 1])])
def test_a_batch_that_may_not_join_is_alone(
    mailbox: Make, drops: Drops, alone: int, claimed: list[int]
) -> None:
    """A batch that must not join others is alone in its parcel, or the parcel ends before it."""
    box = mailbox()
    for time_ns in range(4):
        box.spool(batch(time_ns))
    names = box.names()
    parcel = packer(box, drops).pack(names, lambda name: name != names[alone])
    assert parcel is not None
    assert parcel.names == [names[number] for number in claimed]


def test_claimed_batches_are_skipped(mailbox: Make, drops: Drops) -> None:
    """Batches that another process has claimed are skipped; if all are claimed, there is no parcel."""
    mine, theirs = mailbox(), mailbox()
    for time_ns in range(2):
        mine.spool(batch(time_ns))
    first, second = mine.names()
    claim = theirs.claim(first)
    assert claim is not None
    parcel = packer(mine, drops).pack([first, second], always)
    assert parcel is not None
    assert parcel.names == [second]
    assert packer(theirs, drops).pack([first, second], always) is None
    assert packer(mine, drops).pack([], always) is None
    parcel.release()
    assert theirs.claim(second) is not None


def test_batches_of_other_processes_are_decoded(mailbox: Make, drops: Drops) -> None:
    """Batches of other processes are decoded, and their records come in order with ours."""
    mine, theirs = mailbox(), mailbox()
    theirs.spool(readable(1, count=2))
    mine.spool(batch(2))
    parcel = packer(mine, drops).pack(mine.names(), always)
    assert parcel is not None
    assert len(parcel.records) == 3
    assert parcel.records[2] is RECORD
    assert drops.totals() == {}


def test_a_damaged_batch_is_renamed_and_counted(mailbox: Make, drops: Drops, directory: Path) -> None:
    """A damaged batch is counted once, renamed to `.corrupt` until it expires, and does not stop the next batch."""
    mailbox().spool(batch(1, count=3))
    box = mailbox()
    [damaged] = box.names()
    box.spool(batch(2))
    parcel = packer(box, drops).pack(box.names(), always)
    assert parcel is not None
    assert len(parcel.records) == 1
    assert drops.totals() == {"corrupt": 3}
    assert (spool(directory) / f"{damaged}.corrupt").exists()
    assert damaged not in box.names()
    box.expire(10)
    assert not (spool(directory) / f"{damaged}.corrupt").exists()
    assert drops.totals()["corrupt"] == 3


def spooled(directory: Path, count: int, line: bytes) -> str:
    """Write a file whose name contains `count`; return the name."""
    name = str(BatchName.new(time_ns=1, count=count))
    (spool(directory) / name).write_bytes(line)
    return name


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (3, b" " * MAX_BYTES + b"\n"),
        (1, readable(1, count=2).line),
        (MAX_RECORDS + 1, readable(1, count=MAX_RECORDS + 1).line),
    ],
    ids=["too large", "more records than its name says", "more records than any"],
)
def test_an_oversized_file_is_not_sent(
    mailbox: Make, drops: Drops, directory: Path, count: int, line: bytes
) -> None:
    """A file that is too large or has too many records is counted by its name, renamed, and not sent."""
    box = mailbox()
    box.spool(readable(2, count=1))
    name = spooled(directory, count, line)
    parcel = packer(box, drops).pack(box.names(), always)
    assert parcel is not None
    assert len(parcel.records) == 1
    assert drops.totals() == {"corrupt": count}
    assert (spool(directory) / f"{name}.corrupt").exists()


def test_missing_records_are_counted(mailbox: Make, drops: Drops, directory: Path) -> None:
    """A file with fewer records than its name says is sent, and the missing records are counted as `corrupt`."""
    mailbox().spool(batch(9))
    name = spooled(directory, 5, readable(1, count=2).line)
    parcel = packer(mailbox(), drops).pack([name], always)
    assert parcel is not None
    assert len(parcel.records) == 2
    assert drops.totals() == {"corrupt": 3}


def with_two_batches(mailbox: Make) -> Mailbox:
    """Return a mailbox in which another process has left two batches."""
    mailbox().spool(readable(1, count=2))
    mailbox().spool(readable(2, count=3))
    return mailbox()


def test_a_batch_is_read_again_after_a_disk_error(
    mailbox: Make, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a disk error, the batch is skipped, not counted, and read again later."""
    box = with_two_batches(mailbox)
    names = box.names()
    read = os.read

    def fail_once(*_: object) -> bytes:
        monkeypatch.setattr(os, "read", read)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail_once)
    parcel = packer(box, drops).pack(names, always)
    assert parcel is not None
    assert parcel.names == names[1:]
    assert drops.totals() == {}
    parcel.done()
    later = packer(box, drops).pack(box.names(), always)
    assert later is not None
    assert later.names == names[:1]


@pytest.mark.usefixtures("lenient")
def test_an_error_in_our_code_leaves_no_batch_claimed(
    mailbox: Make, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch on which our own code fails is skipped and released at once, and the next ones are packed."""
    box = with_two_batches(mailbox)
    names = box.names()

    def fail_once(*_: object) -> bytes:
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(Claim, "read", fail_once)
    parcel = packer(box, drops).pack(names, always)
    assert parcel is not None
    assert parcel.names == names[1:]
    assert mailbox().claim(names[0]) is not None
    assert drops.totals() == {}


@pytest.mark.parametrize(("made", "reason"), [(readable, "rejected"), (batch, "corrupt")])
def test_a_batch_without_records_that_cannot_be_removed(
    mailbox: Make,
    drops: Drops,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[..., Batch],
    reason: str,
) -> None:
    """A batch without records to send that cannot be removed is skipped, and counted once it is removed."""
    mailbox().spool(made(1, count=3))
    box = mailbox()

    def refuse(*args: object, **kwargs: object) -> None:
        del args, kwargs
        raise PermissionError(13, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        patched.setattr(os, "replace", refuse)
        assert packer(box, drops, lambda _: None).pack(box.names(), always) is None
    assert drops.totals() == {}
    parcel = packer(box, drops, lambda _: None).pack(box.names(), always)
    assert parcel is not None
    assert parcel.names == box.names() == []
    assert drops.totals() == {reason: 3}


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_records_of_other_processes_are_selected_again(
    error: type[BaseException], mailbox: Make, drops: Drops
) -> None:
    """Records of other processes pass through `accept`; those that it rejects or fails on are counted."""
    answers = iter([None, RECORD, error, None])

    def accept(_: ReadableLogRecord) -> ReadableLogRecord | None:
        answer = next(answers)
        if answer is error:
            raise error
        return answer  # type: ignore[return-value]

    theirs, mine = mailbox(), mailbox()
    theirs.spool(readable(1, count=3))
    theirs.spool(readable(2, count=1))
    first, second = mine.names()
    parcel = packer(mine, drops, accept).pack([first, second], always)
    assert parcel is not None
    assert parcel.records == [RECORD]
    assert parcel.names == [first]
    assert drops.totals() == {"rejected": 3}
    assert mine.names() == [first]
