# SPDX-License-Identifier: Apache-2.0
"""`history.jsonl`, the file of the last sends, shows a user what left the machine.

Each line is a JSON object: `time` (ISO 8601, UTC), `destination`, `result` (`sent`; `refused`: the destination will
never take the batch, or part of it; `failed`: the first of consecutive failures), `reason` (of a refusal or failure,
in a few words), `count` of records, and `batch`, the OTLP/JSON itself (null if the entry would exceed the bound).
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from mem0_telemetry.delivery import _files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.base.clock import Clock

FILE: Final = "history.jsonl"
_MAX_ENTRIES: Final = 50
MAX_BYTES: Final = 1024 * 1024
"""Size of the whole file."""
_ATTEMPTS: Final = 20
"""Attempts to lock the file while other processes write to it. If all fail, this send gets no entry."""
_PAUSE: Final = 0.01
"""Seconds between two attempts."""


class History:
    """Appends to the history in `root`; does nothing if that is impossible (`root` is None, disk full, no locks)."""

    def __init__(
        self, *, root: Path | None, clock: Clock, allowed: Callable[[], bool | None] = lambda: True
    ) -> None:
        self._root = root
        self._allowed = allowed
        self._clock = clock
        self._files = _files.LockedFiles()
        self._pause = threading.Event()  # never set

    def add(self, *, destination: str, result: str, reason: str = "", count: int, line: bytes) -> None:
        """Append one send, unless telemetry is now off or the directory is gone."""
        if self._root is None or self._allowed() is False:
            return
        entry = {
            "time": datetime.fromtimestamp(self._clock.time_ns() / 1e9, tz=timezone.utc).isoformat(),
            "destination": destination,
            "result": result,
            **({"reason": reason} if reason else {}),
            "count": count,
        }
        head = json.dumps(entry)[:-1].encode()
        written = b'%s, "batch": %s}\n' % (head, line.rstrip(b"\n"))
        if len(written) > MAX_BYTES:
            written = b'%s, "batch": null}\n' % head
        with suppress(OSError), _files.Directory(str(self._root)) as parent:
            descriptor = self._claim(parent)
            if descriptor is None:
                return
            try:
                lines: list[bytes] = []
                with suppress(_files.NotOursError):  # larger than we write it: start a new file
                    lines = _files.read_all(descriptor, MAX_BYTES).splitlines(keepends=True)
                # Ask under the lock: a process that switches off waits for this lock before deleting the file.
                if self._allowed() is not False:
                    parent.remove_abandoned()
                    parent.replace(FILE, b"".join(_newest([*lines, written])))
                elif not lines:  # `_claim` created it
                    parent.remove(FILE)
            finally:
                self._files.close(descriptor)

    def delete(self) -> None:
        """Delete the history, or raise `OSError`. Do it under the lock: a process that read it would write it back."""
        if self._root is None:
            return
        with _files.Directory(str(self._root)) as parent:
            descriptor = self._claim(parent) if _files.HAVE_LOCKS and FILE in parent.names() else None
            try:
                for name in parent.names():
                    if name.startswith(FILE):  # also the temporary file of a killed process
                        with suppress(FileNotFoundError):
                            parent.unlink(name)
            finally:
                if descriptor is not None:
                    self._files.close(descriptor)

    def _claim(self, parent: _files.Directory) -> int | None:
        """Lock the file, creating it if necessary; None if it stays busy. Raises `OSError` if it cannot be created."""
        for _ in range(_ATTEMPTS):
            if (descriptor := self._files.claim(parent, FILE)) is not None:
                return descriptor
            with suppress(FileExistsError):  # it is busy
                return self._files.create(parent, FILE)
            self._pause.wait(_PAUSE)
        return None


def _newest(lines: list[bytes]) -> list[bytes]:
    """Return the last complete lines, as many as the bounds allow."""
    kept: list[bytes] = []
    size = 0
    for line in reversed(lines[-_MAX_ENTRIES:]):
        size += len(line)
        if size > MAX_BYTES:
            break
        if line.endswith(b"\n"):
            kept.append(line)
    return kept[::-1]
