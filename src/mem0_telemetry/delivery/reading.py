# SPDX-License-Identifier: Apache-2.0
"""Read or delete the spool and the history for the command, without a running pipeline or the OTel SDK."""

from __future__ import annotations

import json
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mem0_telemetry.base.clock import SystemClock
from mem0_telemetry.base.files import Directory
from mem0_telemetry.delivery._batch import CORRUPT, MAX_BYTES, BatchName
from mem0_telemetry.delivery._history import FILE as HISTORY_FILE
from mem0_telemetry.delivery._history import MAX_BYTES as HISTORY_MAX_BYTES
from mem0_telemetry.delivery._history import History

__all__ = ["SpoolFile", "SpooledMailbox", "history", "is_there", "mailboxes", "purge", "unreadable"]

_REMOVALS = 5
"""Attempts to remove the spool: processes that have not noticed the change yet may write to it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """One batch on disk."""

    path: Path
    time_ns: int
    """The time of the write: nanoseconds since the epoch, UTC."""
    events: int
    """Number of records."""
    size: int
    """Bytes."""
    state: str
    """`waiting`, `newer` (the format of a newer version, which will send it) or `corrupt` (could not be read)."""

    def line(self) -> str:
        """Return the OTLP/JSON without its newline; empty if the file is gone, unreadable, or too large to be sent."""
        *root, spool, mailbox, name = self.path.parts
        try:
            with Directory(str(Path(*root)), spool, mailbox) as parent:
                return parent.read(name, MAX_BYTES).decode(errors="replace").removesuffix("\n")
        except OSError:
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledMailbox:
    """The batches on disk of one destination."""

    name: str
    """Name of the directory: `<exporter>-<fingerprint>`."""
    files: tuple[SpoolFile, ...]
    """Oldest first."""

    @property
    def events(self) -> int:
        """Number of unsent records."""
        return sum(file.events for file in self.files if file.state == "waiting")


def mailboxes(directory: Path) -> tuple[SpooledMailbox, ...]:
    """Return the mailboxes in `directory`, sorted by name. Changes nothing; skips what it cannot read."""
    found: list[SpooledMailbox] = []
    spool = directory / "spool"
    with suppress(OSError), Directory(str(directory), "spool") as parent:
        for name in sorted(filter(_can_be_shown, parent.names())):
            with suppress(OSError), Directory(str(directory), "spool", name) as mailbox:
                files = (_file(mailbox, spool / name / entry) for entry in sorted(mailbox.names()))
                found.append(SpooledMailbox(name=name, files=tuple(filter(None, files))))
    return tuple(found)


def history(directory: Path) -> tuple[dict[str, Any], ...]:
    """Return the last sends in `history.jsonl`, oldest first. Skips lines that are not valid entries."""
    lines: list[bytes] = []
    with suppress(OSError), Directory(str(directory)) as parent:
        lines = parent.read(HISTORY_FILE, HISTORY_MAX_BYTES).splitlines()
    return tuple(entry for line in lines if (entry := _entry(line)) is not None)


def unreadable(directory: Path) -> tuple[Path, ...]:
    """Return the paths in `directory` that may contain events but cannot be read, e.g. files of another user."""
    spool = directory / "spool"
    places = (directory, spool, directory / HISTORY_FILE, *_directories(spool))
    return tuple(path for path in places if is_there(path) and not _is_readable(path))


def is_there(path: Path) -> bool:
    """Return whether `path` exists, or may exist because we lack the permission to check."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK)  # noqa: PTH112  # never raises


def purge(directory: Path) -> tuple[int, tuple[Path, ...]]:
    """Delete the spool of every destination, and the history. Follows no link.

    Returns:
        The number of deleted unsent events, and the paths that could not be deleted completely.
    """
    spool, left = directory / "spool", []
    try:
        Directory(str(directory)).close()
    except (FileNotFoundError, NotADirectoryError):
        return 0, ()
    except OSError:
        return 0, (directory,)
    before = _waiting(directory)
    for _ in range(_REMOVALS):
        if spool.is_dir() and not spool.is_symlink():
            shutil.rmtree(spool, ignore_errors=True)
        else:  # `rmtree` would open it, and block forever on a pipe
            with suppress(OSError):
                spool.unlink()
        if not is_there(spool):
            break
    else:
        left.append(spool)
    try:
        History(root=directory, clock=SystemClock()).delete()
    except OSError:
        left.append(directory / HISTORY_FILE)
    return max(0, before - _waiting(directory)), tuple(left)


def _waiting(directory: Path) -> int:
    return sum(mailbox.events for mailbox in mailboxes(directory))


def _can_be_shown(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _directories(path: Path) -> list[Path]:
    with suppress(OSError), Directory(str(path)) as parent:
        return [path / name for name in parent.names() if stat.S_ISDIR(parent.stat(name).st_mode)]
    return []


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return the entry in a line of the history, or None if `History` does not write such a line."""
    try:
        entry = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if type(entry) is not dict or type(entry.get("count")) is not int:
        return None
    texts = (entry.get("time"), entry.get("destination"), entry.get("result"), entry.get("reason", ""))
    # Others may be able to write to the disk: no text may move a terminal's cursor.
    return entry if all(type(text) is str and text.isprintable() for text in texts) else None


def _file(mailbox: Directory, path: Path) -> SpoolFile | None:
    name = BatchName.parse(path.name.removesuffix(CORRUPT))
    if name is None:
        return None
    try:
        found = mailbox.stat(path.name)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):  # a link or a pipe is not a batch
        return None
    state = "corrupt" if path.name.endswith(CORRUPT) else "waiting" if name.readable else "newer"
    return SpoolFile(path=path, time_ns=name.time_ns, events=name.count, size=found.st_size, state=state)
