"""A `.part` file is completed or counted if its writer is dead, and left alone if the writer is alive."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery import _files
from mem0_telemetry.delivery._batch import BatchName
from support.spool import batch, spool

if TYPE_CHECKING:
    from pathlib import Path

    from mem0_telemetry.delivery._status import Drops
    from support.spool import Make

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]


def part(directory: Path, content: bytes, *, age: float = 0.0) -> Path:
    """Create the `.part` file of a process that died while writing."""
    path = spool(directory) / (str(BatchName.new(time_ns=7, count=4)) + ".part")
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_complete_file_of_a_dead_writer_is_sent(mailbox: Make, directory: Path) -> None:
    """A complete file of a writer that died before the rename is renamed and sent."""
    box = mailbox()
    box.spool(batch(1))
    whole = part(directory, b"{}\n")
    assert whole.name.removesuffix(".part") in box.names()
    assert not whole.exists()


def test_an_incomplete_file_of_a_dead_writer_is_counted(mailbox: Make, directory: Path, drops: Drops) -> None:
    """An incomplete file of a dead writer is removed, and its records are counted as `corrupt`."""
    box = mailbox()
    box.spool(batch(1))
    half = part(directory, b'{"resourceLogs":[')
    assert len(box.names()) == 1
    assert not half.exists()
    assert drops.totals() == {"corrupt": 4}


def test_an_empty_file_is_removed_only_once_it_is_old(mailbox: Make, directory: Path) -> None:
    """An empty file is removed only once it is old, because a writer creates its file before it locks it."""
    box = mailbox()
    box.spool(batch(1))
    new, old = part(directory, b""), part(directory, b"", age=120)
    box.names()
    assert new.exists()
    assert not old.exists()


def test_a_file_that_is_being_written_is_left_alone(mailbox: Make, directory: Path) -> None:
    """A file that a writer has locked is left alone, however old it is."""
    box = mailbox()
    box.spool(batch(1))
    busy = part(directory, b"{}\n", age=3600)
    files = _files.LockedFiles()
    with _files.Directory(str(directory), "spool", "loop-abc123") as parent:
        descriptor = files.claim(parent, busy.name)
        assert descriptor is not None
        assert len(box.names()) == 1
        files.close(descriptor)
    assert len(box.names()) == 2
