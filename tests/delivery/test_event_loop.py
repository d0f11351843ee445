"""After the first event, `enqueue` never blocks an event loop, whatever our threads do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.interpreter

DETECTOR = """
import asyncio
from support.blocking import noted_calls
"""
PUT_1000 = """
async def main():
    with noted_calls() as caught:
        for number in range(1, 1000):
            enqueue_numbers(d, [number])
            d.count_dropped("test")
            if number % 100 == 0: await asyncio.sleep(0.001)
    print(caught)
enqueue_numbers(d, [0])
asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["healthy", "down", "stalled"])
def test_no_event_loop_is_blocked(state: str, directory: Path, sink: support.Sink) -> None:
    """A detector of blocking calls finds none when a loop enqueues, while the writer and the sender work."""
    if state == "stalled":
        sink.answer_all(delay=600)
    port = support.NOBODY if state == "down" else sink.port
    finished = support.run(
        DETECTOR + "d = to_sink(D, P, limits=quick_limits(linger=0.001))\n" + PUT_1000, directory, port
    )
    assert (finished.out, finished.err) == ("[]\n", "")


def test_the_detector_works(directory: Path) -> None:
    """The detector reports the wait of `flush`, so the test above can fail."""
    code = (
        DETECTOR
        + """
d = to_sink(D, P)
enqueue_numbers(d, [0])
async def main():
    with noted_calls() as caught: d.flush(1)
    print(any("acquire" in call for call in caught))
asyncio.run(main())
"""
    )
    assert support.run(code, directory, support.NOBODY).out == "True\n"


def test_enqueue_opens_and_connects_nothing(directory: Path, sink: support.Sink) -> None:
    """After the first event, `enqueue` raises no audit event of the interpreter: it opens and connects nothing."""
    code = """
d = to_sink(D, P, limits=quick_limits(linger=600))
enqueue_numbers(d, [0]); d._writer.flush(60)
calls, me, watching = [], threading.get_ident(), False
sys.addaudithook(lambda event, _: watching and threading.get_ident() == me and calls.append(event))
watching = True
enqueue_numbers(d, range(1, 1000))
watching = False
print(calls)
"""
    assert support.run(code, directory, sink.port).out == "[]\n"
