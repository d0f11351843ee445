"""No thread holds a lock while it waits for the disk or the network."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery import _files
from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]

pytestmark = pytest.mark.interpreter


def returns_at_once(delivery: Delivery) -> bool:
    """Return whether all calls that must not wait for I/O return while I/O is in progress."""
    done = threading.Event()

    def use() -> None:
        support.enqueue_numbers(delivery, range(1000))
        delivery.count_dropped("test")
        delivery.status()
        delivery.discard()
        delivery.flush(0)
        done.set()

    threading.Thread(target=use, daemon=True).start()
    return done.wait(60)


def test_calls_return_at_once_during_a_slow_request(make: Make, sink: support.Sink) -> None:
    """During a slow request, every call returns at once, and so does `shutdown(0)`."""
    sink.answer_all(delay=30)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: sink.requests)
    assert returns_at_once(delivery)
    ended = threading.Thread(target=delivery.shutdown, args=(0,), daemon=True)
    ended.start()
    ended.join(60)
    assert not ended.is_alive()


@pytest.mark.posix
def test_calls_return_at_once_while_the_disk_hangs(
    make: Make, sink: support.Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk does not respond, every call returns at once; `shutdown` waits within its bound."""
    writing, answered = threading.Event(), threading.Event()
    write_all = _files.write_all

    def write_at_last(descriptor: int, content: bytes) -> None:
        writing.set()
        answered.wait(60)
        write_all(descriptor, content)

    monkeypatch.setattr(_files, "write_all", write_at_last)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(write_bound=0.2))
    try:
        support.enqueue_numbers(delivery, [1])
        assert writing.wait(60)
        assert returns_at_once(delivery)
        assert not delivery.shutdown(0)
    finally:
        answered.set()


WATCHED = """
import _thread, traceback
from collections import Counter
held = Counter()  # (thread, where the lock was made) -> how often it is held
class Watched:
    def __init__(self, lock, where): self.lock, self.where = lock, where
    def acquire(self, *args, **kwargs):
        taken = self.lock.acquire(*args, **kwargs)
        if taken: held[threading.get_ident(), self.where] += 1
        return taken
    def release(self):
        held[threading.get_ident(), self.where] -= 1
        self.lock.release()
    def __enter__(self): return self.acquire()
    def __exit__(self, *_): self.release()
    def __getattr__(self, name): return getattr(self.lock, name)
def watch(make):
    def made(*args):
        frame = sys._getframe(1)
        module = frame.f_globals["__name__"]
        # A `Wakeup` is a lock that its waiter takes to wait, not to hold.
        if not module.startswith("mem0_telemetry.") or module.endswith("._threads"): return make(*args)
        where = f"{module.rpartition('.')[2]}.{frame.f_code.co_name}:{frame.f_lineno}"
        locks.add(where)
        return Watched(make(*args), where)
    return made
locks = set()
threading.Lock, threading.RLock = watch(threading.Lock), watch(threading.RLock)
IO = ("open", "os.", "socket.", "subprocess.", "fcntl.", "shutil.", "import")
found = {}
def look(event, arguments):
    if event.startswith(IO) and event != "os.fork":
        for (thread, where), times in tuple(held.items()):
            if times and thread == threading.get_ident() and not where.startswith(ALLOWED):
                found.setdefault(where, (event, arguments, traceback.format_stack()))
sys.addaudithook(look)
"""


@pytest.mark.posix
def test_no_lock_is_held_across_io(directory: Path, sink: support.Sink) -> None:
    """No thread does I/O under any of our locks, during sends, failures, a lost disk, a fork and the shutdown.

    Two locks are exempt because no caller waits for them indefinitely: `enqueue` only tries the one for starting the
    threads, and the exit waits for the one of a write in progress within a bound.
    """
    code = (
        'ALLOWED = ("_delivery._start_afresh", "_writer.__init__")\n'
        + WATCHED
        + """
from mem0_telemetry.delivery.reading import history
d = to_sink(D, P, limits=quick_limits(spool_bytes=64 * 1024, memory_bytes=64 * 1024))
enqueue_numbers(d, range(100)); assert d.flush(60)
down = to_sink(D, 1, limits=quick_limits(spool_bytes=64 * 1024, memory_bytes=64 * 1024))
for number in range(40): enqueue_numbers(down, range(100)); down._writer.flush(60)
assert wait_until(lambda: any(entry["result"] == "failed" for entry in history(Path(D))))  # makes directories
down.status(); os.rename(D, D + ".gone"); Path(D).touch(exist_ok=False)
for number in range(40): enqueue_numbers(down, range(100)); down._writer.flush(60)
down.discard()
os.unlink(D)
enqueue_numbers(d, range(100)); assert d.flush(60)
pid = os.fork()
if pid == 0:
    enqueue_numbers(d, range(100)); d.flush(10); os._exit(len(found))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
d.shutdown(5); down.shutdown(0)
for where, (event, arguments, stack) in found.items(): print(where, event, arguments, *stack)
assert len(locks) > 5, locks
"""
    )
    finished = support.run(code, directory, sink.port, env={"PYTHONWARNINGS": "ignore:This process"})
    assert (finished.code, finished.out, finished.err) == (0, "", "")
