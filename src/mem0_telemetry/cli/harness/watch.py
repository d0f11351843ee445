# SPDX-License-Identifier: Apache-2.0
"""Watch by Python's audit events what this process does, and whose code does it."""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_OURS = frozenset({"mem0_telemetry", "opentelemetry", "posthog"})
_NOT_OURS = frozenset({"__main__", "mem0"})
_HARNESS = "mem0_telemetry.cli."
_HEAVY = frozenset({"opentelemetry", "posthog", "requests", "urllib3", "grpc", "google"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_KINDS = {
    "file": "os.mkdir os.rename os.remove os.rmdir os.link os.symlink os.truncate",
    "network": "socket.__new__ socket.connect socket.bind socket.sendto socket.getaddrinfo socket.gethostbyaddr "
    "socket.gethostbyname socket.getnameinfo socket.gethostname",
    "process": "subprocess.Popen os.system os.fork os.forkpty os.exec os.posix_spawn os.spawn",
    "thread": "_thread.start_new_thread _thread.start_joinable_thread",
}
_KIND_OF = {event: kind for kind, events in _KINDS.items() for event in events.split()}
"""The kind of each audit event that counts."""


class Watch:
    """Records what our code does, directly or through other code; once begun, it cannot be stopped.

    Attributes:
        seen: `(kind, what)` of each action; kinds: `network`, `process`, `thread`, `file`, `read`, `import`, `hook`.
    """

    def __init__(self, own_directory: str) -> None:
        self.seen: list[tuple[str, str]] = []
        self._own_directory = own_directory

    def begin(self) -> None:
        """Watch from now on; wrap the functions that raise no audit event."""
        sys.addaudithook(self._audit)
        atexit.register = self._noting("hook", "atexit.register", atexit.register)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork = self._noting("hook", "os.register_at_fork", os.register_at_fork)
        if sys.version_info < (3, 12):  # Before 3.12, starting a thread raised no audit event.
            start = self._noting("thread", "start_new_thread", _thread.start_new_thread)
            _thread.start_new_thread = threading._start_new_thread = start  # type: ignore[attr-defined]  # noqa: SLF001

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        kind, what = _KIND_OF.get(event), ""
        if kind is not None:
            what = f"{event} {arguments[:2]!r}"
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                kind, what = "file", f"open {path!r} for writing"
            elif isinstance(path, str) and path.startswith(self._own_directory):
                kind, what = "read", f"open {path!r}"
        elif event == "import" and arguments[0].partition(".")[0] in _HEAVY:
            kind, what = "import", arguments[0]
        if kind is not None and is_ours(sys._getframe(1)):  # noqa: SLF001  # The stack shows whose code it is.
            self.seen.append((kind, what))

    def _noting(self, kind: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            caller = sys._getframe(1)  # noqa: SLF001
            # Python's own modules register hooks when they are first imported: those do not count.
            if is_ours(caller) and (kind != "hook" or _root_of(caller) in _OURS):
                self.seen.append((kind, f"{name} {arguments!r}"))
            return function(*arguments, **named)

        return noted


def _root_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def is_ours(frame: FrameType | None) -> bool:
    """Return whether the stack from `frame` outwards reaches our code before Mem0's, the harness's or `__main__`."""
    while frame is not None:
        root = _root_of(frame)
        if root in _NOT_OURS or str(frame.f_globals.get("__name__", "")).startswith(_HARNESS):
            return False
        if root in _OURS:
            return True
        frame = frame.f_back
    return False
