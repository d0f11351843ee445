"""The fork gate: a fork waits while one of our threads holds the gate, within its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]

QUIET_FORK = {"PYTHONWARNINGS": "ignore:This process"}
"""Hides the interpreter's own warning, since Python 3.12, about a fork in a process with threads."""
FORK = """
def fork():
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return time.monotonic() - started
from mem0_telemetry.delivery import fork_gate
"""


def test_the_gate_loads_no_sdk(directory: Path) -> None:
    """Importing the gate and its package does not import the SDK, because the gate must exist before that import."""
    code = """
from mem0_telemetry.delivery import fork_gate
with fork_gate.hold(): pass
import mem0_telemetry.delivery
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    assert support.run(code, directory, 0).out == "[]\n"


def test_a_fork_waits_for_the_holder(directory: Path) -> None:
    """A fork waits until the holder has released the gate."""
    code = (
        FORK
        + """
held, done = threading.Event(), []
def holder():
    with fork_gate.hold():
        with fork_gate.hold(): held.set()
        time.sleep(0.5)
        done.append(time.monotonic())
threading.Thread(target=holder).start()
held.wait()
fork()
print(len(done))
"""
    )
    assert support.run(code, directory, 0).out == "1\n"


def test_a_holder_may_fork(directory: Path) -> None:
    """A thread that holds the gate may fork, and its child can use the gate and fork again."""
    code = (
        FORK
        + """
started = time.monotonic()
with fork_gate.hold():
    pid = os.fork()
    if pid == 0:
        with fork_gate.hold(): pass
    if pid == 0:
        fork()
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), fork() < 9, time.monotonic() - started < 9)
"""
    )
    assert support.run(code, directory, 0).out == "7 True True\n"


def test_a_child_forgets_the_holders_of_its_parent(directory: Path) -> None:
    """After the bound, the fork goes ahead, and a later fork in the child does not wait for the parent's holders."""
    code = (
        FORK
        + """
import unittest.mock
held, release = threading.Event(), threading.Event()
def holder():
    with fork_gate.hold():
        held.set(); release.wait(60)
with unittest.mock.patch.object(fork_gate, "_BOUND", 0.2):
    threading.Thread(target=holder, daemon=True).start(); held.wait()
    pid = os.fork()
if pid == 0:
    os._exit(0 if fork() < 9 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    )
    assert support.run(code, directory, 0).out == "0\n"


def test_imports_under_the_gate_need_no_lock_of_the_forking_thread(directory: Path, tmp_path: Path) -> None:
    """`logging` and executors lock before a fork; a gate holder that imports them meanwhile does not deadlock."""
    program = tmp_path / "program.py"  # without our prelude, which imports both of them first
    program.write_text("""
import os, sys, threading, time
from mem0_telemetry.delivery import fork_gate
assert not {"logging", "concurrent.futures"} & set(sys.modules)
held = threading.Event()
def holder():
    with fork_gate.hold():
        held.set()
        time.sleep(0.3)
        import logging, concurrent.futures
        logging.getLogger("new one").addHandler(logging.NullHandler())
        with concurrent.futures.ThreadPoolExecutor(1) as pool: pool.submit(int).result()
thread = threading.Thread(target=holder); thread.start()
held.wait()
started = time.monotonic()
pid = os.fork()
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
print(time.monotonic() - started < 9)
thread.join()
""")
    finished = support.run(program, directory, 0, env=QUIET_FORK)
    assert (finished.out, finished.err) == ("True\n", "")


def test_callbacks_run_in_the_child_only(directory: Path) -> None:
    """A callback runs in each child as long as its object lives, and never in the parent."""
    code = (
        FORK
        + """
class Counter:
    calls = 0
    def called(self): self.calls += 1
one, gone = Counter(), Counter()
fork_gate.after_fork_in_child(one.called)
fork_gate.after_fork_in_child(gone.called)
del gone
pid = os.fork()
if pid == 0:
    os._exit(one.calls)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), one.calls)
"""
    )
    assert support.run(code, directory, 0).out == "1 0\n"


def test_without_fork_hooks_it_does_nothing(directory: Path) -> None:
    """The gate works without effect on a platform without `os.register_at_fork`."""
    code = """
