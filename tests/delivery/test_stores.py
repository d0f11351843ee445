"""The two stores of batches, on disk and in memory, behave alike; some tests cover faults of one only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery import _files
from mem0_telemetry.delivery._batch import MAX_BYTES, BatchName
from mem0_telemetry.delivery._disk_store import DiskStore
from mem0_telemetry.delivery._mailbox import MemoryStore
from support.spool import batch, spool

if TYPE_CHECKING:
    from pathlib import Path

    from mem0_telemetry.delivery._disk_store import DiskStore as Store
    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make


pytestmark = pytest.mark.posix


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, directory: Path, drops: Drops) -> Store:
    """Return an empty store."""
    if request.param == "disk":
        return DiskStore(root=directory, mailbox="loop-abc123", max_bytes=2**20, drops=drops)
    return MemoryStore(max_bytes=2**20, drops=drops)


def filled(store: Store, *counts: int) -> list[str]:
    """Write a batch for each number of records; return their names, oldest first."""
    names = []
    for time_ns, count in enumerate(counts):
        one = batch(time_ns, count=count)
        store.write(one.name, one.line)
        names.append(one.name)
    return names


def test_a_claim_holds_until_it_ends(store: Store) -> None:
    """A claimed batch can be read and not claimed twice; once released it can be claimed again, once removed not."""
    [name] = filled(store, 1)
    claim = store.claim(name)
    assert claim is not None
    assert claim.read() == b"x" * 99 + b"\n"
    assert store.claim(name) is None
    claim.end("again")
    claim = store.claim(name)
    assert claim is not None
    claim.end("done")
    claim.end("again")
    assert store.claim(name) is None
    assert store.names() == []


def test_a_claimed_batch_does_not_expire(store: Store, drops: Drops) -> None:
    """`expire` skips a claimed batch, counts the others once, and drops that batch after its release."""
    names = filled(store, 1, 2, 3, 4)
    claim = store.claim(names[1])
    assert claim is not None
    store.expire(names[3])
    assert store.names() == [names[1], names[3]]
    assert drops.totals() == {"expired": 4}
    claim.end("again")
    store.expire(names[3])
    assert store.names() == [names[3]]
    assert drops.totals() == {"expired": 6}


def test_delete_removes_claimed_batches_too(store: Store, drops: Drops) -> None:
    """`delete` removes claimed batches too, and returns the number of records, which the store does not count."""
    names = filled(store, 1, 2, 3)
    assert store.claim(names[0]) is not None
    assert store.delete([*names[:2], "no such batch"]) == 3
    assert store.names() == [names[2]]
    assert drops.totals() == {}


def test_a_claimed_batch_that_is_deleted(store: Store) -> None:
    """A claim on a batch that was deleted meanwhile ends normally, and its name can be used again."""
    [name] = filled(store, 1)
    claim = store.claim(name)
    assert claim is not None
    store.delete([name])
    claim.end("done")
    assert store.names() == []
    store.write(name, b"y")
    assert store.claim(name) is not None


def test_an_empty_store_creates_no_directory(store: Store, drops: Drops, directory: Path) -> None:
    """Before the first batch, no method finds or counts anything, or creates the directory."""
    assert store.names() == []
    assert store.claim("no such batch") is None
    store.expire("9")
    assert store.delete(["no such batch"]) == 0
    assert drops.totals() == {}
    assert not directory.exists()


def test_a_newer_format_is_left_alone(mailbox: Make, directory: Path, drops: Drops) -> None:
    """A file in a newer format is not listed, and not dropped for its age or for room."""
    box = mailbox(spool_bytes=4 * 4096)
    box.spool(batch(5))
    newer = spool(directory) / str(BatchName(time_ns=1, token="0" * 8, count=9, version=2))
    newer.write_bytes(b"x\n")
    for time_ns in range(6, 20):
        box.spool(batch(time_ns))
    box.expire(10)
    assert newer.exists()
    assert newer.name not in box.names()
    assert set(drops.totals()) == {"spool_full"}


def test_reading_an_ended_claim_raises(directory: Path, drops: Drops) -> None:
    """Reading a claim after its end raises: its descriptor's number may now belong to another file."""
    store = DiskStore(root=directory, mailbox="loop-abc123", max_bytes=2**20, drops=drops)
    [name] = filled(store, 1)
    claim = store.claim(name)
    assert claim is not None
    claim.end("again")
    with pytest.raises(FileNotFoundError):
        claim.read()
    claim.end("done")
    assert store.names() == [name]


