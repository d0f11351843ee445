"""A fork at any moment: the child ends, and no event is lost or arrives twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

IGNORE_FORK_WARNING = "ignore:This process"
"""Since 3.12 Python itself warns at every fork of a process with threads, no matter who started the threads."""
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


LONG_WAIT = 'import sys; sys.modules["mem0_telemetry.delivery._delivery"]._AWAITED = 60'
"""Let a child wait longer than 0.5 s, for busy machines. No import: the drop-in must have imported the module."""
AT_THE_FIRST_EVENT = """
import os, sys, threading, time
import mem0_telemetry
mem0_telemetry.instrument()
{mem0}
from mem0_telemetry.telemetry import capture_event
{long_wait}
go = threading.Event()
def first():
    go.wait(60)
    capture_event("mem0.init", object(), {{"sync_type": "sync"}})
threading.Thread(target=first).start()
children = set()
go.set()
for _ in range(20):
    child = os.fork()
    if child == 0:
        capture_event("mem0.reset", object(), {{"sync_type": "async"}})
        os._exit(0)
    children.add(child)
    time.sleep(0.002)
deadline = time.monotonic() + 90
while children and time.monotonic() < deadline:
    children -= {{child for child in children if os.waitpid(child, os.WNOHANG)[0]}}
    time.sleep(0.01)
for child in children:
    os.kill(child, 9)
sys.exit(f"{{len(children)}} children hang" if children else 0)
"""


def fork_at_the_first_event(processes: int, mem0: str, tmp_path: Path, server: CaptureServer) -> None:
    """Fork 20 children in each of `processes`; assert that every child ends, and that its event arrives."""
    environ = posthog_environ(tmp_path, server.url, PYTHONWARNINGS=IGNORE_FORK_WARNING)
    for _ in range(processes):
        result = run_python(
            AT_THE_FIRST_EVENT.format(mem0=mem0, long_wait=LONG_WAIT), environ, listening=False
        )
        assert (result.returncode, result.stderr) == (0, "")
    assert arrived(environ, server) == {
        "mem0.init": processes,
        "mem0.reset": 20 * processes,
        "mem0.history": 1,
    }


def arrived(environ: dict[str, str], server: CaptureServer) -> Counter[str]:
    """Run a process that records `mem0.history` and delivers the remaining events; count all that have arrived."""
    last = (
        "import mem0_telemetry; from mem0_telemetry import telemetry\n"
        "telemetry.capture_event('mem0.history', object(), {})\n"
        "assert mem0_telemetry.flush(60)\n"
    )
    assert run_python(last, environ).returncode == 0
    # Count uuids: a child may have ended right after a request, whose events are then sent again.
    return Counter({event["uuid"]: event["event"] for event in server.events}.values())


def test_fork_at_the_first_event(tmp_path: Path, server: CaptureServer) -> None:
    """Of 20 children forked while another thread records the first event, none hangs or loses its event."""
    fork_at_the_first_event(1, "", tmp_path, server)


@pytest.mark.slow
def test_fork_at_the_first_event_many_times(tmp_path: Path, server: CaptureServer) -> None:
    """The same for 200 children, of processes that have imported Mem0."""
    fork_at_the_first_event(10, "import mem0", tmp_path, server)


JOBS = """
import os
import mem0_telemetry
mem0_telemetry.instrument()
from mem0_telemetry import telemetry
{long_wait}
{before}
for _ in range(4):  # a worker that forks for each job, or recycles its children after one
    child = os.fork()
    if child == 0:
        for event in ("mem0.init", "mem0.add", "mem0.search"):
            telemetry.capture_event(event, object(), {{"sync_type": "sync"}})
        os._exit(0)
    os.waitpid(child, 0)
"""
PARENT_RECORDS = (
    'telemetry.capture_event("mem0.reset", object(), {"sync_type": "sync"}); mem0_telemetry.flush(60)'
)


@pytest.mark.parametrize("before", ["", PARENT_RECORDS], ids=["parent without events", "parent with events"])
def test_children_that_end_by_os_exit(before: str, tmp_path: Path, server: CaptureServer) -> None:
    """The first events of a child are on disk before it continues, so they survive `os._exit` and arrive later."""
    environ = posthog_environ(tmp_path, server.url, PYTHONWARNINGS=IGNORE_FORK_WARNING)
    result = run_python(JOBS.format(before=before, long_wait=LONG_WAIT), environ)
    assert (result.returncode, result.stderr) == (0, "")
    names = arrived(environ, server)
    assert [names[name] for name in ("mem0.init", "mem0.add", "mem0.search")] == [4, 4, 4]


WHILE_LOCKED = """
import os, threading
import mem0_telemetry
from mem0_telemetry import telemetry
from mem0_telemetry.api import instrumentation
from mem0_telemetry.usage.current import usage
locked, end = threading.Event(), threading.Event()
def another_thread():
    locks = usage.switches._lock, usage.recorder._lock, instrumentation._lock
    with locks[0].of_this_process(), locks[1].of_this_process(), locks[2].of_this_process():
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


