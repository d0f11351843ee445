"""Measure how long programs take to exit, and what happens to their events: Mem0's own telemetry and ours."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from table import KINDS, command, environ_of, show

from mem0_telemetry.delivery.reading import mailboxes
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE_PATIENCE = 130.0
"""Seconds after which a native process that has not ended is killed."""
FAILURES = {
    "refused": None,
    "500": Answer(status=500),
    "429, Retry-After: 30": Answer(status=429, headers={"Retry-After": "30"}),
    "accepts and stalls": Answer(stall=True),
    "slow drip": Answer(drip=1.0),
    "blackholed connect": "blackhole",
    "DNS that hangs": "dns",
}
_FULL_QUEUE = 20_000
_IDLE_RUNS = 9


def compare_exits(events: int, patience: float) -> None:
    """Measure the exit after some events, with a healthy endpoint and with each kind of failure."""
    goal = "Python's own end + 0.5 s (budget) + 0.15 s, lost 0"
    for name, answer in {"healthy": Answer(), **FAILURES}.items():
        show(
            f"exit, {events} events, {name}", *(_exit(kind, answer, events, patience) for kind in KINDS), goal
        )


def compare_full_queue(patience: float) -> None:
    """Measure the exit after a burst of as many events as the queue holds."""
    cells = (_exit(kind, Answer(), _FULL_QUEUE, patience) for kind in KINDS)
    show(f"exit, {_FULL_QUEUE} events, healthy", *cells, "at most 1.5 s, lost 0")


def compare_idle() -> None:
    """Measure the exit of a program with delivered events, compared with one that records none: medians."""
    found = {}
    for kind in KINDS:
        for events in (0, 3):
            seconds = []
            for _ in range(_IDLE_RUNS):
                with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
                    environ = environ_of(Path(home), server.url, BENCH_COUNT=str(events), BENCH_IDLE="1.5")
                    seconds.append(_seconds_to_end(kind, environ, 30))
            found[kind, events] = statistics.median(seconds)
    show(
        "exit, nothing recorded: Python's own end, with Mem0 loaded",
        *(f"{found[kind, 0]:.2f} s" for kind in KINDS),
    )
    cells = (f"{found[kind, 3] - found[kind, 0]:+.3f} s" for kind in KINDS)
    show("exit, healthy and idle, over a program that records nothing", *cells, "at most 0.1 s")


def compare_outage() -> None:
    """Record 100 events while the endpoint answers 503 for 20 s, then 200; count the events that arrive by the exit."""
    cells = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
            server.answer_always(Answer(status=503))
            environ = environ_of(Path(home), server.url)
            process = _start("outage", kind, environ, stdin=subprocess.PIPE)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            refused = len(server.events)
            server.answer_always(Answer())
            process.stdin.close()
            process.wait(120)
            arrived = {event["uuid"] for event in server.events[refused:]}
            cells.append(_fate(kind, 101, len(arrived), Path(home)))
    show("100 events while down (503) for 20 s, then up, then one more", *cells, "lost 0")


def _exit(kind: str, answer: Any, events: int, patience: float) -> str:
    """Measure one exit; return the result as text."""
    with tempfile.TemporaryDirectory() as home, _endpoint(answer) as (url, server):
        environ = environ_of(Path(home), url, BENCH_COUNT=str(events))
        if answer == "dns":
            environ["BENCH_DNS"] = "hangs"
        try:
            took = f"{_seconds_to_end(kind, environ, patience):.2f} s"
        except TimeoutError:
            took = f"over {patience:.0f} s"
        return f"{took}, {_fate(kind, events, _accepted(server, answer), Path(home))}"


def _fate(kind: str, events: int, arrived: int, home: Path) -> str:
    """Return the fate of the events as text; the next run delivers those on disk (tests/delivery)."""
    waiting = sum(mailbox.events for mailbox in mailboxes(home / ".mem0" / "telemetry"))
    lost = max(0, events - arrived - waiting)
    on_disk = f", {waiting} wait on disk" if kind == "ours" and waiting else ""
    return f"{arrived} of {events} arrived{on_disk}, {lost} lost"


def _start(what: str, kind: str, environ: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(what, kind), env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options
    )


def _seconds_to_end(kind: str, environ: dict[str, str], patience: float) -> float:
    """Return the seconds from a program's last line to its exit; after `patience` kill it and raise TimeoutError."""
    process = _start("exit", kind, environ)
    assert process.stdout is not None
    done_at: float = json.loads(process.stdout.readline())
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise TimeoutError from None
    return time.time() - done_at


@contextlib.contextmanager
def _endpoint(answer: Any) -> Iterator[tuple[str, CaptureServer]]:
    """Yield the URL of an endpoint that behaves as `answer`, and the server that counts its events."""
    with CaptureServer() as server:
        if isinstance(answer, Answer):
            server.answer_always(answer)
            yield server.url, server
        elif answer == "blackhole":
            with socket.socket() as full, contextlib.ExitStack() as waiting:
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                for _ in range(3):  # With a full backlog, connections are neither accepted nor refused.
                    client = waiting.enter_context(socket.socket())
                    client.setblocking(False)
                    client.connect_ex(full.getsockname())
                yield f"http://127.0.0.1:{full.getsockname()[1]}", server
        elif answer == "dns":
            yield server.url.replace("127.0.0.1", "localhost"), server
        else:
            server.stop()
            yield server.url, server


def _accepted(server: CaptureServer, answer: Any) -> int:
    """Return the number of events that a server has accepted with status 200."""
    if not isinstance(answer, Answer) or answer.status != 200 or answer.stall or answer.drip:
        return 0
    return len({event["uuid"] for event in server.events})