def test_a_file_that_is_too_large_is_not_read_into_memory(directory: Path, drops: Drops) -> None:
    """A file larger than `MAX_BYTES` is refused before it is read; a file of that size is read."""
    store = DiskStore(root=directory, mailbox="loop-abc123", max_bytes=2**20, drops=drops)
    [name] = filled(store, 1)
    claim = store.claim(name)
    assert claim is not None
    os.truncate(spool(directory) / name, MAX_BYTES)
    assert len(claim.read()) == MAX_BYTES
    os.truncate(spool(directory) / name, MAX_BYTES + 1)
    with pytest.raises(_files.NotOursError, match="larger"):
        claim.read()
    claim.end("again")


@pytest.mark.parametrize("excess", [0, 1])
def test_an_oversized_batch_stays_in_memory(mailbox: Make, directory: Path, excess: int) -> None:
    """A batch larger than `MAX_BYTES` is not written to disk; it stays in memory, and this process sends it."""
    box = mailbox()
    box.spool(batch(size=MAX_BYTES + excess))
    assert box.on_disk == (not excess)
    assert len(box.names()) == 1
    assert len(list(directory.rglob("*.jsonl"))) == (not excess)


def test_files_are_written_and_read_completely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written and read completely even if each system call transfers only a few bytes."""
    write, read = os.write, os.read
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))
    monkeypatch.setattr(os, "read", lambda descriptor, _: read(descriptor, 3))
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    _files.write_all(descriptor, b"0123456789")
    assert _files.read_all(descriptor, 10) == b"0123456789"
    with pytest.raises(_files.NotOursError):
        _files.read_all(descriptor, 9)
    os.close(descriptor)


def test_own_and_other_records_are_counted_separately(mailbox: Make) -> None:
    """`waiting` counts unsent records of this process and of others separately, and no sent ones."""
    mine, theirs = mailbox(), mailbox()
    mine.spool(batch(1, count=2))
    mine.spool(batch(2, count=3))
    theirs.spool(batch(3, count=4))
    assert mine.waiting() == (5, 4)
    assert theirs.waiting() == (4, 5)
    name = mine.names()[0]
    claim = mine.claim(name)
    assert claim is not None
    mine.done(name, claim)
    assert mine.waiting() == (3, 4)
    assert mine.recent(name) is None


@pytest.mark.parametrize("root", ["disk", "memory"])
def test_a_mailbox_drops_old_batches(mailbox: Make, drops: Drops, root: str) -> None:
    """Batches that are too old are dropped and counted, on disk and in memory."""
    box = mailbox() if root == "disk" else mailbox(None)
    assert box.on_disk == (root == "disk")
    for time_ns in (1, 2, 3):
        box.spool(batch(time_ns, count=2))
    box.expire(3)
    assert len(box.names()) == 1
    assert drops.totals() == {"expired": 4}


@pytest.mark.parametrize("root", ["disk", "memory"])
def test_delete_own_deletes_and_counts(mailbox: Make, drops: Drops, root: str) -> None:
    """`delete_own` deletes and counts this process's batches; those of other processes stay."""
    mine, theirs = (mailbox() if root == "disk" else mailbox(None)), mailbox()
    theirs.spool(batch(1))
    mine.spool(batch(2, count=2))
    name = mine.names()[-1]
    mine.delete_own()
    assert drops.totals() == {"discarded": 2}
    assert mine.recent(name) is None
    assert mine.outstanding() == set()
    assert mine.waiting()[0] == 0
    assert len(theirs.names()) == 1


@pytest.mark.parametrize("root", ["disk", "memory"])
def test_a_batch_spooled_during_a_listing_stays_outstanding(
    mailbox: Make, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    """A batch that is spooled while `outstanding` lists the store stays outstanding, and can be discarded."""
    box = mailbox() if root == "disk" else mailbox(None)
    store = DiskStore if root == "disk" else MemoryStore
    names = store.names

    def list_and_put(self: Store) -> list[str]:
        listed = names(self)
        monkeypatch.undo()
        box.spool(batch(2))
        return listed

    box.spool(batch(1))
    monkeypatch.setattr(store, "names", list_and_put)
    box.outstanding()
    assert len(box.outstanding()) == 2
    box.delete_own()
    assert box.names() == []
