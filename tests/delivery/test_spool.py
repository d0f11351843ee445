"""The spool of one destination: private files, oldest first, within bounds."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery import _files
from mem0_telemetry.delivery._batch import BatchName
from support.spool import batch, spool

if TYPE_CHECKING:
    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make

pytestmark = pytest.mark.posix


def open_descriptors() -> list[str]:
    """Return the open descriptors of this process."""
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def test_other_users_cannot_read_the_spool(mailbox: Make, directory: Path) -> None:
    """Directories are 0700 and files 0600, whatever the umask, even if the directory was open to others before."""
    directory.mkdir(parents=True, mode=0o755)
    before = os.umask(0)
    try:
        mailbox().spool(batch())
    finally:
        os.umask(before)
    paths = [directory, *directory.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}


def test_only_one_process_at_a_time_can_claim_a_batch(mailbox: Make) -> None:
    """No other process can claim a claimed batch until it is released; a removed batch is gone for all."""
    mine, theirs = mailbox(), mailbox()
    mine.spool(batch())
    [name] = theirs.names()
    claim = mine.claim(name)
    assert claim is not None
    assert theirs.claim(name) is None
    claim.end("again")
    other = theirs.claim(name)
    assert other is not None
    assert mine.claim(name) is None
    theirs.done(name, other)
    assert mine.claim(name) is None
    assert mine.names() == []
    assert mine.outstanding() == set()


def test_a_file_removed_before_it_was_locked_cannot_be_claimed(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`claim` returns None if another process removed the file between our opening and locking it."""
    box = mailbox()
    box.spool(batch())
    [name] = box.names()
    flock = _files.fcntl.flock

    def raced(descriptor: int, operation: int) -> None:
        (spool(directory) / name).unlink(missing_ok=True)
        flock(descriptor, operation)

    monkeypatch.setattr(_files.fcntl, "flock", raced)
    assert box.claim(name) is None


def test_the_oldest_come_first(mailbox: Make) -> None:
    """The batches of all processes are listed by the time in their names."""
    mine, theirs = mailbox(), mailbox()
    for time_ns in (5, 3, 9):
        mine.spool(batch(time_ns))
        theirs.spool(batch(time_ns + 1))
    times = [name.time_ns for text in mine.names() if (name := BatchName.parse(text))]
    assert times == [3, 4, 5, 6, 9, 10]


def test_the_oldest_batches_beyond_the_bound_are_dropped(
    mailbox: Make, drops: Drops, directory: Path
) -> None:
    """The directory stays near its bound, with small files counted as blocks; dropped records are counted."""
    box = mailbox(spool_bytes=40 * 4096)
    for time_ns in range(100):
        box.spool(batch(time_ns, count=3))
    assert 30 <= len(list(spool(directory).iterdir())) <= 41
    left = box.names()
    assert drops.totals() == {"spool_full": 3 * (100 - len(left))}
    assert left == sorted(left)
    assert left[-1].startswith("00000000000000000099")


def test_the_bound_holds_for_all_processes_together(mailbox: Make, directory: Path, drops: Drops) -> None:
    """Processes that write to the same directory share one bound."""
    boxes = [mailbox(spool_bytes=200 * 4096) for _ in range(10)]
    for time_ns in range(1000):
        boxes[time_ns % 10].spool(batch(time_ns))
    left = len(list(spool(directory).iterdir()))
    assert left <= 200 + 10 * 4
    assert drops.totals() == {"spool_full": 1000 - left}


def test_a_batch_that_is_being_sent_is_not_dropped(mailbox: Make) -> None:
    """Making room does not drop a claimed batch."""
    box = mailbox(spool_bytes=4 * 4096)
    box.spool(batch(1))
    [oldest] = box.names()
    claim = box.claim(oldest)
    assert claim is not None
    for time_ns in range(2, 30):
        box.spool(batch(time_ns))
    assert oldest in box.names()
    assert len(box.names()) <= 6
    claim.end("again")


def test_old_batches_expire(mailbox: Make, drops: Drops) -> None:
    """`expire` drops and counts the batches written before the given time."""
    box = mailbox()
    for time_ns in (10, 20, 30):
        box.spool(batch(time_ns, count=2))
    box.expire(20)
    assert [name[:20] for name in box.names()] == [f"{20:020}", f"{30:020}"]
    assert drops.totals() == {"expired": 2}


def test_links_and_pipes_in_the_spool_are_left_alone(mailbox: Make, directory: Path, tmp_path: Path) -> None:
    """Another program cannot make us read elsewhere or block by putting a link or a pipe into the spool."""
    box = mailbox()
    box.spool(batch(5))
    secret = tmp_path / "secret"
    secret.write_text("private\n")
    link, pipe = str(BatchName.new(time_ns=1, count=1)), str(BatchName.new(time_ns=2, count=1))
    (spool(directory) / link).symlink_to(secret)
    os.mkfifo(spool(directory) / pipe)
    assert box.claim(link) is None
    assert box.claim(pipe) is None
    box.expire(3)
    assert secret.read_text() == "private\n"
    assert pipe in box.names()


def test_no_descriptor_stays_open(mailbox: Make) -> None:
    """Between calls, only the file of a claim is open."""
    box = mailbox()
    box.spool(batch(1))
    before = open_descriptors()
    box.spool(batch(2))
    first, _ = box.names()
    claim = box.claim(first)
    assert claim is not None
    assert len(open_descriptors()) == len(before) + 1
    claim.end("again")
    box.expire(10)
    assert open_descriptors() == before


def test_the_newest_records_are_kept_within_a_bound(mailbox: Make) -> None:
    """The records of the newest batches stay in memory, within a bound."""
    box = mailbox(cache_bytes=350)
    batches = [batch(time_ns) for time_ns in range(10)]
    for one in batches:
        box.spool(one)
    assert [one for one in batches if box.recent(one.name)] == batches[-3:]
    exact = mailbox(cache_bytes=300)
    for one in batches:
        exact.spool(one)
    assert [one for one in batches if exact.recent(one.name)] == batches[-3:]


def test_batches_of_other_processes_use_no_cache(mailbox: Make) -> None:
    """Sending batches of other processes does not use up the memory for the newest batches."""
    mine, theirs = mailbox(cache_bytes=300), mailbox()
    for time_ns in range(150):
        theirs.spool(batch(time_ns))
    for name in mine.names():
        claim = mine.claim(name)
        assert claim is not None
        mine.done(name, claim)
    batches = [batch(time_ns) for time_ns in range(10)]
    for one in batches:
        mine.spool(one)
    assert [one for one in batches if mine.recent(one.name)] == batches[-3:]
