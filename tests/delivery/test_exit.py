"""However a process ends, its events arrive in this run or a later one, and the exit does not take long."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.interpreter

PUT_10 = "d = to_sink(D, P); enqueue_numbers(d, range(10))\n"

ENDINGS = {
    "return": PUT_10,
    "sys.exit": PUT_10 + "sys.exit(3)",
    "sys.exit with a message": PUT_10 + "sys.exit('told to')",
    "exception": PUT_10 + "raise ValueError('a mistake')",
    "in a thread": """
worker = threading.Thread(target=lambda: enqueue_numbers(to_sink(D, P), range(10))); worker.start(); worker.join()
""",
    "in a daemon thread": """
enqueued = threading.Event()
def work():
    enqueue_numbers(to_sink(D, P), range(10)); enqueued.set(); time.sleep(60)
threading.Thread(target=work, daemon=True).start(); enqueued.wait()
""",
    "after the main thread": """
d = to_sink(D, P)  # the SDK cannot be imported any more after the main thread has ended
def work():
    while threading.main_thread().is_alive(): time.sleep(0.01)
    enqueue_numbers(d, range(10))
threading.Thread(target=work).start()
""",
    "asyncio": """
import asyncio
async def main(): enqueue_numbers(to_sink(D, P), range(10))
asyncio.run(main())
""",
    "at exit, first": """
import atexit, opentelemetry.sdk._logs, mem0_telemetry.delivery._delivery
atexit.register(lambda: enqueue_numbers(to_sink(D, P), range(10)))
""",
    "at exit, after ours": """
import atexit
atexit.register(lambda: enqueue_numbers(d, range(5, 10)))
d = to_sink(D, P); enqueue_numbers(d, range(5))
""",
    "interrupted": PUT_10 + "import signal; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
    "shut down by hand": PUT_10 + "d.shutdown(5); d.shutdown(5)",
    "no waiting": "d = to_sink(D, P, exit_timeout=0); enqueue_numbers(d, range(10))",
}
CODES = {
    "sys.exit": 3,
    "sys.exit with a message": 1,
    "exception": 1,
    "interrupted": -signal.SIGINT,
}
LAST_WORDS = {
    "sys.exit with a message": "told to",
    "exception": "ValueError: a mistake",
    "interrupted": "KeyboardInterrupt",
}
CHILDREN = {
    "os.fork": "pid = os.fork()\nif pid == 0: child(); sys.exit()\nos.waitpid(pid, 0)",
    **{
        f"multiprocessing {method}": f"""
import multiprocessing
process = multiprocessing.get_context({method!r}).Process(target=child, args=(D, P))
process.start(); process.join()
assert process.exitcode == 0, process.exitcode
"""
        for method in ("fork", "spawn", "forkserver")
    },
    "concurrent.futures": """
import concurrent.futures
with concurrent.futures.ProcessPoolExecutor(1) as pool: pool.submit(child, D, P).result()
""",
}


def on_posix(names: Iterable[str], *only_there: str) -> list[Any]:
    """Return the names as parameters; mark those in `only_there`, which need a disk or a fork, as `posix`."""
    return [pytest.param(name, marks=pytest.mark.posix) if name in only_there else name for name in names]


def delivered(directory: Path, sink: support.Sink) -> list[int]:
    """Return the numbers that have arrived after one more run, with a destination that answers 200."""
    support.deliver_the_rest(directory, sink)
    assert -1 in sink.numbers()
    return sorted(number for number in sink.numbers() if number != -1)


def patient(code: str) -> str:
    """Give the program more time at exit: a busy machine might cut a request off, and its events would come twice."""
    return code.replace("to_sink(D, P)", "to_sink(D, P, exit_timeout=150)")


@pytest.mark.parametrize(
    "ending",
    on_posix(ENDINGS, "at exit, first", "at exit, after ours", "no waiting"),
)
def test_nothing_is_lost_at_the_end(ending: str, directory: Path, sink: support.Sink) -> None:
    """A program that ends by itself keeps its exit code and output; its events arrive once, now or in the next run."""
    finished = support.run(patient(ENDINGS[ending]), directory, sink.port)
    assert (finished.code, finished.out) == (CODES.get(ending, 0), "")
    assert finished.err.splitlines()[-1:] == ([LAST_WORDS[ending]] if ending in LAST_WORDS else [])
    assert finished.err.count("Traceback") == (ending in {"exception", "interrupted"})
    assert finished.seconds < 120
    arrived = delivered(directory, sink)
    if ending == "no waiting":  # the exit may cut a request off, whose events then arrive twice
        arrived = sorted(set(arrived))
    assert arrived == list(range(10))


@pytest.mark.parametrize(
    "ending", ["return", "sys.exit", "exception", "in a thread", "asyncio", "interrupted"]
)
def test_a_healthy_destination_has_all_events_at_exit(
    ending: str, directory: Path, sink: support.Sink
) -> None:
    """A short program delivers its events before it ends, because its disk may vanish with it, as in a container."""
    support.run(patient(ENDINGS[ending]), directory, sink.port)
    assert sorted(sink.numbers()) == list(range(10))
    assert support.spooled_files(directory) == []


@pytest.mark.parametrize("way", on_posix(CHILDREN, *(CHILDREN.keys() - {"multiprocessing spawn"})))
def test_a_child_process_delivers_its_own(way: str, directory: Path, sink: support.Sink) -> None:
    """A child process starts without threads and events of its parent; all events of both arrive, none twice."""
    code = f"""
