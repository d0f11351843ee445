"""The application's OpenTelemetry and ours share a process, and neither sees anything of the other."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from isolation import LIBRARIES, MARKER, every_setting, own_spans, run

import mem0_telemetry
from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

PACKAGE = Path(mem0_telemetry.__file__).parent


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_neither_side_sees_the_other(order: str, protocol: str, tmp_path: Path) -> None:
    """With global providers on either side of us, inside a span and baggage, all instrumented, and after a fork."""
    outcome = run(tmp_path, order, *(["fork"] if protocol != "grpc" else []), protocol=protocol)
    assert own_spans(outcome.report) == LIBRARIES
    assert outcome.breaches() == set()
    assert outcome.stderr == ""
    assert len(outcome.events) == (order == "after") + 1 + ("child" in outcome.report)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_neither_side_sees_the_other_under_opentelemetry_instrument(protocol: str, tmp_path: Path) -> None:
    """With every installed instrumentation on by its command, the application's backend hears of its own work alone."""
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
def test_no_variable_of_the_installed_sdk_is_ours(protocol: str, tmp_path: Path) -> None:
    """Each `OTEL_*` name that the installed SDK and exporters know is set, and changes nothing of ours."""
    with CaptureServer() as elsewhere:
        settings = every_setting(elsewhere.url)
        assert len(settings) > 100
        outcome = run(tmp_path, "inner", protocol=protocol, settings=settings)
        assert outcome.breaches() == set()
        assert elsewhere.requests == []
    assert outcome.report["environ"] == settings


STOCK = """
    from opentelemetry.exporter.otlp.proto.{package}._log_exporter import OTLPLogExporter
    return OTLPLogExporter(endpoint=config.endpoint, headers=config.headers{insecure})
"""
NAIVE: dict[str, tuple[str, str, tuple[tuple[str, str, str], ...]]] = {
    "Resource.create merges the application's resource": (
        f"{MARKER} is on our wire",
        "before",
        (
            (
                "pipeline/provider.py",
                "Resource(dict(resource), SCHEMA_URL)",
                "Resource.create(dict(resource))",
            ),
            (
                "pipeline/selection.py",
                "Resource(registry.select_resource(facts), SCHEMA_URL)",
                "found or Resource({})",
            ),
        ),
    ),
    "the SDK adds an id to every resource after a fork": (
        "the resource has a service.instance.id",
        "before",
        (
            (
                "pipeline/provider.py",
                "record, resource=self._resource",
                "record, resource=self.provider.resource",
            ),
            (
                "pipeline/selection.py",
                "Resource(registry.select_resource(facts), SCHEMA_URL)",
                "found or Resource({})",
            ),
        ),
    ),
    "stock OTLP exporters merge the application's headers": (
        f"{MARKER} is on our wire",
        "before",
        (
            (
                "pipeline/otlp.py",
                "    return _GRPCExporter(config) if config.protocol == GRPC else _HTTPExporter(config)\n",
                STOCK.format(package="http", insecure=""),
            ),
        ),
    ),
    "an empty context takes the current span's ids": (
        "an id of the application's trace is on our wire",
        "before",
        (
            ("pipeline/provider.py", "context=_NO_SPAN", "context=Context()"),
            (
                "delivery/_threads.py",
                "target=contextvars.Context().run, args=(self._target,)",
                "target=self._target",
            ),
            (
                "pipeline/selection.py",
                "            INVALID_TRACE_ID,\n            INVALID_SPAN_ID,\n",
                "            log.trace_id,\n            log.span_id,\n",
            ),
        ),
    ),
    "HTTP instrumentations see the exporters' calls": (
        "the application sees port",
        "before",
        (
            (
                "delivery/_isolation.py",
                "        context = otel_context.set_value(key, True, context)",
                "        pass",
            ),
        ),
    ),
    "a global provider is everybody's": (
        "the global provider is ours",
        "after",
        (
            (
                "pipeline/provider.py",
                "        self.provider.add_log_record_processor(processor)\n",
                (
                    "        self.provider.add_log_record_processor(processor)\n"
                    "        from opentelemetry import _logs\n        _logs.set_logger_provider(self.provider)\n"
                ),
            ),
        ),
    ),
    "a provider reports itself to the global meter": (
        "our SDK counts on the application's meter",
        "before",
        (("pipeline/provider.py", '{"meter_provider": NoOpMeterProvider(), ', "{"),),
    ),
    "the application's limits hold for every provider": (
        "the application's limits cut our events",
        "before",
        (
            (
                "pipeline/provider.py",
                "    return LogRecordLimits(**_known(LogRecordLimits, wide))",
                "    return LogRecordLimits()",
            ),
        ),
    ),
    "requests takes a password for any host out of a .netrc": (
        "a header of the application's is on our wire",
        "before",
        (
            (
                "pipeline/otlp.py",
                "    session.auth = lambda request: request  # else a `.netrc` would add its own\n",
                "",
            ),
        ),
    ),
    "libraries log what we do": (
        "the application sees port",
        "before",
        (
            (
                "delivery/_isolation.py",
                "        return threading.get_ident() not in self._threads",
                "        return True",
            ),
        ),
    ),
}


@pytest.mark.parametrize("fact", NAIVE)
def test_naive_code_is_found_out(fact: str, tmp_path: Path) -> None:
    """Each leak that was measured is seen here, where the code is as one would write it first."""
    breach, order, changes = NAIVE[fact]
    copy = tmp_path / "naive"
    shutil.copytree(PACKAGE, copy / "mem0_telemetry", ignore=shutil.ignore_patterns("__pycache__"))
    for path, sound, naive in changes:
        source = copy / "mem0_telemetry" / path
        text = source.read_text(encoding="utf-8")
        assert sound in text, f"{path} has changed: break it elsewhere"
        source.write_text(text.replace(sound, naive), encoding="utf-8")
    outcome = run(tmp_path, order, "fork", package=copy)
    assert any(found.startswith(breach) for found in outcome.breaches()), outcome.breaches()
