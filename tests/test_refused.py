"""Events that a destination refuses appear in `status()`, in the history and in the log."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)

from mem0_telemetry.delivery.reading import history
from mem0_telemetry.pipeline import destinations, exporters
from mem0_telemetry.pipeline.destinations import VENDOR_HOST, DestinationConfig
from opentelemetry.exporter.posthog.testing import Answer
from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

CAPTURE = """
import json, mem0_telemetry
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
"""

REFUSED = f"""
import logging
logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
{CAPTURE}
done = mem0_telemetry.flush(60)
telemetry.capture_event("mem0.init", object(), {{"sync_type": "async"}})
done = done and mem0_telemetry.flush(60)
s = mem0_telemetry.status()
print(json.dumps([done, s.sent, s.dropped, [d.state for d in s.destinations]]))
"""


@pytest.mark.parametrize("exporter", ["posthog", "otlp"])
@pytest.mark.parametrize("code", [302, 400, 401, 403, 404])
def test_refused_events_count_as_dropped(
    exporter: str, code: int, tmp_path: Path, server: CaptureServer
) -> None:
    """Refused events count as dropped, not as sent, and one WARNING names the variables of the destination."""
    server.answer_always(Answer(status=code))
    environ = posthog_environ(
        tmp_path,
        server.url,
        MEM0_TELEMETRY_EXPORTER=exporter,
        MEM0_TELEMETRY_OTLP_ENDPOINT=server.url,
        OTEL_EXPORTER_POSTHOG_SPAN="all",  # The application's setting: we do not warn about the typo.
    )
    result = run_python(REFUSED, environ, listening=False)
    assert json.loads(result.stdout) == [True, 0, {"refused": 2}, [f"refused (HTTP {code})"]]
    assert {entry["result"] for entry in history(tmp_path / ".mem0" / "telemetry")} == {"refused"}
    assert {entry["reason"] for entry in history(tmp_path / ".mem0" / "telemetry")} == {f"HTTP {code}"}
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"WARNING mem0_telemetry Mem0 usage telemetry: {exporter} {server.url}")
    assert f"refuses events (HTTP {code})" in result.stderr
    assert f"MEM0_TELEMETRY_{exporter.upper()}_" in result.stderr
    assert ("it redirects" in result.stderr) == (code == 302)


@pytest.mark.parametrize("rejected", [1, 1_000_000])
def test_records_rejected_in_part_count_as_refused(
    rejected: int, tmp_path: Path, server: CaptureServer
) -> None:
    """Records that an OTLP backend rejects in a 200 answer count as refused, never more than the request contained."""
    partial = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message="too old")
    body = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
    server.answer_always(Answer(body=body, headers={"Content-Type": "application/x-protobuf"}))
    environ = posthog_environ(
        tmp_path, server.url, MEM0_TELEMETRY_EXPORTER="otlp", MEM0_TELEMETRY_OTLP_ENDPOINT=server.url
    )
    result = run_python(REFUSED, environ, listening=False)
    state = "refused (partial success: 1 of 1 rejected)"
    assert json.loads(result.stdout) == [True, 0, {"refused": 2}, [state]]
    assert result.stderr.count("WARNING") == 1
    assert "takes only a part of a batch" in result.stderr
    assert "OTLP_HEADERS" not in result.stderr  # the headers are not the cause


def test_state_is_ok_after_the_destination_accepts_again(tmp_path: Path, server: CaptureServer) -> None:
    """When a destination accepts events again, its state is `ok`; the refused events stay counted."""
    server.answer(Answer(status=401))
    result = run_python(REFUSED, posthog_environ(tmp_path, server.url), listening=False)
    assert json.loads(result.stdout) == [True, 1, {"refused": 1}, ["ok"]]


def test_refusal_by_the_default_destination_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is a WARNING if the user chose the destination; for Mem0's own, the default, it is logged at DEBUG."""
    caplog.set_level(logging.DEBUG, "mem0_telemetry")
    key = DestinationConfig("posthog", endpoint=VENDOR_HOST, api_key="phc_own")
    for config in (destinations.resolve({}).configs[0], key):
        exporters.destination(config).on_refusal("HTTP 418")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "WARNING"]