del os.register_at_fork
from mem0_telemetry.delivery import fork_gate
with fork_gate.hold(): print("held")
"""
    assert support.run(code, directory, 0).out == "held\n"


def test_a_signal_handler_while_a_fork_waits(directory: Path) -> None:
    """A signal handler on the thread that waits to fork may enter the gate without waiting for that fork."""
    code = (
        FORK
        + """
held, entered = threading.Event(), []
def holder():
    with fork_gate.hold():
        held.set()
        while not entered: time.sleep(0.01)
def handler(*_):
    with fork_gate.hold(): entered.append(threading.get_ident())
signal.signal(signal.SIGALRM, handler)
threading.Thread(target=holder).start()
held.wait()
signal.setitimer(signal.ITIMER_REAL, 0.2)
print(fork() < 5, len(entered))
"""
    )
    assert support.run(code, directory, 0, env=QUIET_FORK).out == "True 1\n"


def test_the_first_event_imports_and_opens_nothing_on_its_thread(directory: Path, sink: support.Sink) -> None:
    """The first event imports and opens nothing on its caller's thread: it is fast, and a fork meets no import."""
    code = """
d = to_sink(D, P)
seen, me = [], threading.get_ident()
sys.addaudithook(lambda event, arguments: seen and event in ("import", "open")
                 and threading.get_ident() == me and seen.append((event, arguments[0])))
seen.append("begin")
d.enqueue("a", {})
print(seen.pop(0), seen)
"""
    assert support.run(code, directory, sink.port).out == "begin []\n"


def test_a_fork_waits_for_the_imports_of_the_gate_itself(directory: Path, tmp_path: Path) -> None:
    """A child forked while the first holder imports `logging` can import it too."""
    program = tmp_path / "program.py"  # without our prelude, which imports it first
    program.write_text("""
import faulthandler, os, sys, threading
from mem0_telemetry.delivery import fork_gate
assert not {"logging", "concurrent.futures"} & set(sys.modules)
reached, go_on = threading.Event(), threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "logging" and not reached.is_set():
            reached.set(); go_on.wait(0.5)
sys.meta_path.insert(0, Slow())
def first_holder():
    with fork_gate.hold(): pass
thread = threading.Thread(target=first_holder); thread.start()
reached.wait(60)
pid = os.fork()
if pid == 0:
    faulthandler.dump_traceback_later(30, exit=True)
    import logging, concurrent.futures.thread
    os._exit(0)
go_on.set()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.join()
""")
    # Ignore stderr: Python may print errors because `logging` registers its own hooks during this fork.
    assert support.run(program, directory, 0, env=QUIET_FORK).out == "0\n"


def test_the_first_holder_during_a_fork(directory: Path) -> None:
    """If the hooks are registered during a fork, nothing is printed, and this fork and the next one work."""
    code = (
        FORK
        + """
import concurrent.futures.thread, logging
forking, held = threading.Event(), threading.Event()
os.register_at_fork(before=lambda: (forking.set(), held.wait()))
def holder():
    forking.wait()
    with fork_gate.hold(): held.set()
threading.Thread(target=holder).start()
print(fork() < 5, fork() < 5)
"""
    )
    finished = support.run(code, directory, 0, env=QUIET_FORK)
    assert (finished.out, finished.err) == ("True True\n", "")


def test_a_fork_waits_for_one_batch_at_most(directory: Path) -> None:
    """If `emit` raises for every event, a fork waits for 500 events at most, not until the queue is empty."""
    code = """
from mem0_telemetry.delivery import fork_gate
emitted, begun = 0, threading.Event()
def emit(*_):
    global emitted
    begun.set()
    assert wait_until(lambda: emitted or fork_gate._gate._forking)  # the fork waits from the first event on
    emitted += 1
    raise ZeroDivisionError
d = to_sink(D, P, emit=emit)
for number in range(19_000): d._writer._queue.append((number, "test.event", {}))
d.enqueue("test.event", {})
assert begun.wait(60)
if (pid := os.fork()) == 0: os._exit(emitted // 100)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), d.flush(60), d.status().dropped)
"""
    finished = support.run(code, directory, 0, env=QUIET_FORK)
    assert finished.out == "5 True {'unencodable': 19001}\n"
