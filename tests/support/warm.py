"""Run programs in processes that have already imported Mem0's libraries: the import takes a second of CPU.

Each pytest worker starts one server (`warm_server.py`) at its first such program. Each program is a fork of that.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENDED: list[Callable[[int, int, Sequence[str]], None]] = []
"""Callbacks for the end of a program, called with its process id, return code and streams."""
UNDERSTOOD = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
"""Python's own environment variables that a fork can obey."""


def can_run(command: Sequence[str | Path], environ: Mapping[str, str]) -> bool:
    """Return whether a fork can replace the new interpreter that this command would start."""
    same_python = hasattr(os, "fork") and str(command[0]) == sys.executable
    return same_python and {name for name in environ if name.startswith("PYTHON")} <= UNDERSTOOD


def run(
    command: Sequence[str | Path], environ: Mapping[str, str], *, cwd: Path | str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a Python command (`-c CODE`, `-m MODULE` or a file, and arguments) as `subprocess.run` would."""
    ours, theirs = socket.socketpair()
    pipes = [os.pipe(), os.pipe()]
    given = [theirs.fileno(), pipes[0][1], pipes[1][1]]
    socket.send_fds(_server()[0], [b"?"], given)
    theirs.close()
    for _, written in pipes:
        os.close(written)
    with ours, ours.makefile("rw") as conversation:
        words = [str(word) for word in command[1:]]
        print(json.dumps([words, dict(environ), str(cwd)]), file=conversation, flush=True)
        process = int(conversation.readline())
        try:
            streams = _read([pipe[0] for pipe in pipes], time.monotonic() + timeout)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(map(str, command)), timeout) from None
        result = subprocess.CompletedProcess(command, int(conversation.readline()), *streams)
        for called in ENDED:
            called(process, result.returncode, streams)
        return result


def _read(pipes: Sequence[int], deadline: float) -> list[str]:
    """Return the content of each pipe, read until all its writers have closed it."""
    contents = {pipe: bytearray() for pipe in pipes}
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        try:
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    contents[key.fd] += chunk
                    if not chunk:
                        selector.unregister(key.fd)
        finally:
            for pipe in pipes:
                os.close(pipe)
    return [content.decode() for content in contents.values()]


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the server, which ends when this process does; return the socket to it, and its process."""
    ours, theirs = socket.socketpair()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHON"))}
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("warm_server.py"), str(theirs.fileno())],
        env={**environ, "OPENBLAS_NUM_THREADS": "1"},  # A process that forks should have no other threads.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    atexit.register(server.wait)
    atexit.register(ours.close)  # It runs first: the server ends when this socket is closed.
    return ours, server
