"""An application that uses OpenTelemetry itself; `test_isolation.py` runs it and checks what it prints.

`python host_application.py before|after|auto|inner URL [fork]`: it sets its providers before `instrument()` or after
our first event, or `opentelemetry-instrument` sets them, or no code sets them (`inner`). It calls its own server at URL
with each HTTP library, works inside a span with baggage, and prints as a JSON object all that it could see of us.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

ORDER, URL, *FURTHER = sys.argv[1:]
BAGGAGE = "planted_baggage_6Wd"


class _Heard(logging.Handler):
    """A handler that keeps every record logged in the process, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.getMessage()))


heard = _Heard()
logging.getLogger().addHandler(heard)
logging.getLogger().setLevel(logging.DEBUG)
exporters: dict[str, Any] = {}


def set_up_opentelemetry() -> None:
    """Do what an application does at its start: set global providers, and use every installed instrumentation."""
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from opentelemetry import _logs, metrics, trace

    exporters.update(
        spans=InMemorySpanExporter(), logs=InMemoryLogRecordExporter(), metrics=InMemoryMetricReader()
    )
    tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporters["spans"]))
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(exporters["logs"]))
    trace.set_tracer_provider(tracer_provider)
    _logs.set_logger_provider(logger_provider)
    metrics.set_meter_provider(MeterProvider([exporters["metrics"]]))
    exporters["global"] = logger_provider
    instrument_everything()


def instrument_everything() -> None:
    """Use every installed instrumentation except ours."""
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="opentelemetry_instrumentor"):
        if entry_point.name not in ("mem0", "logging"):  # `logging` changes the root logger's format
            entry_point.load()().instrument()


def call_own_server() -> None:
    """Send one request with each library; the application's instrumentation should see all."""
    import httpx
    import requests
    import urllib3

    requests.get(f"{URL}/own/requests", timeout=10)
    httpx.get(f"{URL}/own/httpx", timeout=10)
    urllib3.PoolManager().request("GET", f"{URL}/own/urllib3")


def work() -> list[str]:
    """Serve a request of the application that uses Mem0; return its trace id and span id."""
    from opentelemetry import baggage, context, trace

    token = context.attach(baggage.set_baggage("user", BAGGAGE))
    try:
        with trace.get_tracer("application").start_as_current_span("request") as span:
            call_own_server()
            record()
            ids = span.get_span_context()
            return [format(ids.trace_id, "032x"), format(ids.span_id, "016x")]
    finally:
        context.detach(token)


def record() -> None:
    """Record one event of Mem0 and deliver it."""
    import mem0_telemetry
    from mem0_telemetry import telemetry

    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync", "explain": True})
    assert mem0_telemetry.flush(60), mem0_telemetry.status()


def seen() -> dict[str, Any]:
    """Return everything that reached the application's exporters and log handlers."""
    from opentelemetry import _logs

    found: dict[str, Any] = {
        # Only our own logger may be used: a record of another logger could name an exporter of ours.
        "records": [each for each in heard.records if each[0] != "mem0_telemetry"],
        "environ": {name: value for name, value in os.environ.items() if name.startswith("OTEL_")},
    }
    if exporters:
        found["spans"] = [
            [span.name, {key: str(value) for key, value in (span.attributes or {}).items()}]
            for span in exporters["spans"].get_finished_spans()
        ]
        found["logs"] = [str(data.log_record.event_name) for data in exporters["logs"].get_finished_logs()]
        metrics = exporters["metrics"].get_metrics_data()
        found["metrics"] = metrics.to_json() if metrics is not None else ""
        found["global is its own"] = _logs.get_logger_provider() is exporters["global"]
    return found


def in_a_child() -> dict[str, Any]:
    """Do the work in a forked process, and return the report of that process."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        ids = work()
        with os.fdopen(writable, "w") as answer:
            json.dump({**seen(), "ids": ids}, answer)
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        found: dict[str, Any] = json.load(answer)
    os.waitpid(child, 0)
    return found


def main() -> None:
    """Run the application, and print its report."""
    if ORDER == "before":
        set_up_opentelemetry()
    if ORDER != "auto":
        import mem0_telemetry

        mem0_telemetry.instrument()
    if ORDER == "after":
        record()
        set_up_opentelemetry()
    before = dict(os.environ)
    ids: list[str] = []
    if ORDER == "inner":  # With these settings even `trace.get_tracer` fails.
        record()
    else:
        ids = work()
    found = {**seen(), "ids": ids}
    if "fork" in FURTHER:
        found["child"] = in_a_child()
    found["environment is as it was"] = dict(os.environ) == before
    sys.stdout.write(json.dumps(found) + "\n")


main()
