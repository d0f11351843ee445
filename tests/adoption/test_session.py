"""The demo's session with a Mem0 that has adopted the drop-in, in programs that never call `instrument()`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mem0_telemetry.cli.harness.use import EXPECTED
from mem0_telemetry.cli.harness.ways import WAYS
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from mem0_telemetry.cli.harness.stage import Stage


def test_on_and_off(stage: Stage) -> None:
    """When on, both destinations get each event once. When off in any way, telemetry sends and stores nothing."""
    both = {
        "MEM0_TELEMETRY": "true",
        "MEM0_TELEMETRY_EXPORTER": "posthog,otlp",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": stage.receiver.url,
    }
    on = stage.program(settings=both, counted=True, instrument=None)
    off = [stage.program(way, counted=True, instrument=None) for way in WAYS]
    stage.run([on, *off])

    assert Counter(event["event"] for event in stage.receiver.events) == EXPECTED
    batches = [request.body for request in stage.receiver.requests if request.path == "/batch/"]
    assert [violation for batch in batches for violation in check_batch(batch)] == []
    logs = b"".join(request.body for request in stage.receiver.requests if request.path == "/v1/logs")
    assert [event["uuid"] for event in stage.receiver.events if event["uuid"].encode() not in logs] == []

    for program in off:
        assert program.done() == []
    assert stage.unused.requests == []
    for program in (on, *off):
        memories = program.report()["memories"]
        assert [len(memory["memories"]) for memory in memories] == [1, 1]
        assert [memory["telemetry_store"] for memory in memories] == [False, False]
