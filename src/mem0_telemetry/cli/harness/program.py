"""A watched program: uses Mem0 and the drop-in, or without mem0ai the drop-in alone, switched off or on.

`python -m mem0_telemetry.cli.harness.program JSON`: a list with one object for each program. They are forked from one
process that has loaded what Mem0 needs, and nothing of ours or of Mem0's.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mem0_telemetry
from mem0_telemetry.cli.harness.watch import Watch, is_ours
from mem0_telemetry.cli.harness.ways import switch_off

if TYPE_CHECKING:
    from collections.abc import Callable

_NEEDED = ("httpx", "numpy", "openai", "pydantic", "pytz", "qdrant_client", "requests", "sqlalchemy")
"""What mem0ai imports of others, and takes long to."""

_AT_ONCE = max(2, min(4, os.cpu_count() or 1))

_ARRIVAL = 40.0
"""Seconds that what is sent may take to arrive, on a machine that is busy; it is a few tenths."""


class _Logged(logging.Handler):
    """Keeps what was logged by our code, or by others on behalf of ours, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if is_ours(sys._getframe(1)):  # noqa: SLF001  # who says it is what this is about
            self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def main() -> int:
    """Become each of the programs that the first argument describes."""
    sys.dont_write_bytecode = True  # it is Python that would write it, and only where nobody has before
    wanted = json.loads(sys.argv[1])
    if len(wanted) == 1:
        return run(wanted[0])
    for name in _NEEDED:
        with suppress(ImportError):
            importlib.import_module(name)
    running = 0
    for each in wanted:
        if running == _AT_ONCE:
            os.wait()
            running -= 1
        if os.fork() == 0:
            return run(each)
        running += 1
    while running:
        os.wait()
        running -= 1
    return 0


def run(wanted: dict[str, Any], configuration: Callable[..., dict[str, Any]] | None = None) -> int:
    """Run one program, watched, and write down what was seen; it ends as any does, exit hooks and all.

    Args:
        wanted: what `Stage.wanted` returns.
        configuration: makes the configuration of a `Memory`, in place of the one with fake models.
    """
    os.dup2(os.open(wanted["errors"], os.O_WRONLY | os.O_CREAT, 0o600), 2)
    os.environ.update(wanted["environ"])
    os.chdir(wanted["home"])
    _plant_host_name(wanted["texts"]["host_name"])
    logged = _Logged()
    logging.getLogger().addHandler(logged)
    logging.getLogger().setLevel(logging.DEBUG)
    watch = Watch(str(Path(os.environ["MEM0_DIR"], "telemetry")))
    if wanted["instrument"] != "after":
        watch.begin()
    if wanted["instrument"] == "before":
        mem0_telemetry.instrument()
    if find_spec("mem0") is not None:
        import mem0  # noqa: PLC0415, F401  # when it is imported is part of what is verified
    if wanted["instrument"] == "after":
        watch.begin()
        mem0_telemetry.instrument()
    if wanted["switch"]:
        switch_off(wanted["switch"])
        # Until then it was on: the drop-in had imported the SDK, which starts threads, and had prepared for a fork.
        watch.seen = [found for found in watch.seen if found[0] not in {"import", "thread", "hook"}]
    memories = _use(wanted, configuration)
    arrived = _have_it_sent()
    status = mem0_telemetry.status()
    report = {
        "seen": list(watch.seen),
        "logged": logged.lines,
        "threads": [
            thread.name
            for thread in threading.enumerate()
            if thread.name.startswith("mem0-telemetry") or "posthog" in type(thread).__module__
        ],
        "arrived": arrived,
        "memories": memories,
        "operations": [status.operations.active, status.operations.reason],
        "native": status.native_telemetry,
    }
    Path(wanted["report"]).write_text(json.dumps(report), encoding="utf-8")
    return 0


def _use(wanted: dict[str, Any], configuration: Callable[..., dict[str, Any]] | None) -> list[dict[str, Any]]:
    from mem0_telemetry.cli.harness import use  # noqa: PLC0415  # imports what is watched

    if not wanted["counted"]:
        use.use_drop_in(wanted["texts"])
    if find_spec("mem0") is None:
        return []
    return asyncio.run(
        use.use_mem0(
            wanted["texts"],
            directory=Path(os.environ["HOME"], wanted["texts"]["directory"]),
            platform_url=wanted["platform_url"],
            thoroughly=wanted["thoroughly"],
            errors=() if wanted["counted"] else (Exception,),
            configuration=configuration,
        )
    )


def _have_it_sent() -> bool:
    """Wait until one destination has it all, and return whether it has; another may never take anything."""
    deadline, before = time.monotonic() + _ARRIVAL, -1
    while not mem0_telemetry.flush(timeout=0.5):
        status = mem0_telemetry.status()
        if status.spooled == before and any(each.sent >= before for each in status.destinations):
            return True
        if time.monotonic() >= deadline:
            return False
        before = status.spooled
    return True


def _plant_host_name(name: str) -> None:
    """Have this machine called otherwise, for whoever asks here; who asks is seen as before."""
    asked: dict[str, Any] = {"__name__": "socket", "ask": socket.gethostname, "name": name}
    exec("def gethostname():\n    ask()\n    return name\n", asked)  # noqa: S102  # a frame that is nobody's
    socket.gethostname = asked["gethostname"]
    if hasattr(os, "uname"):
        system = os.uname()
        os.uname = lambda: os.uname_result((system.sysname, name, *system[2:]))


if __name__ == "__main__":
    sys.exit(main())
