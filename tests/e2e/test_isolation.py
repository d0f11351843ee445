"""The application's OpenTelemetry and ours share a process, and neither sees the other's data or settings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import CaptureServer
from support.isolation import LIBRARIES, MARKER, every_setting, own_spans, run

pytestmark = pytest.mark.interpreter


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_neither_side_sees_the_other(order: str, protocol: str, tmp_path: Path) -> None:
    """Neither side sees the other, with global providers, a span with baggage, instrumented libraries and a fork."""
    outcome = run(tmp_path, order, *(["fork"] if protocol != "grpc" else []), protocol=protocol)
    assert own_spans(outcome.report) == LIBRARIES
    assert outcome.breaches() == set()
    assert outcome.stderr == ""
    assert len(outcome.events) == (order == "after") + 1 + ("child" in outcome.report)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_neither_side_sees_the_other_under_opentelemetry_instrument(protocol: str, tmp_path: Path) -> None:
    """With all instrumentations on under `opentelemetry-instrument`, the application exports only its own data."""
    outcome = run(
        tmp_path,
        "auto",
        protocol=protocol,
        launcher=(str(Path(sys.executable).with_name("opentelemetry-instrument")),),
        further_settings={
            **dict.fromkeys(("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "otlp"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        },
    )
    assert outcome.breaches() == set()
    exported = b"\n".join(request.body for request in outcome.own if MARKER in request.path)
    assert [path for path in LIBRARIES if path.encode() not in exported] == []
    ours = [f":{port}" for port in outcome.ports] + ["mem0.init", "log.record.uid", "app.installation.id"]
    assert [name for name in ours if name.encode() in exported] == []
    assert len(outcome.events) == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_otel_variables_do_not_change_usage_telemetry(protocol: str, tmp_path: Path) -> None:
    """Setting each `OTEL_*` variable that the installed SDK and exporters read changes nothing in usage telemetry."""
    with CaptureServer() as elsewhere:
        settings = every_setting(elsewhere.url)
        assert len(settings) > 100
        outcome = run(tmp_path, "inner", protocol=protocol, settings=settings)
        assert outcome.breaches() == set()
        assert elsewhere.requests == []
    assert outcome.report["environ"] == settings
