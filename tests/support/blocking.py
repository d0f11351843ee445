"""Record the blocking calls that mem0_telemetry makes, directly or through a library.

A profile function (`sys.setprofile`) sees each call of a built-in function, so no built-in type is changed. Tools that
replace methods of built-in types damage the interpreter, which then crashes at exit.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mem0_telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

PACKAGE = str(Path(mem0_telemetry.__file__).parent)
FILES = "open read write pread pwrite readv writev fsync fdatasync sendfile truncate ftruncate lockf stat lstat statvfs"
DIRECTORIES = (
    "access listdir scandir mkdir rmdir rename replace remove unlink link symlink readlink getcwd chmod utime"
)
FUNCTIONS = {
    "posix": frozenset(f"{FILES} {DIRECTORIES} waitpid waitid wait system posix_spawn fork".split()),
    **dict.fromkeys(("io", "_io"), frozenset({"open", "open_code"})),  # Python 3.10 names the owner "io".
    "_posixsubprocess": frozenset({"fork_exec"}),
    "_socket": frozenset({"getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo", "gethostname"}),
    "builtins": frozenset({"input"}),
    "fcntl": frozenset({"flock", "lockf"}),
    "select": frozenset({"select"}),
    "time": frozenset({"sleep"}),
}


def blocks(function: Any) -> bool:
    """Return whether calling the built-in `function` now can block its thread."""
    owner, name = getattr(function, "__self__", None), function.__name__
    if isinstance(owner, type(sys)):
        return name in FUNCTIONS.get(owner.__name__, ())
    if isinstance(owner, type(threading.Lock())):
        return name in ("acquire", "acquire_lock") and owner.locked()
    if isinstance(owner, socket.socket):
        return name.startswith(("accept", "connect", "recv", "send")) and owner.gettimeout() != 0
    if isinstance(
        owner, (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)
    ):
        return name.startswith(("read", "write", "flush", "truncate"))
    return isinstance(owner, (sqlite3.Connection, sqlite3.Cursor)) and not name.startswith("_")


def is_ours(frame: FrameType | None) -> bool:
    """Return whether code of the package, except its command, is on the stack."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(PACKAGE) and not filename.startswith(f"{PACKAGE}/cli/"):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def noted_calls() -> Iterator[list[str]]:
    """Yield a list that records each of our blocking calls on this thread, as a function and its caller."""
    caught: list[str] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        # `threading.Condition` calls acquire(False) to see whether its lock is held, which never waits.
        if event == "c_call" and frame.f_code.co_name != "_is_owned" and blocks(argument) and is_ours(frame):
            caught.append(f"{argument.__qualname__} in {frame.f_code.co_name}")

    sys.setprofile(profile)
    try:
        yield caught
    finally:
        sys.setprofile(None)
