"""Import the libraries of Mem0, and run each requested program in a fork: `warm_server.py SOCKET`.

The server imports nothing of Mem0, OpenTelemetry, PostHog or this project, and starts no thread. A program gets its
own environment, directory and streams, and exits like any interpreter.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import json
import os
import socket
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = ("openai", "qdrant_client", "sqlalchemy")
ABSENT = ("mem0", "mem0_telemetry", "opentelemetry", "posthog", "requests")


def serve(requests: socket.socket) -> tuple[list[str], dict[str, str]]:
    """Fork for each request; return only in the process of a program, with its command and environment."""
    while True:
        _, given, _, _ = socket.recv_fds(requests, 1, 3)
        if not given:
            os._exit(0)
        if fork() == 0:
            requests.close()
            return supervise(*given)
        for descriptor in given:
            os.close(descriptor)
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def fork() -> int:
    """Fork, without Python's warning about threads of libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def supervise(told: int, stdout: int, stderr: int) -> tuple[list[str], dict[str, str]]:
    """Read the request, send the id and return code of the program's process; return only in that process."""
    with socket.socket(fileno=told) as client:
        with client.makefile("r") as conversation:
            command, environ, directory = json.loads(conversation.readline())
        process = fork()
        if process:
            os.close(stdout)
            os.close(stderr)
            with contextlib.suppress(OSError):  # The client may have given up.
                client.sendall(f"{process}\n".encode())
                status = os.waitpid(process, 0)[1]
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(directory)
    return command, environ


def become(command: list[str], environ: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    """Apply the environment; return the code of the program and the namespace of its `__main__`."""
    os.environ.clear()
    os.environ.update(environ)
    sys.dont_write_bytecode = bool(environ.get("PYTHONDONTWRITEBYTECODE"))
    unbuffered = bool(environ.get("PYTHONUNBUFFERED"))
    raw = [io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)) for descriptor in (1, 2)]
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(raw[0], write_through=unbuffered)
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(raw[1], errors="backslashreplace", line_buffering=True)
    further = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    main = sys.modules["__main__"] = ModuleType("__main__")
    if command[0] == "-c":
        sys.argv = ["-c", *command[2:]]
        sys.path[:1] = ["", *further]
        code = compile(command[1], "<string>", "exec", dont_inherit=True)
    elif command[0] == "-m":
        sys.path[:1] = [str(Path.cwd()), *further]
        spec = importlib.util.find_spec(command[1])
        if spec.submodule_search_locations:
            spec = importlib.util.find_spec(f"{command[1]}.__main__")
        sys.argv = [spec.origin, *command[2:]]
        main.__spec__, main.__file__, main.__package__ = spec, spec.origin, spec.parent
        code = spec.loader.get_code(spec.name)
    else:
        sys.argv = command
        sys.path[:1] = [str(Path(command[0]).parent), *further]
        main.__file__ = command[0]
        code = compile(Path(command[0]).read_bytes(), command[0], "exec", dont_inherit=True)
    if any(name.startswith("COVERAGE_PROCESS") for name in environ):
        import coverage

        coverage.process_startup()
    return code, vars(main)


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    assert not [name for name in ABSENT if name in sys.modules]
    gc.freeze()  # Otherwise each fork visits, and so copies, every object of the libraries at exit: 0.6 s of CPU.
    exec(*become(*serve(socket.socket(fileno=int(sys.argv[1])))))  # noqa: S102  # Running code is its purpose.
