# SPDX-License-Identifier: Apache-2.0
"""A watched program that uses Mem0 and the drop-in (without mem0ai the drop-in alone), switched off or on.

Start it with `python -m mem0_telemetry.cli.harness.program JSON`; the JSON object has the arguments of `run`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mem0_telemetry
from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.cli.harness.watch import Watch, is_ours

_END_OF_NATIVE = 10.0
"""Seconds in which a closed native client must end a thread; it takes half a second."""
_ARRIVAL = 40.0
"""Seconds that delivery may take on a busy machine; it normally takes a few tenths of one."""


class _Logged(logging.Handler):
    """Keeps what our code logs, directly or through a library, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if is_ours(sys._getframe(1)):  # noqa: SLF001  # The logging call's stack decides whether it counts.
            self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def run(  # noqa: PLR0913  # All are keywords.
    *,
    texts: Mapping[str, str],
    platform_url: str,
    report: str,
    switch: str,
    instrument: str | None = "before",
    counted: bool = False,
    thoroughly: bool = False,
    configuration: Callable[..., dict[str, Any]] | None = None,
) -> None:
    """Run one watched program and write its report; the process then exits normally, with its exit hooks.

    Args:
        texts: the texts to plant.
        platform_url: the address of the fake of Mem0's hosted API.
        report: the file to write.
        switch: code that switches telemetry off once Mem0 is imported, or nothing.
        instrument: when to call `instrument()`: `before` or `after` the import of Mem0, or None if Mem0 or a
            launcher calls it.
        counted: make only the calls that `EXPECTED` counts, and fail if one of them fails.
        thoroughly: also call every public method of Mem0, and use subclasses as a user would define them.
        configuration: returns the configuration of a `Memory`, instead of the one with fake models.
    """
    sys.dont_write_bytecode = True  # Byte code that Python writes would count as our file.
    _plant_host_name(texts["host_name"])
    logged = _Logged()
    logging.getLogger().addHandler(logged)
    logging.getLogger().setLevel(logging.DEBUG)
    watch = Watch(str(Path(os.environ["MEM0_DIR"], "telemetry")))
    if instrument != "after":
        watch.begin()
    if instrument == "before":
        mem0_telemetry.instrument()
    has_mem0 = find_spec("mem0") is not None
    if has_mem0:
        import mem0  # noqa: PLC0415, F401  # The moment of this import is part of what is verified.
    if instrument == "after":
        watch.begin()
        mem0_telemetry.instrument()
    if switch:
        exec(switch, {"__name__": "__main__"})  # noqa: S102  # a line of `WAYS`, as in a user's program
        # Until the switch, telemetry was on: the drop-in imported the SDK, which starts threads, and registered hooks.
        watch.seen = [found for found in watch.seen if found[0] not in {"import", "thread", "hook"}]
    from mem0_telemetry.cli.harness import use  # noqa: PLC0415  # It imports watched modules.

    if not counted:
        use.use_drop_in(texts)
    memories = []
    if has_mem0:
        session = use.use_mem0(
            texts,
            directory=Path(texts["directory"]).absolute(),
            platform_url=platform_url,
            thoroughly=thoroughly,
            errors=() if counted else (Exception,),
            configuration=configuration,
        )
        memories = asyncio.run(session)
    arrived = _wait_until_sent()
    found = {
        "seen": watch.seen,
        "logged": logged.lines,
        "threads": _threads(),
        "arrived": arrived,
        "memories": memories,
        "status": asdict(mem0_telemetry.status()),
    }
    Path(report).write_text(json.dumps(found), encoding="utf-8")


def _threads() -> list[str]:
    """Return the names of telemetry's threads. A native PostHog client that was closed has time to end its threads."""
    native = [thread for thread in threading.enumerate() if "posthog" in type(thread).__module__]
    for thread in native:
        thread.join(_END_OF_NATIVE)
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("mem0-telemetry")]
    return [thread.name for thread in (*ours, *native) if thread.is_alive()]


def _wait_until_sent() -> bool:
    """Wait until one destination has everything; return whether it has. Another destination may never accept any."""
    deadline, before = monotonic() + _ARRIVAL, -1
    while not mem0_telemetry.flush(timeout=0.5):
        status = mem0_telemetry.status()
        if status.spooled == before and any(each.sent >= before for each in status.destinations):
            return True
        if monotonic() >= deadline:
            return False
        before = status.spooled
    return True


def _plant_host_name(name: str) -> None:
    """Give this machine another name in this process; the watch still sees a call that asks for it."""
    # The function is made by `exec` so that its frame belongs to `socket`, not to us.
    asked: dict[str, Any] = {"__name__": "socket", "ask": socket.gethostname, "name": name}
    exec("def gethostname():\n    ask()\n    return name\n", asked)  # noqa: S102  # see above
    socket.gethostname = asked["gethostname"]
    if hasattr(os, "uname"):
        system = os.uname()
        os.uname = lambda: os.uname_result((system.sysname, name, *system[2:]))


if __name__ == "__main__":
    run(**json.loads(sys.argv[1]))