def test_fork_while_another_thread_holds_our_locks(tmp_path: Path, server: CaptureServer) -> None:
    """A child does not hang if another thread held our locks of consent and instrumentation at the fork."""
    environ = posthog_environ(tmp_path, server.url, PYTHONWARNINGS=IGNORE_FORK_WARNING)
    result = run_python(WHILE_LOCKED, environ, new_interpreter=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert [event["event"] for event in server.events] == ["mem0.reset"]


IN_A_DRY_RUN = """
import os, sys, threading
import mem0_telemetry
mem0_telemetry.instrument(operations=False)
from mem0_telemetry import telemetry
printing, forking = threading.Event(), threading.Event()
class Slow:
    lock = threading.Lock()
    def write(self, text):
        with self.lock:  # as a real stream does
            printing.set()
            forking.wait(60)
    def flush(self):
        pass
sys.stderr = Slow()
os.register_at_fork(before=forking.set)  # the hook that was registered last runs first
event = "mem0.init", object(), {"sync_type": "sync"}
threading.Thread(target=telemetry.capture_event, args=event).start()
printing.wait(60)
child = os.fork()
if child == 0:
    import signal
    signal.alarm(60)
    telemetry.capture_event(*event)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_fork_in_a_dry_run(tmp_path: Path, server: CaptureServer) -> None:
    """A fork waits while another thread prints an event of a dry run, so the child can print one too."""
    environ = posthog_environ(
        tmp_path, server.url, MEM0_TELEMETRY_DEBUG="1", PYTHONWARNINGS=IGNORE_FORK_WARNING
    )
    result = run_python(IN_A_DRY_RUN, environ, new_interpreter=True)
    assert (result.returncode, result.stderr) == (0, "")


SWITCHED_ON_AGAIN = """
import os, sys, threading
from importlib.machinery import PathFinder
import mem0_telemetry
mem0_telemetry.set_enabled(False)
mem0_telemetry.instrument(operations=False)
importing, reached, forked = [], threading.Event(), threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not switching or reached.is_set():
            return None
        spec = PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def exec_module(module):
            importing.append(name)
            reached.set()
            forked.wait(0.5)  # a fork that waits for this thread takes place after this line
            importing.clear()
            run(module)
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Slow())
switching = threading.Thread(target=mem0_telemetry.set_enabled, args=[True])
switching.start()
reached.wait(60)
child = os.fork()
if child == 0:
    os._exit(len(importing))
forked.set()
switching.join()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_fork_while_another_thread_switches_on_again(tmp_path: Path, server: CaptureServer) -> None:
    """While one thread switches telemetry on again and imports, a fork in another thread waits for that import."""
    environ = posthog_environ(tmp_path, server.url, PYTHONWARNINGS=IGNORE_FORK_WARNING)
    # stderr is not checked: Python may complain if an imported module registers a fork hook during the fork.
    assert run_python(SWITCHED_ON_AGAIN, environ, new_interpreter=True).returncode == 0


def fork_again_and_again(runs: int, tmp_path: Path, server: CaptureServer) -> None:
    """Run the program `runs` times in one home, then a last program that delivers the remaining events."""
    environ = posthog_environ(
        tmp_path,
        server.url,
        # On a busy machine the exit would cut off a request, and its events would arrive twice.
        MEM0_TELEMETRY_EXIT_TIMEOUT="20",
        PYTHONWARNINGS=IGNORE_FORK_WARNING,
    )
    for _ in range(runs):
        result = run_python(FORK, environ, new_interpreter=True)
        assert (result.returncode, result.stderr) == (0, "")
    names = arrived(environ, server)
    assert len(server.events) == sum(names.values())  # each of them once
    assert names == {"mem0.init": runs, "mem0.reset": runs, "mem0.history": 1}


def test_fork(tmp_path: Path, server: CaptureServer) -> None:
    """Each of 8 children ends; every event of parents and children arrives exactly once."""
    fork_again_and_again(8, tmp_path, server)


@pytest.mark.slow
def test_fork_many_times(tmp_path: Path, server: CaptureServer) -> None:
    """Each of 200 children ends; every event of parents and children arrives exactly once."""
    fork_again_and_again(200, tmp_path, server)
