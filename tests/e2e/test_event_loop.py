"""Run a real `AsyncMemory` on an event loop under a detector of blocking calls: telemetry makes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.cli.harness.use import EXPECTED
from opentelemetry.exporter.posthog.testing import Answer
from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

SESSION = """
import asyncio, json, pathlib
import mem0_telemetry
mem0_telemetry.instrument(operations=False)  # its wrappers contain Mem0's own calls, which block
import mem0
from mem0.memory import telemetry
from mem0_telemetry.cli.harness import fake_models
from mem0_telemetry.cli.harness.planted import new_texts
from mem0_telemetry.cli.harness.use import use_memory
from support.blocking import noted_calls

def record(number):
    telemetry.capture_event("mem0.reset", object(), {"sync_type": "async", "limit": number})
    telemetry.capture_client_event("client.add", object(), {"sync_type": "async"})

async def main():
    with noted_calls() as caught:
        memory = mem0.AsyncMemory.from_config(fake_models.configuration(pathlib.Path("data")))
        await use_memory(memory, new_texts(), 2, ())
        for number in range(500):
            record(number)
            if number % 50 == 0: await asyncio.sleep(0.01)
    return caught

telemetry.capture_event("mem0.reset", object(), {})  # tests/test_first_event.py measures the first event
caught = asyncio.run(main())
"""


def unmeasured(home: Path, server: CaptureServer) -> dict[str, str]:
    """Return the environment of a user, without coverage, which takes locks of its own on the event loop."""
    environ = posthog_environ(home, server.url)
    return {name: value for name, value in environ.items() if not name.startswith("COV")}


@pytest.mark.parametrize(
    "answer", [Answer(), Answer(status=500), Answer(stall=True)], ids=["healthy", "500", "stalled"]
)
def test_no_event_loop_is_blocked(answer: Answer, tmp_path: Path, server: CaptureServer) -> None:
    """After the first event telemetry never blocks the event loop, whatever PostHog does; every event is recorded."""
    server.answer_always(answer)
    asynchronous = sum(count for name, count in EXPECTED.items() if name.startswith("mem0.")) // 2
    code = f"""{SESSION}
import time
deadline = time.monotonic() + 120
while (status := mem0_telemetry.status()).spooled < {1001 + asynchronous} and time.monotonic() < deadline:
    time.sleep(0.01)
print(json.dumps([caught, status.spooled, status.dropped]))
"""
    caught, spooled, dropped = report_of(code, unmeasured(tmp_path, server))
    assert caught == []
    assert (spooled, dropped) == (1001 + asynchronous, {})


def test_detector_reports_a_blocking_call(tmp_path: Path, server: CaptureServer) -> None:
    """The detector reports a `flush` that waits, so the test above can fail."""
    code = (
        SESSION.replace("record(number)\n", "mem0_telemetry.flush(0.01)\n", 1)
        + "print(json.dumps(caught[:1]))"
    )
    assert report_of(code, unmeasured(tmp_path, server)) != []
