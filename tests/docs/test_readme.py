"""Run each quick start of the README exactly as it is written."""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch
from support.fake_openai import MEMORY
from support.processes import NO_EXPORTERS
from support.reader import README, ROOT, Block, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.reader import Reader

APPLICATION = "Your application uses Mem0"
OPERATOR = "You operate it"
LIBRARY = "You write a library"
EVENTS = {"mem0.init", "mem0.add", "mem0.search"}
VARYING_PROPERTIES = {
    *("client_version", "python_version", "os", "os_version", "machine", "process.runtime.name"),
    *("telemetry.sdk.version", "telemetry.distro.version", "otel.scope.version", "$lib_version"),
    "sample_rate",  # here every event is kept
}
"""Properties whose value depends on the machine and on the installed releases."""


@pytest.fixture
def collector(reader: Reader) -> Iterator[CaptureServer]:
    """Run the operator's own OTLP backend, in addition to the fake PostHog."""
    with CaptureServer() as receiver:
        reader.environ["COLLECTOR"] = receiver.url
        yield receiver


def application() -> Block:
    """Return the program of the first quick start."""
    (program,) = blocks(README, section=APPLICATION, language="python")
    return program


def write_unchanged_application(reader: Reader) -> None:
    """Write the same program without its lines about this package."""
    lines = application().text.splitlines(keepends=True)
    unchanged = "".join(line for line in lines if "mem0_telemetry" not in line)
    (reader.directory / "app.py").write_text(unchanged)


