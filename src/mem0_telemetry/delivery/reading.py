"""What lies on disk, for a command to show or delete: without a running pipeline, without the OTel SDK."""

from __future__ import annotations

import json
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mem0_telemetry._clock import SystemClock
from mem0_telemetry.delivery._batch import CORRUPT, BatchName
from mem0_telemetry.delivery._history import FILE as HISTORY_FILE
from mem0_telemetry.delivery._history import History, is_there

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SpoolFile", "SpooledMailbox", "history", "is_there", "mailboxes", "purge", "unreadable"]

_REMOVALS = 5
"""Times that the spool is removed, as processes that do not know yet may put something there meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """One batch that waits on disk."""

    path: Path
    time_ns: int
    """When it was written: nanoseconds since the epoch, UTC."""
    events: int
    """How many records it holds."""
    size: int
    """Bytes."""
    state: str
    """`waiting`, `newer` (the format of a newer version: left to it) or `corrupt` (could not be read)."""

    def line(self) -> str:
        """The OTLP/JSON as it lies there, without its newline; empty where it has been sent meanwhile."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
        except OSError:
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledMailbox:
    """What waits for one destination."""

    name: str
    """`<exporter>-<fingerprint>`, as the directory is called."""
    files: tuple[SpoolFile, ...]
    """Oldest first."""

    @property
    def events(self) -> int:
        """Records that wait to be sent."""
        return sum(file.events for file in self.files if file.state == "waiting")


def mailboxes(directory: Path) -> tuple[SpooledMailbox, ...]:
    """What waits for each destination in `directory`, by name. Changes nothing; skips what it cannot read."""
    found = []
    for mailbox in _directories(directory / "spool"):
        files = [file for entry in _entries(mailbox) if (file := _file(entry)) is not None]
        files.sort(key=lambda file: file.path.name)
        found.append(SpooledMailbox(name=mailbox.name, files=tuple(files)))
    return tuple(found)


def history(directory: Path) -> tuple[dict[str, Any], ...]:
    """The last sends, oldest first, as `history.jsonl` has them. Lines that cannot be read are left out."""
    entries = []
    with suppress(OSError):
        for line in (directory / HISTORY_FILE).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    entries.append(entry)
    return tuple(entries)


def unreadable(directory: Path) -> tuple[Path, ...]:
    """Return what may hold events in `directory` and cannot be looked into: another user's, say."""
    spool = directory / "spool"
    places = (directory, spool, directory / HISTORY_FILE, *_directories(spool))
    return tuple(path for path in places if is_there(path) and not _is_readable(path))


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK)  # noqa: PTH112  # never raises


def purge(directory: Path) -> tuple[int, tuple[Path, ...]]:
    """Delete the whole spool of every destination, and the history. Follows no link.

    Returns:
        How many events that waited are deleted, and what of the two could not be, at least not in whole.
    """
    spool, left = directory / "spool", []
    before = _waiting(directory)
    for _ in range(_REMOVALS):
        shutil.rmtree(spool, ignore_errors=True)
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


def _directories(path: Path) -> list[Path]:
    return [entry for entry in _entries(path) if os.path.isdir(entry) and not os.path.islink(entry)]  # noqa: PTH112, PTH114  # never raise


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _file(path: Path) -> SpoolFile | None:
    name = BatchName.parse(path.name.removesuffix(CORRUPT))
    if name is None:
        return None
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):  # a link or a pipe is nobody's batch, and might hang who reads it
        return None
    size = found.st_size
    state = "corrupt" if path.name.endswith(CORRUPT) else "waiting" if name.readable else "newer"
    return SpoolFile(path=path, time_ns=name.time_ns, events=name.count, size=size, state=state)