def child(*_):
    if os.path.basename(sys.argv[0]) != "-c": d = None
    inherited = globals().get("d")
    delivery = inherited or to_sink(D, P)
    assert delivery.status().threads == (), delivery.status()
    assert delivery.status().queued == 0
    enqueue_numbers(delivery, range(100, 120))
if __name__ == "__main__":
    {PUT_10.strip()}
    time.sleep(0.05)
"""
    program = directory.parent.parent / "program.py"
    program.write_text(
        support.PRELUDE + patient(code) + "".join(f"    {line}\n" for line in CHILDREN[way].splitlines())
    )
    # Since Python 3.12, the interpreter warns at every fork of a process with threads.
    finished = support.run(program, directory, sink.port, env={"PYTHONWARNINGS": "ignore:This process"})
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    assert delivered(directory, sink) == [*range(10), *range(100, 120)]


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_signal_loses_only_what_was_queued(
    number: signal.Signals, directory: Path, sink: support.Sink
) -> None:
    """After a signal that ends the process, the next run delivers all written events, once."""
    code = PUT_10 + "d._writer.flush(60); print('written', flush=True); time.sleep(60)"
    process = support.start(code, directory, support.NOBODY)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(number)
    process.communicate()
    assert delivered(directory, sink) == list(range(10))


@pytest.mark.posix
def test_os_exit_loses_only_what_was_queued(directory: Path, sink: support.Sink) -> None:
    """After `os._exit`, which runs no exit hook, the next run delivers all written events."""
    code = PUT_10 + "d._writer.flush(60); enqueue_numbers(d, range(10, 20)); os._exit(0)"
    support.run(code, directory, support.NOBODY)
    assert set(range(10)) <= set(delivered(directory, sink))
    assert sink.doubled() == []


FAILURES = {
    "refused": None,
    "stalled": support.Answer(delay=600),
    "500": support.Answer(status=500),
    "429": support.Answer(status=429, headers={"Retry-After": "30"}),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("events", [10, 1000])
def test_no_failure_delays_the_exit(failure: str, events: int, directory: Path, sink: support.Sink) -> None:
    """If the destination fails or stalls, the exit stays within its budget, prints nothing and loses nothing."""
    answer = FAILURES[failure]
    if answer is not None:
        sink.answer = lambda _: answer
    code = f"""
import atexit
d = to_sink(D, {sink.port if answer else support.NOBODY})
atexit.register(lambda: print(time.monotonic() - ended))  # registered first, so called last
enqueue_numbers(d, range({events}))
ended = time.monotonic()
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
    assert float(finished.out) < 5  # `make bench` times it
    assert (
        support.NO_LOCKS
        or sum(int(path.name.split("-")[2].split(".")[0]) for path in support.spooled_files(directory))
        == events
    )


@pytest.mark.posix
def test_a_full_queue_is_written_at_exit(directory: Path, sink: support.Sink) -> None:
    """20 000 events enqueued right before the exit are written, and the next run delivers them."""
    code = "d = to_sink(D, P); assert enqueue_numbers(d, range(20_000)) == 20_000"
    with support.sinks(1) as [down]:
        down.answer_all(delay=600)
        assert support.run(code, directory, down.port).err == ""
    assert delivered(directory, sink) == list(range(20_000))


def test_an_interrupt_ends_the_wait_at_exit(directory: Path, sink: support.Sink) -> None:
    """Ctrl-C while the exit waits for the network ends the wait, without a traceback."""
    sink.answer_all(delay=600)
    code = """
import signal
d = to_sink(D, P, exit_timeout=150)
enqueue_numbers(d, range(10)); d._writer.flush(60)
timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)); timer.daemon = True; timer.start()
"""
    finished = support.run(code, directory, sink.port)
    assert finished.err == ""
    assert finished.seconds < 120
