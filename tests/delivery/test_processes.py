"""Many processes share one directory and are killed, stopped or forked at any moment: no event is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.delivery._batch import BatchName
from support import delivery as support

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]


def counts(small: int, full: int) -> pytest.MarkDecorator:
    """Parametrize `runs`: `small` in the ordinary suite, the documented number `full` with `-m slow`."""
    return pytest.mark.parametrize("runs", [small, pytest.param(full, marks=pytest.mark.slow)])


WRITES_UNTIL_KILLED = """
from mem0_telemetry.delivery import Limits
first = int(os.environ["FIRST"])
d = to_sink(D, P, limits=Limits(spool_bytes=2**30))  # more than 200 runs leave
for number in range(first, first + 1000):
    enqueue_numbers(d, [number])
    if number % 50 == 0:
        d._writer.flush(60)
        print(number, flush=True)
        time.sleep(0.003)
time.sleep(60)
"""


def kill_at_random(directory: Path, port: int, runs: int) -> set[int]:
    """Start and kill `runs` programs; return the numbers that they reported as written."""
    chance = random.Random(runs)  # noqa: S311
    written: set[int] = set()
    in_its_midst = 0
    for run in range(runs):
        first = run * 1000
        process = support.start(WRITES_UNTIL_KILLED, directory, port, env={"FIRST": str(first)})
        assert process.stdout is not None
        process.stdout.readline()
        threading.Event().wait(chance.uniform(0, 0.12))
        process.kill()
        rest, err = process.communicate()
        assert (process.returncode, err) == (-signal.SIGKILL, "")
        confirmed = [first, *map(int, rest.split())]
        written |= set(range(first, max(confirmed) + 1))
        in_its_midst += max(confirmed) < first + 950
    assert in_its_midst >= runs // 5
    return written


@counts(10, 200)
def test_killed_while_the_destination_is_down(runs: int, directory: Path, sink: support.Sink) -> None:
    """After SIGKILL at random moments, one normal run delivers all written events, each once."""
    written = kill_at_random(directory, support.NOBODY, runs)
    support.deliver_the_rest(directory, sink)
    assert written <= set(sink.numbers())
    assert sink.doubled() == []
    assert support.spooled_files(directory) == []
    # Only empty `.part` files may remain: each could be another process's new file, so it is removed later.
    assert [path for path in (directory / "spool").rglob("*.part") if path.stat().st_size] == []


@counts(10, 200)
def test_killed_while_sending(runs: int, directory: Path, sink: support.Sink) -> None:
    """After SIGKILL during requests, no written event is lost; only those in a request may arrive twice."""
    written = kill_at_random(directory, sink.port, runs)
    support.deliver_the_rest(directory, sink)
    assert written <= set(sink.numbers())
    assert support.spooled_files(directory) == []


FORKS = """
import random
from mem0_telemetry.delivery import fork_gate
def build():
    import requests
    return exporter_to(P)
with fork_gate.hold():
    import mem0_telemetry.delivery._delivery
    d = pipeline(Path(D), destination_to(P, build=build), exit_timeout=20)
enqueue_numbers(d, [0])
time.sleep(float(os.environ["PAUSE"]))
pid = os.fork()
if pid == 0:
    import requests, opentelemetry.exporter.otlp.proto.http._log_exporter, concurrent.futures
    enqueue_numbers(d, range(10, 15))
    sys.exit()
enqueue_numbers(d, range(1, 5))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@counts(12, 200)
def test_forked_at_any_moment_after_the_first_event(runs: int, tmp_path: Path, sink: support.Sink) -> None:
    """A child forked at any moment can import, emit and end; no event is lost or doubled."""
    chance = random.Random(runs)  # noqa: S311
    for run in range(runs):
        directory = tmp_path / str(run)
        before = len(sink.numbers())
        pause = chance.uniform(0, 0.3)
        env = {"PAUSE": str(pause), "PYTHONWARNINGS": "ignore:This process"}
        finished = support.run(FORKS, directory, sink.port, env=env)
        assert (finished.code, finished.out, finished.err) == (0, "0\n", ""), pause
        if support.spooled_files(directory):
            support.deliver_the_rest(directory, sink)
        arrived = [number for number in sink.numbers()[before:] if number != -1]
        assert sorted(arrived) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14], pause


@counts(10, 50)
def test_many_concurrent_processes(runs: int, directory: Path, sink: support.Sink) -> None:
    """Processes that share a directory deliver every event once."""
    code = """
d = pipeline(Path(D), destination_to(P, build=lambda: exporter_to(P, timeout=100)))
first = int(os.environ["FIRST"])
enqueue_numbers(d, range(first, first + 50)); d.flush(30)
d.shutdown(60)  # on a busy machine the exit may cut a request off, whose events then come twice
"""
    processes = [
        support.start(code, directory, sink.port, env={"FIRST": str(run * 100)}) for run in range(runs)
    ]
    outputs = [process.communicate(timeout=180) for process in processes]
    assert set(outputs) == {("", "")}
    support.deliver_the_rest(directory, sink)
    expected = {run * 100 + number for run in range(runs) for number in range(50)} | {-1}
    assert set(sink.numbers()) == expected
    assert sink.doubled() == []


@counts(2_000, 10_000)
def test_four_processes_drain_one_spool(runs: int, directory: Path, sink: support.Sink) -> None:
    """Four processes that send the batches of an earlier one share the work, and send none twice."""
    fill = f"""
d = to_sink(D, P)
for number in range(0, {runs}, 100): enqueue_numbers(d, range(number, number + 100)); d._writer.flush(60)
"""
    support.run(fill, directory, support.NOBODY)
    assert len(support.spooled_files(directory)) >= runs // 100
    sink.answer_all(200, delay=0.01)
    drain = """
from mem0_telemetry.delivery.reading import mailboxes
d = to_sink(D, P); enqueue_numbers(d, [-1])
assert wait_until(lambda: not mailboxes(Path(D))[0].events, 60)
"""
    processes = [support.start(drain, directory, sink.port) for _ in range(4)]
    assert {process.communicate(timeout=180) for process in processes} == {("", "")}
    assert sorted(set(sink.numbers())) == list(range(-1, runs))
    assert set(sink.doubled()) <= {-1}


