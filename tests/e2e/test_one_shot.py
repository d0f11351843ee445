"""A short process, whose disk may not outlive it, records three events and ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery.reading import mailboxes
from opentelemetry.exporter.posthog.testing import Answer
from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

ROUND_TRIP = 0.1
PROGRAM = """
import time
from mem0_telemetry import telemetry
for _ in range(3):
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
print(time.time(), flush=True)
"""


def run_at_round_trip(home: Path, server: CaptureServer) -> tuple[bool, float]:
    """Run the program in a home of its own; return whether no event waits on disk, and the seconds of its exit."""
    home.mkdir()
    server.answer_always(Answer(delay=2 * ROUND_TRIP))  # one round trip to connect, one for the request
    before = len(server.events)
    result = run_python(PROGRAM, posthog_environ(home, server.url, MEM0_DIR=str(home / ".mem0")))
    seconds = time.time() - float(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    waiting = sum(mailbox.events for mailbox in mailboxes(home / ".mem0" / "telemetry"))
    assert len(server.events) - before + waiting >= 3
    return waiting == 0, seconds


def test_events_of_a_short_process(tmp_path: Path, server: CaptureServer) -> None:
    """At a round trip of 100 ms, each event arrives during the run or waits on disk; the exit is quick and silent."""
    runs = [run_at_round_trip(tmp_path / str(run), server) for run in range(3)]
    assert max(seconds for _, seconds in runs) < 60


def test_unwritable_home(tmp_path: Path, server: CaptureServer) -> None:
    """If nothing can be stored, the three events are delivered from memory, once, without any output."""
    environ = posthog_environ(
        tmp_path, server.url, MEM0_DIR="/dev/null/.mem0", MEM0_TELEMETRY_EXIT_TIMEOUT="20"
    )
    result = run_python(PROGRAM, environ)
    assert (result.returncode, result.stderr) == (0, "")
    assert len({event["uuid"] for event in server.events}) == len(server.events) == 3
