"""Locked files: each opened descriptor is closed again, and a name that now means another file is detected."""

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
    from collections.abc import Callable

    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make


pytestmark = pytest.mark.posix


def open_descriptors() -> list[str]:
    """Return the open descriptors of this process."""
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def test_a_write_closes_every_directory_level_to_others(mailbox: Make, directory: Path) -> None:
    """Writing sets the mode of every directory level to 0700, even if a user had opened it to others."""
    spool(directory).mkdir(parents=True)
    levels = [directory, spool(directory).parent, spool(directory)]
    for level in levels:
        level.chmod(0o701)
    mailbox().spool(batch())
    assert [stat.S_IMODE(level.stat().st_mode) for level in levels] == [0o700] * 3


def test_listing_does_not_change_modes(mailbox: Make, directory: Path) -> None:
    """Listing does not change a directory's mode."""
    mailbox().spool(batch())
    directory.chmod(0o755)
    assert len(mailbox().names()) == 1
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755


def test_a_failed_claim_closes_its_file(mailbox: Make, directory: Path) -> None:
    """If a file is busy or not ours, `claim` closes it."""
    mine, theirs = mailbox(), mailbox()
    mine.spool(batch(1))
    [name] = mine.names()
    pipe = str(BatchName.new(time_ns=2, count=1))
    os.mkfifo(spool(directory) / pipe)
    claim = mine.claim(name)
    assert claim is not None
    before = open_descriptors()
    assert theirs.claim(name) is None
    assert theirs.claim(pipe) is None
    assert open_descriptors() == before
    claim.end("again")


@pytest.mark.parametrize("level", [".", "spool", "spool/loop-abc123"])
def test_a_foreign_directory_leaves_no_open_descriptor(
    mailbox: Make, directory: Path, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If any level belongs to another user, batches stay in memory, and no descriptor stays open."""
    mailbox().spool(batch())
    foreign = (directory / level).stat().st_ino
    fstat = os.fstat

    def told(descriptor: int) -> os.stat_result:
        facts = fstat(descriptor)
        values = [*facts]
        values[stat.ST_UID] += facts.st_ino == foreign
        return os.stat_result(values)

    before = open_descriptors()
    monkeypatch.setattr(os, "fstat", told)
    box = mailbox()
    box.spool(batch())
    monkeypatch.undo()
    assert not box.on_disk
    assert open_descriptors() == before


def test_a_link_is_not_the_file(tmp_path: Path) -> None:
    """`holds` is True only for the file itself, not for a link to it, another file or a missing one."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").write_text("x")
    (tmp_path / "link").symlink_to("file")
    facts = (tmp_path / "file").stat()
    with _files.Directory(str(tmp_path)) as parent:
        same = {name: parent.holds(name, facts) for name in ("file", "other", "link", "none")}
    assert same == {"file": True, "other": False, "link": False, "none": False}


def test_create_follows_no_link(tmp_path: Path) -> None:
    """`create` raises if a link or a file of that name exists, and does not open it."""
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "file").write_text("x")
    files = _files.LockedFiles()
    with _files.Directory(str(tmp_path)) as parent:
        for name in ("link", "file"):
            with pytest.raises(FileExistsError):
                files.create(parent, name)
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "file").read_text() == "x"


def test_a_lock_does_not_outlive_its_file(tmp_path: Path) -> None:
    """A descriptor that a forked child inherited does not keep a closed file locked."""
    files = _files.LockedFiles()
    with _files.Directory(str(tmp_path)) as parent:
        descriptor = files.create(parent, "file")
        inherited = os.dup(descriptor)
        assert files.claim(parent, "file") is None
        files.close(descriptor)
        again = files.claim(parent, "file")
        assert again is not None
        files.close(again)
    os.close(inherited)


def test_a_child_closes_inherited_files(tmp_path: Path) -> None:
    """A forked child closes the inherited files that are still open, and no reused descriptor number."""
    files = _files.LockedFiles()
    with _files.Directory(str(tmp_path)) as parent:
        before = open_descriptors()
        closed = files.create(parent, "first")
        files.close(closed)
        theirs = os.open(tmp_path / "first", os.O_RDONLY)
        assert theirs == closed
        files.create(parent, "second")
        os.close(files.create(parent, "third"))  # as a program does when it daemonizes
        files._close_inherited()
        assert os.fstat(theirs)
        os.close(theirs)
        assert open_descriptors() == before


@pytest.mark.parametrize("taken_over", [True, False], ids=["taken over", "removed"])
def test_a_writer_that_was_suspended_before_the_rename(
    mailbox: Make,
    directory: Path,
    drops: Drops,
    monkeypatch: pytest.MonkeyPatch,
    *,
    taken_over: bool,
) -> None:
    """If another process completes or removes the `.part` file of a suspended writer, the batch exists exactly once."""
    write_all: Callable[[int, bytes], None] = _files.write_all

    def stopped(descriptor: int, content: bytes) -> None:
        write_all(descriptor, content)
        [partial] = spool(directory).glob("*.part")
        if taken_over:
            partial.rename(partial.with_suffix(""))
        else:
            partial.unlink()

    monkeypatch.setattr(_files, "write_all", stopped)
    box = mailbox()
    box.spool(batch())
    assert box.on_disk == taken_over
    assert len(box.names()) == 1
    assert len(list(spool(directory).iterdir())) == taken_over
    assert drops.totals() == {}
