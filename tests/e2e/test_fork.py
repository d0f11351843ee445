"""A fork at any moment after the first event: the child returns, and nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from processes import posthog_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

INTERPRETERS_OWN = "ignore:This process"
"""From 3.12 the interpreter itself warns at every fork of a process with threads, whosoever they are."""
FORK = """
import os, random, sys, time
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
time.sleep(random.random() * 0.3)
child = os.fork()
if child == 0:
    import requests, posthog
    import opentelemetry.sdk._logs, opentelemetry.sdk.trace
    telemetry.capture_event("mem0.reset", object(), {"sync_type": "async"})
    sys.exit(0)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        sys.exit(status)
    time.sleep(0.01)
os.kill(child, 9)
sys.exit("the child hangs")
"""


WHILE_LOCKED = """
import os, threading
import mem0_telemetry
from mem0_telemetry import _instrumentation, _usage, telemetry
locked, end = threading.Event(), threading.Event()
def another_thread():
    with _usage.usage._lock.of_this_process(), _instrumentation._lock.of_this_process():
        locked.set()
        end.wait(60)
threading.Thread(target=another_thread).start()
locked.wait(60)
child = os.fork()
if child == 0:
    mem0_telemetry.instrument(operations=False)
    telemetry.capture_event("mem0.reset", object(), {"sync_type": "async"})
    os._exit(0 if mem0_telemetry.flush(60) else 1)
_, status = os.waitpid(child, 0)
end.set()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_fork_while_another_thread_consults(tmp_path: Path, server: CaptureServer) -> None:
    """A child whose parent was just being asked for consent, or instrumented, in another thread, does not hang."""
    environ = posthog_environ(tmp_path, server.url, PYTHONWARNINGS=INTERPRETERS_OWN)
    result = run_python(WHILE_LOCKED, environ, new_interpreter=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert [event["event"] for event in server.events] == ["mem0.reset"]


def fork_again_and_again(runs: int, tmp_path: Path, server: CaptureServer) -> None:
    """Run the program `runs` times on one home, then one clean run that delivers what is left."""
    environ = posthog_environ(
        tmp_path,
        server.url,
        # On a busy machine a request in flight would be cut off, and come again.
        MEM0_TELEMETRY_EXIT_TIMEOUT="20",
        PYTHONWARNINGS=INTERPRETERS_OWN,
    )
    for _ in range(runs):
        result = run_python(FORK, environ, new_interpreter=True)
        assert (result.returncode, result.stderr) == (0, "")
    last = (
        "import mem0_telemetry; from mem0_telemetry import telemetry\n"
        "telemetry.capture_event('mem0.history', object(), {})\n"
        "assert mem0_telemetry.flush(60)\n"
    )
    assert run_python(last, environ).returncode == 0
    uuids = Counter(event["uuid"] for event in server.events)
    assert set(uuids.values()) == {1}
    names = Counter(event["event"] for event in server.events)
    assert names == {"mem0.init": runs, "mem0.reset": runs, "mem0.history": 1}


def test_fork(tmp_path: Path, server: CaptureServer) -> None:
    """Each of 8 children returns; every event of parents and children arrives exactly once."""
    fork_again_and_again(8, tmp_path, server)


@pytest.mark.slow
def test_fork_many_times(tmp_path: Path, server: CaptureServer) -> None:
    """Each of 200 children returns; every event of parents and children arrives exactly once."""
    fork_again_and_again(200, tmp_path, server)