def test_the_exit_finishes_a_request_with_another_processes_batch(
    directory: Path, sink: support.Sink
) -> None:
    """At exit, a process finishes its request with another process's batch, which would otherwise be sent twice."""

    def answer(events: list[dict[str, object]]) -> support.Answer:
        if [event["n"] for event in events] == [1]:
            [mine] = support.spooled_files(directory)
            name = BatchName.new(time_ns=time.time_ns(), count=1)
            other = mine.read_text().replace('"intValue":"1"', '"intValue":"2"')
            mine.with_name(str(name)).write_text(other)
            return support.Answer()
        return support.Answer(delay=0.3)

    sink.answer = answer
    code = """
import atexit
atexit.register(time.sleep, 0.2)  # called after ours: what would be cut off has reached the server by then
d = to_sink(D, P, exit_timeout=20); enqueue_numbers(d, [1])
"""
    support.run(code, directory, sink.port)
    support.deliver_the_rest(directory, sink)
    assert set(sink.numbers()) == {1, 2, -1}
    assert sink.doubled() == []


def test_each_destination_receives_its_own(directory: Path) -> None:
    """Of two configurations that share a directory, neither sends the other's batches to its own endpoint."""
    with support.sinks(2) as [first, second]:
        code = """
d = pipeline(Path(D), destination_to(P, fingerprint=os.environ["KEY"]))
enqueue_numbers(d, range({}, {})); d.flush({})
"""
        first.answer_all(503)
        support.run(code.format(0, 10, 0), directory, first.port, env={"KEY": "first"})
        support.run(code.format(10, 20, 10), directory, second.port, env={"KEY": "second"})
        first.answer_all(200)
        support.run(code.format(20, 30, 10), directory, first.port, env={"KEY": "first"})
        assert sorted(first.numbers()) == [*range(10), *range(20, 30)]
        assert sorted(second.numbers()) == list(range(10, 20))


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_stopped_during_a_request(seconds: int, directory: Path, sink: support.Sink) -> None:
    """A stopped process keeps its claim; if it continues, it finishes; if it is killed, another sends the batch."""
    released = threading.Event()
    sink.answer = lambda _: (released.wait(300), support.Answer())[1]
    code = """
d = to_sink(D, P)
first = int(os.environ["FIRST"])
enqueue_numbers(d, range(first, first + 5)); d.flush(300)
print("done", flush=True); time.sleep(60)
"""
    stopped, killed = processes = [
        support.start(code, directory / name, sink.port, env={"FIRST": first})
        for name, first in (("continued", "0"), ("killed", "10"))
    ]
    try:
        assert support.wait_until(lambda: {request[0]["n"] for request in sink.requests} == {0, 10})
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        sink.answer_all(200)
        threading.Event().wait(seconds)
        support.deliver_the_rest(directory / "continued", sink)
        assert support.spooled_files(directory / "continued")
        assert 0 not in sink.numbers()
        killed.kill()
        killed.communicate()
        support.deliver_the_rest(directory / "killed", sink)
        assert set(range(10, 15)) <= set(sink.numbers())
        assert support.spooled_files(directory / "killed") == []
        released.set()
        stopped.send_signal(signal.SIGCONT)
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == "done\n"
        assert support.spooled_files(directory / "continued") == []
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert set(sink.numbers()) == {-1, *range(5), *range(10, 15)}


def test_a_long_lived_child_does_not_keep_the_lock(directory: Path, sink: support.Sink) -> None:
    """A child forked during a request inherits the file and its lock, and releases both at once."""
    sink.answer_all(delay=30)
    code = """
d = to_sink(D, P); enqueue_numbers(d, range(5)); d._writer.flush(60)
assert wait_until(lambda: next(iter(d._senders)).mailbox._disk._files._held)
time.sleep(0.3)
pid = os.fork()
if pid == 0: time.sleep(60)
print(pid, flush=True)
os.kill(os.getpid(), 9)
"""
    process = support.start(code, directory, sink.port, env={"PYTHONWARNINGS": "ignore:This process"})
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        process.wait()
        sink.answer_all(200)
        support.deliver_the_rest(directory, sink)
        assert support.wait_until(lambda: not support.spooled_files(directory))
        assert set(sink.numbers()) == set(range(-1, 5))
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_a_child_does_not_touch_the_exporter_of_its_parent(directory: Path, sink: support.Sink) -> None:
    """A child does not free the parent's exporter, whose finalizer might write to the parent's connection."""
    code = """
def build():
    exporter = exporter_to(P)
    class Connection:
        def __del__(self): print("closed in", "child" if os.getpid() != parent else "parent", flush=True)
    exporter.connection = Connection()
    return exporter
parent = os.getpid()
d = pipeline(Path(D), destination_to(P, build=build))
enqueue_numbers(d, [1]); assert d.flush(60)
pid = os.fork()
if pid == 0:
    import gc; gc.collect()
    enqueue_numbers(d, [2]); assert d.flush(60)
    os._exit(0)
os.waitpid(pid, 0)
os._exit(0)
"""
    finished = support.run(code, directory, sink.port, env={"PYTHONWARNINGS": "ignore:This process"})
    assert (finished.out, finished.err) == ("", "")
    assert sink.numbers() == [1, 2]
