"""Where the disk will not take a batch or let it go: it waits in memory, within bounds, until the disk will."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.delivery import _files
from support import delivery as support
from support.spool import batch, spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make

pytestmark = pytest.mark.posix


def refuse(*args: object, **kwargs: object) -> None:
    """Do as a directory that is read-only."""
    del args, kwargs
    raise PermissionError(13, "read-only")


@pytest.mark.parametrize("content", ["file", "link", "missing parent"])
def test_where_the_directory_cannot_be_used_memory_can(
    mailbox: Make, directory: Path, content: str, tmp_path: Path
) -> None:
    """A file or a link in its place is neither followed nor removed; batches wait in memory instead."""
    if content == "file":
        directory.parent.mkdir()
        directory.write_text("not a directory")
    elif content == "link":
        directory.parent.mkdir()
        (tmp_path / "elsewhere").mkdir()
        directory.symlink_to(tmp_path / "elsewhere")
    else:
        directory.parent.write_text("not a directory")
    box = mailbox()
    box.spool(batch(2))
    box.spool(batch(1))
    assert not box.on_disk
    first, second = box.names()
    assert first < second
    claim = box.claim(first)
    assert claim is not None
    assert claim.read().startswith(b"xx")
    assert box.claim(first) is None
    box.done(first, claim)
    assert box.names() == [second]
    if content == "link":
        assert list((tmp_path / "elsewhere").iterdir()) == []


def test_memory_is_bounded_too(mailbox: Make, drops: Drops) -> None:
    """In memory the oldest go as well, and are counted."""
    box = mailbox(None, memory_bytes=1000)
    for time_ns in range(30):
        box.spool(batch(time_ns, count=2))
    assert len(box.names()) == 10
    assert drops.totals() == {"spool_full": 40}


def test_the_disk_is_tried_again(mailbox: Make, directory: Path) -> None:
    """A disk that refused once is not given up: the next batch finds it."""
    directory.parent.mkdir()
    directory.write_text("in the way")
    box = mailbox()
    box.spool(batch(1))
    directory.unlink()
    box.spool(batch(2))
    assert box.on_disk
    assert len(box.names()) == 2
    assert len(support.spooled_files(directory)) == 1


def test_a_directory_removed_meanwhile_is_made_again(mailbox: Make, directory: Path) -> None:
    """Somebody may clean up under a running process."""
    import shutil

    box = mailbox()
    box.spool(batch(1))
    shutil.rmtree(directory)
    assert box.names() == []
    assert box.outstanding() == set()
    box.spool(batch(2))
    assert len(support.spooled_files(directory)) == 1


def test_the_directory_of_another_user_is_not_used(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the directory can read what is in it."""
    directory.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    box = mailbox()
    box.spool(batch())
    assert not box.on_disk
    assert list(directory.iterdir()) == []


def test_a_file_system_without_locks_means_memory(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without working locks two processes might send the same file, so there is none."""

    def refuse(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(37, "No locks available")

    monkeypatch.setattr(_files.fcntl, "flock", refuse)
    box = mailbox()
    box.spool(batch())
    assert not box.on_disk
    assert len(box.names()) == 1
    assert [path for path in directory.rglob("*") if path.is_file()] == []


def test_a_write_cut_short_leaves_nothing(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full in the midst of a file, that file goes and the batch is kept in memory."""

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files, "write_all", full)
    box = mailbox()
    box.spool(batch())
    assert list(spool(directory).iterdir()) == []
    assert len(box.names()) == 1


def test_a_file_that_cannot_be_removed_stays(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made read-only in mid-request: that is told, and the file can be claimed again, by us or by others."""
    box = mailbox()
    box.spool(batch())
    [name] = box.names()
    claim = box.claim(name)
    assert claim is not None
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        with pytest.raises(PermissionError):
            box.done(name, claim)
    assert box.outstanding() == {name}
    again = mailbox().claim(name)
    assert again is not None
    box.done(name, again)
    assert list(spool(directory).iterdir()) == []


def test_a_directory_that_is_read_only_by_now_causes_no_flood(
    make: Callable[..., Delivery], sink: support.Sink, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent and cannot be removed is sent again, but after a pause; and what comes later is delivered."""
    unlink = os.unlink

    def refuse_batches(name: str, **kwargs: Any) -> None:
        if str(name).endswith(".jsonl"):
            refuse()
        unlink(name, **kwargs)

    monkeypatch.setattr(os, "unlink", refuse_batches)
    delivery = make(
        support.destination_to(sink.port),
        limits=support.quick_limits(backoff_initial=600, quiet_interval=600),
    )
    support.enqueue_numbers(delivery, [1])
    assert sink.wait_for(1)
    support.enqueue_numbers(delivery, [2])
    assert sink.wait_for(2)
    assert sink.numbers() == [1, 2]
    assert delivery.status().destinations[0].state == "ok"  # the destination takes all that it is sent
    assert not delivery.flush(0)
    monkeypatch.undo()
    assert delivery.flush(60)
    assert sink.numbers().count(1) == 2  # the other one may have been in hand when the directory came back
    assert support.spooled_files(directory) == []