def test_install(reader: Reader, tmp_path: Path) -> None:
    """The install line installs both distributions from the clone (here into a directory, without dependencies)."""
    (install,) = blocks(README, section="Install", language="bash")
    target = tmp_path / "installed"
    reader.environ.update(
        PIP_TARGET=str(target),
        PIP_NO_DEPS="1",
        PIP_NO_INDEX="1",
        PIP_NO_BUILD_ISOLATION="0",  # pip reads 0 as: without build isolation
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    reader.run(install, directory=ROOT)
    (installed,) = metadata.distributions(name="mem0-telemetry", path=[str(target)])
    assert set(re.findall(r"\[(\w+)\]", install.text)) <= set(
        installed.metadata.get_all("Provides-Extra", [])
    )
    assert (target / "mem0_telemetry" / "__init__.py").exists()
    assert (target / "opentelemetry" / "exporter" / "posthog" / "__init__.py").exists()


def test_application(reader: Reader, server: CaptureServer) -> None:
    """The application works, prints nothing of ours, and its three events arrive once, as the README shows."""
    reader.write(application())
    result = reader.shell("python app.py")
    assert MEMORY in result.stdout
    assert "telemetry" not in result.stderr
    assert sorted(event["event"] for event in server.events) == sorted(EVENTS)
    assert [check_batch(request.body) for request in server.requests] == [[]] * len(server.requests)
    (shown,) = blocks(README, section=APPLICATION, language="json")
    (search,) = [event for event in server.events if event["event"] == "mem0.search"]
    assert without_varying_values(search) == without_varying_values(json.loads(shown.text))


def without_varying_values(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event whose values that depend on place and time are None; their names stay."""

    def blanked(found: dict[str, Any], names: set[str]) -> dict[str, Any]:
        return {name: None if name in names else value for name, value in found.items()}

    properties = blanked(event["properties"], VARYING_PROPERTIES)
    return {**blanked(event, {"distinct_id", "uuid", "timestamp"}), "properties": properties}


def test_add_without_infer_records_no_event(reader: Reader, server: CaptureServer) -> None:
    """`add(infer=False)` records no event, as the README says and as in Mem0."""
    (reader.directory / "app.py").write_text(
        application().text.replace('user_id="alice")\n', 'user_id="alice", infer=False)\n', 1)
    )
    reader.shell("python app.py")
    assert {event["event"] for event in server.events} == EVENTS - {"mem0.add"}


def test_dry_run(reader: Reader, server: CaptureServer) -> None:
    """The dry run prints the three events, sends nothing and stores nothing."""
    reader.write(application())
    dry_run, _ = blocks(README, section=APPLICATION, language="bash")
    printed = [
        json.loads(line.partition("would send: ")[2])
        for line in reader.run(dry_run).stderr.splitlines()
        if line.startswith("mem0-telemetry would send: ")
    ]
    assert {event["event_name"] for event in printed} == EVENTS
    assert server.requests == []
    assert not (reader.directory.parent / ".mem0" / "telemetry").exists()


def unset_exporters(reader: Reader) -> None:
    """Leave the choice of exporters to the document, as for a new user, who would also see the exporters' errors."""
    for name in NO_EXPORTERS:
        del reader.environ[name]
    # The handler of this instrumentation would keep the errors from stderr.
    reader.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "logging"


def test_zero_code(reader: Reader, server: CaptureServer) -> None:
    """Under OpenTelemetry's launcher, the program without our two lines sends the same events."""
    write_unchanged_application(reader)
    unset_exporters(reader)
    _, launch = blocks(README, section=APPLICATION, language="bash")
    result = reader.run(launch)
    assert MEMORY in result.stdout
    assert "export" not in result.stderr
    assert {event["event"] for event in server.events} == EVENTS


def test_usage_in_own_backend(reader: Reader, server: CaptureServer, collector: CaptureServer) -> None:
    """The operator's own backend receives the events as log records, and the fake PostHog receives nothing."""
    write_unchanged_application(reader)
    unset_exporters(reader)
    usage, *_ = blocks(README, section=OPERATOR, language="bash")
    assert "export" not in reader.run(usage).stderr
    assert {request.path for request in collector.requests} == {"/v1/logs"}
    received = [ExportLogsServiceRequest.FromString(request.body) for request in collector.requests]
    names = {
        record.event_name
        for request in received
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    }
    assert names == EVENTS
    assert server.requests == []


def test_operations_in_own_traces(reader: Reader, server: CaptureServer, collector: CaptureServer) -> None:
    """Even with usage telemetry off, the application's own traces and metrics contain Mem0's operations."""
    write_unchanged_application(reader)
    unset_exporters(reader)
    reader.environ["MEM0_TELEMETRY"] = "False"
    *_, operations = blocks(README, section=OPERATOR, language="bash")
    assert "export" not in reader.run(operations).stderr
    bodies: dict[str, list[bytes]] = {}
    for request in collector.requests:
        bodies.setdefault(request.path, []).append(request.body)
    spans = {
        span.name
        for body in bodies["/v1/traces"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    metrics = {
        metric.name
        for body in bodies["/v1/metrics"]
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"upsert_memory", "search_memory", "mem0.embed", "mem0.llm.generate"} <= spans
    assert "gen_ai.client.operation.duration" in metrics
    assert server.requests == []


def test_library(reader: Reader, server: CaptureServer) -> None:
    """A library's event arrives as a PostHog event with the library's own name, distinct id and properties."""
    program, launch = blocks(README, section=LIBRARY)
    reader.write(program)
    reader.environ["OTEL_EXPORTER_POSTHOG_HOST"] = server.url
    reader.run(launch)
    (event,) = server.events
    assert (event["event"], event["distinct_id"]) == ("report.exported", "0b9c6a")
    assert event["properties"]["service.name"] == "reports"
    assert (event["properties"]["format"], event["properties"]["pages"]) == ("pdf", 12)
    assert [check_batch(request.body) for request in server.requests] == [[]]


def test_plugin(reader: Reader, server: CaptureServer) -> None:
    """The README's example of a test passes under the plugin, with an ordinary `memory` fixture; nothing is sent."""
    (launch,) = blocks(README, section="In code", language="bash")
    (test,) = blocks(README, section="In code", language="python")
    conftest = application().text.replace(
        "\nmemory = ", "\nimport pytest\n@pytest.fixture\ndef memory():\n    return "
    )
    (reader.directory / "conftest.py").write_text(conftest.partition("\nmemory.add")[0])
    (reader.directory / "test_it.py").write_text(test.text)
    assert "1 passed" in reader.run(launch).stdout
    assert server.requests == []
