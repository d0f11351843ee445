"""If the disk cannot store or remove a batch, the batch stays in memory, within bounds, or is removed later."""

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
    """Fail as in a read-only directory."""
    del args, kwargs
    raise PermissionError(13, "read-only")


@pytest.mark.parametrize("content", ["file", "link", "missing parent"])
def test_batches_stay_in_memory_without_a_usable_directory(
    mailbox: Make, directory: Path, content: str, tmp_path: Path
) -> None:
    """A file or a link instead of the directory is neither followed nor removed; batches stay in memory."""
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
    """In memory too, the oldest batches beyond the bound are dropped and counted."""
    box = mailbox(None, memory_bytes=1000)
    for time_ns in range(30):
        box.spool(batch(time_ns, count=2))
    assert len(box.names()) == 10
    assert drops.totals() == {"spool_full": 40}


def test_the_disk_is_tried_again(mailbox: Make, directory: Path) -> None:
    """After the disk has refused one batch, the next batch is written to it."""
    directory.parent.mkdir()
    directory.write_text("in the way")
    box = mailbox()
    box.spool(batch(1))
    directory.unlink()
    box.spool(batch(2))
    assert box.on_disk
    assert len(box.names()) == 2
    assert len(support.spooled_files(directory)) == 1


def test_a_removed_directory_is_created_again(mailbox: Make, directory: Path) -> None:
    """If the directory is removed under a running process, the next batch creates it again."""
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
    """Batches are not written to a directory of another user, who could read them."""
    directory.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    box = mailbox()
    box.spool(batch())
    assert not box.on_disk
    assert list(directory.iterdir()) == []


def test_batches_stay_in_memory_on_a_file_system_without_locks(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without working locks two processes might send the same file, so batches stay in memory."""

    def refuse(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(37, "No locks available")

    monkeypatch.setattr(_files.fcntl, "flock", refuse)
    box = mailbox()
    box.spool(batch())
    assert not box.on_disk
    assert len(box.names()) == 1
    assert [path for path in directory.rglob("*") if path.is_file()] == []


def test_a_partial_write_leaves_no_file(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk is full during a write, the file is removed and the batch is kept in memory."""

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files, "write_all", full)
    box = mailbox()
    box.spool(batch())
    assert list(spool(directory).iterdir()) == []
    assert len(box.names()) == 1


def test_a_file_that_cannot_be_removed_can_be_claimed_again(
    mailbox: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the directory becomes read-only during a request, `done` raises, and any process can claim the file again."""
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


def test_a_directory_that_became_read_only_causes_no_flood(
    make: Callable[..., Delivery], sink: support.Sink, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sent batch that cannot be removed is sent again only after a pause, and later batches are delivered."""
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
    assert delivery.status().destinations[0].state == "ok"  # the destination has accepted everything
    assert not delivery.flush(0)
    monkeypatch.undo()
    assert delivery.flush(60)
    assert sink.numbers().count(1) == 2  # batch 2 may have been in a request at the undo
    assert support.spooled_files(directory) == []
