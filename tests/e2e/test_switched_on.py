"""Telemetry on: every event of a session of real Mem0 arrives once, in each kind of destination."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.cli.harness.use import EXPECTED
from mem0_telemetry.policy import registry
from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch
from support.processes import NO_EXPORTERS, posthog_environ, run_program, run_python
from support.sessions import run_session

if TYPE_CHECKING:
    from mem0_telemetry.cli.harness.stage import Stage
    from support.receivers import TestAgent

pytestmark = pytest.mark.interpreter

BY_EVENT_NAME = Counter(
    {registry.event_by_mem0_name(name).name: count for name, count in EXPECTED.items()}  # type: ignore[union-attr]
)


@pytest.mark.parametrize("order", ["before", "after"])
def test_posthog_receives_every_event(order: str, stage: Stage) -> None:
    """With `instrument()` before or after `import mem0`, PostHog gets each event once, in batches that it accepts."""
    program = stage.program(instrument=order, counted=True)
    report = run_session(program)
    assert Counter(event["event"] for event in stage.receiver.events) == EXPECTED
    requests = stage.receiver.requests
    assert [check_batch(request.body) for request in requests] == [[]] * len(requests)
    assert {request.path for request in requests} == {"/batch/"}
    assert report["arrived"] is True
    assert [name for name in program.files() if "migrations" in name] == []


def test_zero_code(tmp_path: Path, server: CaptureServer) -> None:
    """`opentelemetry-instrument` also instruments an application whose code does not mention this package."""
    code = (
        "import asyncio, mem0, pathlib\n"
        "from mem0_telemetry.cli.harness import fake_models, planted, use\n"
        "memory = mem0.Memory.from_config(fake_models.configuration(pathlib.Path('data')))\n"
        "asyncio.run(use.use_memory(memory, planted.new_texts(), 2, ()))\n"
    )
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXIT_TIMEOUT="60", **NO_EXPORTERS)
    run_instrumented(code, environ)
    assert {event["event"] for event in server.events} == {
        name for name in EXPECTED if name.startswith("mem0.")
    }


def test_zero_code_can_be_disabled(tmp_path: Path, server: CaptureServer) -> None:
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=mem0` disables us: `status()` reports native telemetry as in place."""
    environ = posthog_environ(
        tmp_path,
        server.url,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="mem0",
        MEM0_TELEMETRY="False",
        **NO_EXPORTERS,
    )
    code = (
        "import mem0, json, mem0_telemetry\n"
        "s = mem0_telemetry.status()\n"
        "print(json.dumps([s.instrumented, s.native_telemetry]))\n"
    )
    assert json.loads(run_instrumented(code, environ)) == [False, True]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_otlp_backend_receives_every_event(protocol: str, stage: Stage, otlp_backend: TestAgent) -> None:
    """A third-party receiver gets each event once, as a log record, over HTTP and over gRPC."""
    settings = {
        "MEM0_TELEMETRY_EXPORTER": "otlp",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": otlp_backend.grpc if protocol == "grpc" else otlp_backend.url,
        "MEM0_TELEMETRY_OTLP_PROTOCOL": protocol,
    }
    report = run_session(stage.program(settings=settings, counted=True))
    records = otlp_backend.log_records()
    assert Counter(record["event_name"] for record in records) == BY_EVENT_NAME
    assert all(record["body"] == record["event_name"] for record in records)
    assert len({record["attributes"]["log.record.uid"] for record in records}) == len(records)
    (resource,) = {
        json.dumps(record["resource"], sort_keys=True) for record in records if "client" not in record["body"]
    }
    assert json.loads(resource)["service.name"] == "mem0"
    assert report["arrived"] is True


def test_two_destinations_at_once(stage: Stage, otlp_backend: TestAgent) -> None:
    """`MEM0_TELEMETRY_EXPORTER=posthog,otlp` sends the same events, with the same uuids, to both destinations."""
    settings = {"MEM0_TELEMETRY_EXPORTER": "posthog,otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": otlp_backend.url}
    run_session(stage.program(settings=settings, counted=True))
    ids = {record["attributes"]["log.record.uid"] for record in otlp_backend.log_records()}
    assert ids == {event["uuid"] for event in stage.receiver.events}
    assert len(ids) == sum(EXPECTED.values())


def test_console_prints_every_event(stage: Stage) -> None:
    """The `console` destination prints every record to stdout."""
    program = stage.program(settings={"MEM0_TELEMETRY_EXPORTER": "console"}, counted=True)
    report = run_session(program)
    printed = Counter(
        line.split('"')[3]
        for line in report["stdout"].splitlines()
        if line.strip().startswith('"event_name"')
    )
    assert printed == BY_EVENT_NAME


def test_events_wait_on_disk_for_a_destination_that_is_down(tmp_path: Path) -> None:
    """While PostHog is unreachable a program runs without output; a later process delivers its events."""
    with CaptureServer() as gone:
        url, port = gone.url, gone.port
    code = (
        "from mem0_telemetry import telemetry\n"
        "telemetry.capture_event('mem0.init', object(), {'sync_type': 'sync'})\n"
    )
    environ = posthog_environ(tmp_path, url)
    first = run_python(code, environ)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    with CaptureServer(port=port) as back:
        second = run_python(code + "import mem0_telemetry\nassert mem0_telemetry.flush(60)\n", environ)
        assert (second.returncode, second.stderr) == (0, "")
        assert len({event["uuid"] for event in back.events}) == 2


def run_instrumented(code: str, environ: dict[str, str]) -> str:
    """Run `code` as a program under `opentelemetry-instrument`; return its last line on stdout."""
    program = Path(environ["HOME"], "app.py")
    program.write_text(code)
    result = run_program(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, program],
        {**environ, "PATH": str(Path(sys.executable).parent)},
        timeout=180,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1] if result.stdout else ""
