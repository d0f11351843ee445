# SPDX-License-Identifier: Apache-2.0
"""The state that this package keeps between runs: `MEM0_DIR/telemetry/state.json`, one small atomic file.

The state is not in Mem0's `config.json`, because Mem0's own tools rewrite that file with a fixed schema.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any, NamedTuple

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.base.files import Directory
from mem0_telemetry.environment_variables import MEM0_DIR

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LARGEST = 65_536
"""The largest file that is read, in bytes; a real one has a few hundred."""

_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.ESTALE)
"""Errors of the system, not of the file: too many open files, no memory, an unavailable disk or server."""

_LOCK_POLL = 0.01
"""Seconds between two attempts to get the lock, which its holder needs for a few milliseconds."""


class State(NamedTuple):
    """The stored state. A new installation starts with `State()`."""

    disabled: bool = False
    """`mem0-telemetry disable` was run, and not withdrawn."""
    fresh_id: bool = False
    """The next id must be a new one, whatever `config.json` contains."""
    installation_id: str | None = None
    """The installation id, or None if there is none yet."""
    notice: Mapping[str, Any] = {}
    """The notice that was shown: its `version`, `date`, process `group` and `started`; empty if none was shown."""
    readable: bool | None = True
    """False if the file exists but cannot be read or parsed: it may contain an opt-out, so telemetry is off.

    None if the file is temporarily unreadable, which reveals nothing about the choice.
    """
    seeded_id: bool = False
    """The id comes from Mem0's `config.json`, so native telemetry may link it to an account."""


def mem0_dir(environ: Mapping[str, str]) -> str:
    """Return the absolute path of Mem0's directory, found as Mem0 finds it. Creates nothing.

    If there is no home directory, or the working directory is gone, nothing can exist or be created under that path.
    """
    directory = environ.get(MEM0_DIR)
    if not directory:
        home = os.path.expanduser("~")  # noqa: PTH111  # Mem0 uses the same function
        if home == "~":
            return f"{os.devnull}/.mem0"
        directory = f"{home}/.mem0"
    try:
        return os.path.abspath(directory)  # noqa: PTH100  # `Path.absolute` keeps `..`
    except OSError:  # the working directory is gone
        return f"{os.devnull}/.mem0"


def telemetry_dir(directory: str) -> str:
    """Return our own directory in Mem0's `directory`."""
    return f"{directory}/telemetry"


def read(directory: str) -> State:
    """Read the state in Mem0's `directory`; never creates, waits or raises. A missing file is `State()`."""
    try:
        with Directory(telemetry_dir(directory)) as ours:
            content = ours.read("state.json", _LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return State()
    except OSError as error:
        return State(readable=None if error.errno in _PASSING else False)
    return _parse(content)


def update(directory: str, change: Callable[[State], State], *, timeout: float = 2.0) -> State:
    """Change the state in Mem0's `directory` under a lock for all processes and threads, and return the new state.

    The file is replaced in one step, so it survives a crash at any point. An equal state is not written.

    Args:
        directory: Mem0's directory; our own directory in it is created if it is missing.
        change: returns the new state for the current one; called while the lock is held.
        timeout: seconds to wait for another process that holds the lock.

    Raises:
        OSError: if the state cannot be stored, or if `change` returns an unreadable state.
    """
    with Directory(telemetry_dir(directory), create=True) as ours, _locked(ours, timeout):
        ours.remove_abandoned()
        before = read(directory)
        after = change(before)
        if not after.readable:
            raise OSError("state.json cannot be read")
        if after != before:
            ours.replace("state.json", _format(after))
        return after


def _parse(content: bytes) -> State:
    try:
        found = json.loads(content)
        disabled, identifier = found["disabled"], found.get("installation_id")
        notice = found.get("notice", {})
    except (ValueError, LookupError, TypeError, RecursionError):
        return State(readable=False)
    if type(disabled) is not bool or not isinstance(identifier, str | None) or type(notice) is not dict:
        return State(readable=False)
    return State(
        disabled=disabled,
        installation_id=identifier,
        seeded_id=found.get("seeded_id") is True,
        fresh_id=found.get("fresh_id") is True,
        # Leave out nested values, which might be too deep to be written again.
        notice={key: value for key, value in notice.items() if isinstance(value, str | int)},
    )


def _format(state: State) -> bytes:
    fields = state._asdict()
    del fields["readable"]
    return json.dumps(fields, indent=2).encode() + b"\n"


@contextmanager
def _locked(ours: Directory, timeout: float) -> Iterator[None]:
    """Hold the lock. Raises TimeoutError if another process or thread keeps it."""
    try:
        descriptor = ours.create("state.lock")
    except FileExistsError:
        descriptor = ours.open("state.lock", os.O_RDWR)
    try:
        deadline, pause = monotonic() + timeout, Event()
        while not _try_lock(descriptor):
            if monotonic() >= deadline:
                raise TimeoutError("another process keeps state.json locked")
            pause.wait(_LOCK_POLL)
        yield
    finally:
        if fcntl is not None:
            # Unlock explicitly: a child that was forked meanwhile shares the descriptor and keeps the lock.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Return whether the file is now locked, or cannot be locked on this system: then the last writer wins."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # the file system has no locks
            return True
    return True
