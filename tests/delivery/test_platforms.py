"""Unusual platforms: no `fcntl`, no fork hooks, gevent, sub-interpreters, the thread limit."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]

HIDDEN = """
sys.modules["fcntl"] = None
del os.register_at_fork, os.fork
"""


def test_without_locks_and_fork_hooks(directory: Path, sink: support.Sink) -> None:
    """Without locks, as on Windows, all batches stay in memory and are delivered."""
    code = (
        HIDDEN
        + """
d = to_sink(D, P, exit_timeout=20)
enqueue_numbers(d, range(100)); assert d.flush(60)
assert not d.status().destinations[0].on_disk
enqueue_numbers(d, range(100, 110))
"""
    )
    finished = support.run(code, directory, sink.port)
    assert (finished.out, finished.err) == ("", "")
    assert sorted(sink.numbers()) == list(range(110))
    assert not directory.exists()


def test_threads_with_the_smallest_stack(directory: Path, sink: support.Sink) -> None:
    """With a 32 KiB stack, where an import would crash, no thread starts, and the exit writes the queue to disk."""
    code = """
threading.stack_size(32768)
d = to_sink(D, P); enqueue_numbers(d, [1, 2])
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
    assert sink.requests == []
    assert len(support.spooled_files(directory)) == 1


def test_without_locks_batches_in_memory_survive_an_outage(directory: Path, sink: support.Sink) -> None:
    """In memory too, unsent batches are sent later or discarded; the reading functions find nothing."""
    code = (
        HIDDEN
        + """
from mem0_telemetry.delivery.reading import mailboxes, history, purge
d = to_sink(D, P, limits=quick_limits())
enqueue_numbers(d, range(10)); d._writer.flush(60); d.discard()
enqueue_numbers(d, range(10, 20)); d._writer.flush(60)
print("go", flush=True); sys.stdin.read()
assert d.flush(60), d.status()
assert (mailboxes(Path(D)), history(Path(D)), purge(Path(D))) == ((), (), (0, ()))
assert d.status().dropped == {"discarded": 10}, d.status()
"""
    )
    sink.answer = lambda events: support.Answer(503 if events[0]["n"] < 10 or not up else 200)
    up: list[bool] = []
    process = support.start(code, directory, sink.port, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    up.append(True)
    assert process.communicate(timeout=180) == ("", "")
    assert sink.numbers() == list(range(10, 20))


GEVENT = """
from gevent import monkey; monkey.patch_all()
# From Python 3.12 on gevent cannot connect at exit, as its resolver starts a thread: what is on disk stays there, and
# no second try is worth its wait.
d = to_sink(D, P, exit_timeout=20, limits=quick_limits(backoff_initial=60))
enqueue_numbers(d, range(10))
"""


def test_greenlets_of_the_parent_do_not_work_in_the_child(directory: Path, sink: support.Sink) -> None:
    """Under gevent, a fork copies our greenlets; in the child, those that wait or send do nothing."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    code = """
from gevent import monkey; monkey.patch_all()
import gc
d = to_sink(D, P, limits=quick_limits(linger=0.3))
enqueue_numbers(d, [0]); assert d.flush(60)
enqueue_numbers(d, [1]); assert wait_until(lambda: next(iter(d._senders)).mailbox._disk._files._held)
time.sleep(0.1)
enqueue_numbers(d, [2])
pid = os.fork()
if pid == 0:
    gc.collect(); time.sleep(1.5); gc.collect()
    assert d.status().threads == (), d.status()
    assert d.status().sent == 0, d.status()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
assert d.flush(60)
"""
    sink.answer = lambda events: support.Answer(delay=0.6 if events[0]["n"] == 1 else 0)
    finished = support.run(code, directory, sink.port, env={"PYTHONWARNINGS": "ignore"})
    assert (finished.out, finished.err) == ("0\n", "")
    assert set(sink.numbers()) == {0, 1, 2}


def test_gevent_patches_a_worker_after_the_fork(directory: Path, sink: support.Sink) -> None:
    """A worker that gevent patches after the fork, as gunicorn's, delivers, although its parent had real threads."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    code = """
d = to_sink(D, P, exit_timeout=20)
enqueue_numbers(d, [0]); assert d.flush(60)
pid = os.fork()
if pid == 0:
    from gevent import monkey; monkey.patch_all()
    import gevent
    gevent.joinall([gevent.spawn(enqueue_numbers, d, [number]) for number in range(1, 10)])
    assert d.flush(60), d.status()
    enqueue_numbers(d, [10])
    sys.exit()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    finished = support.run(code, directory, sink.port, env={"PYTHONWARNINGS": "ignore"})
    assert (finished.out, finished.err) == ("0\n", "")
    assert sink.wait_for(11)
    assert sink.numbers() == list(range(11))


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "assert d.flush(60), d.status()",
        "import gevent; gevent.joinall([gevent.spawn(enqueue_numbers, d, [number]) for number in range(10, 20)])",
        "pid = os.fork()\nif pid == 0: enqueue_numbers(d, range(10, 20)); sys.exit()\nos.waitpid(pid, 0)",
    ],
    ids=["exit", "flush", "greenlets", "fork"],
)
def test_with_gevent(ending: str, directory: Path, sink: support.Sink) -> None:
    """If gevent patches everything, our threads are greenlets; nothing hangs, and all events are delivered."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    finished = support.run(
        GEVENT + ending, directory, sink.port, env={"PYTHONWARNINGS": "ignore:This process"}
    )
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    support.deliver_the_rest(directory, sink)
    expected = range(20) if "10, 20" in ending else range(10)
    assert sorted(number for number in sink.numbers() if number != -1) == list(expected)


NO_THREADS = """
import opentelemetry.sdk._logs, _thread
def refuse(*args, **kwargs): raise RuntimeError("can't start new thread")
threading._start_new_thread = refuse
if hasattr(threading, "_start_joinable_thread"): threading._start_joinable_thread = refuse
d = to_sink(D, P, exit_timeout=20)
enqueue_numbers(d, range(10))
assert d.status().threads == ()
"""


def test_at_the_thread_limit(directory: Path, sink: support.Sink) -> None:
    """If no thread can be started, nothing raises, and the exit writes the queue."""
    finished = support.run(NO_THREADS, directory, sink.port)
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    assert sink.numbers() == []
    support.deliver_the_rest(directory, sink)
    assert sorted(sink.numbers()) == list(range(-1, 10))


def test_at_the_real_thread_limit(directory: Path, sink: support.Sink) -> None:
    """If the system's own limit refuses a thread, `enqueue` and `flush` do not raise, and events stay queued."""
    code = """
import opentelemetry.sdk._logs, resource
warm = to_sink(None, P); enqueue_numbers(warm, [-2]); warm.shutdown(10)
if os.geteuid() == 0: os.setgid(65533); os.setuid(65533)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try: threading.Thread(target=int).start()
except RuntimeError: print("refused")
d = to_sink(None, P)
enqueue_numbers(d, range(10)); print(d.status().threads, d.status().queued)
assert not d.flush(1)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.out, finished.err) == ("refused\n() 10\n", "")


def test_threads_start_once_the_thread_limit_is_lifted(directory: Path, sink: support.Sink) -> None:
    """If the thread limit was only temporary, a later event starts the threads."""
    keep = "kept = {name: getattr(threading, name) for name in dir(threading) if '_start_' in name}\n"
    code = (
        keep
        + NO_THREADS
        + """
for name, function in kept.items(): setattr(threading, name, function)
time.sleep(1.1)
enqueue_numbers(d, [10])
assert len(d.status().threads) == 2, d.status()
"""
    )
    finished = support.run(code, directory, sink.port)
    assert (finished.out, finished.err) == ("", "")
    assert sorted(sink.numbers()) == list(range(11))


def test_in_a_sub_interpreter(directory: Path, sink: support.Sink) -> None:
    """In a sub-interpreter no thread starts, because that may abort the process; its end writes the queue."""
    code = """
inner = f"import sys; sys.argv = ['']; from support.delivery import *; d = to_sink({D!r}, {P}); "
inner += "enqueue_numbers(d, range(10)); print(d.status().threads, d.status().queued, flush=True)"
try:
    import _interpreters as interpreters
    one = interpreters.create("legacy")
    failure = interpreters.exec(one, inner)
    assert failure is None, failure
except ImportError:
    import _xxsubinterpreters as interpreters
    one = interpreters.create(isolated=False)
    interpreters.run_string(one, inner)
interpreters.destroy(one)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.out, finished.err) == (0, "() 10\n", "")
    support.deliver_the_rest(directory, sink)
    assert sorted(sink.numbers()) == list(range(-1, 10))
