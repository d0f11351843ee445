# SPDX-License-Identifier: Apache-2.0
"""`MEM0_DIR/telemetry/state.json`: what this package remembers between runs, one small atomic file.

It is our own, and not in Mem0's `config.json`, as Mem0's own tools rewrite that with a fixed schema.
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
"""Bytes of a state that is read: ours has some hundred."""

_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.ESTALE)
"""Errors of the system and not of the file: too many open files, no memory, a disk or a server that is away."""

_LOCK_POLL = 0.01
"""Seconds between two attempts to get the lock: whoever holds it needs a few milliseconds."""


class State(NamedTuple):
    """What is remembered. `State()` is what a new installation starts with."""

    disabled: bool = False
    """`mem0-telemetry disable` was run, and not withdrawn."""
    fresh_id: bool = False
    """The next id must be a new one, whatever `config.json` holds."""
    installation_id: str | None = None
    """The installation id, once there is one."""
    notice: Mapping[str, Any] = {}
    """The notice that was shown: its `version`, `date` and process `group`; empty where none was."""
    readable: bool | None = True
    """False where there is a file that may not be read or understood: then nothing in it may be ignored.

    None where it cannot be read at the moment, for a reason that passes and says nothing of the choice.
    """
    seeded_id: bool = False
    """The id is the one of Mem0's `config.json`, which native telemetry may link to an account."""


def mem0_dir(environ: Mapping[str, str]) -> str:
    """Return Mem0's directory as Mem0 finds it, as an absolute path; nothing is created.

    Where there is no home directory, or a relative one has gone, it is a path under which nothing can exist or be made.
    """
    directory = environ.get(MEM0_DIR)
    if not directory:
        home = os.path.expanduser("~")  # noqa: PTH111  # as Mem0 finds it
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
    """Read the state in Mem0's `directory`; never creates, waits or raises. A missing one is `State()`."""
    try:
        with Directory(telemetry_dir(directory)) as ours:
            content = ours.read("state.json", _LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return State()
    except OSError as error:
        return State(readable=None if error.errno in _PASSING else False)
    return _parse(content)


def update(directory: str, change: Callable[[State], State], *, timeout: float = 2.0) -> State:
    """Change the state in Mem0's `directory` while no other process or thread does, and return the new one.

    The file is replaced in one step, so that it survives a crash at any point. Where `change` returns an
    equal state, nothing is written.

    Args:
        directory: Mem0's directory; our own directory in it is made where it is missing.
        change: makes the new state of the one that it is given, while the lock is held.
        timeout: seconds to wait for another process that holds the lock.

    Raises:
        OSError: where it cannot be stored, or `change` left an unreadable state as it was.
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
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return State(readable=False)
    if type(disabled) is not bool or not isinstance(identifier, str | None) or type(notice) is not dict:
        return State(readable=False)
    return State(
        disabled=disabled,
        installation_id=identifier,
        seeded_id=found.get("seeded_id") is True,
        fresh_id=found.get("fresh_id") is True,
        # Nothing nested, which might be too deep to be written again.
        notice={key: value for key, value in notice.items() if isinstance(value, str | int)},
    )


def _format(state: State) -> bytes:
    fields = state._asdict()
    del fields["readable"]
    return json.dumps(fields, indent=2).encode() + b"\n"


@contextmanager
def _locked(ours: Directory, timeout: float) -> Iterator[None]:
    """Hold the lock; TimeoutError where another process or thread keeps it."""
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
            with suppress(
                OSError
            ):  # unlocked too, as a child that was forked meanwhile shares the descriptor
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Return whether the file is locked now, or cannot be locked here: then the last to replace wins."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # the file system has no locks
            return True
    return True
