"""The program that `verify` runs and watches: Mem0, or the drop-in alone, opted out in one way, or opted in.

`python -m mem0_telemetry.cli.verify.child`, with a JSON list on standard input: one object for each program. They are
forked from one process that has loaded what Mem0 needs, and nothing of ours or of Mem0's.
"""

from __future__ import annotations

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
from typing import Any

from mem0_telemetry.cli.verify._watch import Watch, is_ours

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
    """Become each of the programs that standard input describes."""
    sys.dont_write_bytecode = True  # it is Python that would write it, and only where nobody has before
    wanted = json.load(sys.stdin)
    if len(wanted) == 1:
        return _program(wanted[0])
    for name in _NEEDED:
        with suppress(ImportError):
            importlib.import_module(name)
    running = 0
    for each in wanted:
        if running == _AT_ONCE:
            os.wait()
            running -= 1
        if os.fork() == 0:
            return _program(each)
        running += 1
    while running:
        os.wait()
        running -= 1
    return 0


def _program(wanted: dict[str, Any]) -> int:
    """Run one session, watched, and write down what was seen; ends as any program does, exit hooks and all."""
    os.dup2(os.open(wanted["errors"], os.O_WRONLY | os.O_CREAT, 0o600), 2)
    os.environ.clear()
    os.environ.update(wanted["environ"])
    os.chdir(wanted["home"])
    _plant_host_name(wanted["texts"]["host_name"])
    logged = _Logged()
    logging.getLogger().addHandler(logged)
    logging.getLogger().setLevel(logging.DEBUG)
    watch = Watch(str(Path(os.environ["MEM0_DIR"], "telemetry")))
    watch.begin()

    import mem0_telemetry  # noqa: PLC0415  # not before it is watched

    mem0_telemetry.instrument()
    with_mem0 = find_spec("mem0") is not None
    if with_mem0:
        import mem0  # noqa: PLC0415, F401
    if wanted["switch"]:
        _switch_off(wanted["switch"])
        # Until then it was on: the drop-in had imported the SDK, which starts threads, and had prepared for a fork.
        watch.seen = [found for found in watch.seen if found[0] not in {"import", "thread", "hook"}]
    _use(wanted, with_mem0=with_mem0)
    arrived = _have_it_sent()
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("mem0-telemetry")]
    seen = {"seen": list(watch.seen), "logged": logged.lines, "threads": threads, "arrived": arrived}
    Path(wanted["report"]).write_text(json.dumps(seen), encoding="utf-8")
    return 0


def _have_it_sent() -> bool:
    """Wait until one destination has it all, and return whether it has; another may never take anything."""
    import mem0_telemetry  # noqa: PLC0415

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


def _switch_off(way: str | None) -> None:
    import mem0_telemetry  # noqa: PLC0415

    if way == "environ":
        os.environ["MEM0_TELEMETRY"] = "False"
    elif way == "flag":
        from mem0_telemetry import telemetry  # noqa: PLC0415

        telemetry.MEM0_TELEMETRY = False
    elif way == "set_enabled":
        mem0_telemetry.set_enabled(False)


def _use(wanted: dict[str, Any], *, with_mem0: bool) -> None:
    from mem0_telemetry.cli.verify import _planting  # noqa: PLC0415

    _planting.use_drop_in(wanted["texts"])
    if with_mem0:
        _planting.use_mem0(
            wanted["texts"],
            directory=Path(os.environ["HOME"], wanted["texts"]["directory"]),
            platform_url=wanted["platform_url"],
            thoroughly=wanted["thoroughly"],
        )


if __name__ == "__main__":
    sys.exit(main())
