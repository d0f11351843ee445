"""The `distinct_id`: from the record, the current span, the baggage or the resource, else made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry import baggage, context, trace
from opentelemetry.exporter.posthog import PostHogContextProcessor, PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.mapping import MappingOptions, log_events, span_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.sdk._logs import Logger

    from opentelemetry.exporter.posthog.testing import CaptureServer

_SESSION = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"
_COPIES = tuple(map(int, version("opentelemetry-sdk").split(".")[:2])) >= (1, 44)
"""Whether the batch processor copies records; if not, an object emitted again while it waits is one event."""
_PROCESSORS = [BatchLogRecordProcessor, SimpleLogRecordProcessor]


class Service:
    """A logger and a tracer whose events go to a fake PostHog."""

    def __init__(
        self, server: CaptureServer, processor: Any, resource: dict[str, Any], **options: Any
    ) -> None:
        self._server = server
        self._exporter = PostHogLogExporter(api_key="phc_test", host=server.url, **options)
        self._provider = LoggerProvider(resource=Resource(resource), shutdown_on_exit=False)
        known = {"distinct_id_attributes", "baggage_keys", "group_attributes", "conventions"}
        self._provider.add_log_record_processor(
            PostHogContextProcessor(**{name: value for name, value in options.items() if name in known})
        )
        self._provider.add_log_record_processor(processor(self._exporter))
        self.is_simple = processor is SimpleLogRecordProcessor
        self.logger: Logger = self._provider.get_logger("shop")
        self.tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")

    def events(self) -> list[dict[str, Any]]:
        """Return the events that arrived, after a flush."""
        self._provider.force_flush()
        return self._server.events


@pytest.fixture(params=_PROCESSORS, ids=["batch", "simple"])
def make_service(request: pytest.FixtureRequest, server: CaptureServer) -> Iterator[Callable[..., Service]]:
    """Return a function that builds a service with one of the SDK's processors."""
    built: list[Service] = []

    def build(resource: dict[str, Any] | None = None, **options: Any) -> Service:
        built.append(Service(server, request.param, resource or {}, **options))
        return built[-1]

    yield build
    for service in built:
        service._provider.shutdown()


def test_the_first_id_that_posthog_accepts_counts(make_service: Callable[..., Service]) -> None:
    """Record, current span, allowed baggage, resource: in this order, the first id that is legal counts."""
    service = make_service({"user.id": "of-resource"}, baggage_keys=("user.id",))
    forged = context.attach(baggage.set_baggage("user.id", "of-baggage"))
    try:
        service.logger.emit(event_name="baggage", attributes={"user.id": "anonymous"})
        with service.tracer.start_as_current_span("request", attributes={"user.id": "of-span"}):
            service.logger.emit(event_name="record", attributes={"user.id": "of-record"})
            service.logger.emit(event_name="span", attributes={"user.id": "null"})
        with service.tracer.start_as_current_span("request", attributes={"user.id": "guest"}):
            service.logger.emit(event_name="illegal span")
    finally:
        context.detach(forged)
    service.logger.emit(event_name="resource")
    found = {event["event"]: event["distinct_id"] for event in service.events()}
    assert found == {
        "baggage": "of-baggage",
        "record": "of-record",
        "span": "of-span",
        "illegal span": "of-baggage",
        "resource": "of-resource",
    }
    for event in service.events():
        assert "posthog.distinct_id" not in event["properties"]


def test_baggage_is_opt_in(make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `baggage_keys` the baggage is not read; a variable can name keys."""
    forged = context.attach(baggage.set_baggage("user.id", "of-baggage"))
    try:
        make_service().logger.emit(event_name="forged")
        monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS", "enduser.id, user.id")
        allowed = make_service()
        allowed.logger.emit(event_name="allowed")
    finally:
        context.detach(forged)
    found = {event["event"]: event["distinct_id"] for event in allowed.events()}
    assert found["allowed"] == "of-baggage"
    assert found.get("forged") != "of-baggage"


def test_session_and_groups_come_from_the_span(make_service: Callable[..., Service]) -> None:
    """A record has the session and the groups of the current span, unless it has its own."""
    service = make_service(group_attributes={"company": "tenant.id"})
    of_span = {"session.id": _SESSION, "tenant.id": "acme", "posthog.group.team": "red"}
    with service.tracer.start_as_current_span("request", attributes=of_span):
        service.logger.emit(event_name="a")
        service.logger.emit(event_name="b", attributes={"tenant.id": "other", "posthog.group.team": "blue"})
    a, b = service.events()
    assert a["properties"]["$session_id"] == _SESSION
    assert a["properties"]["$groups"] == {"company": "acme", "team": "red"}
    assert b["properties"]["$groups"] == {"company": "other", "team": "blue"}


def test_the_processor_gives_each_record_an_id(make_service: Callable[..., Service]) -> None:
    """A record without `log.record.uid` gets one at each emit; one that it has is kept."""
    service = make_service()
    own = "0198f3c1-7b52-7c3e-9c51-000000000001"
    service.logger.emit(event_name="a", attributes={"log.record.uid": own})
    for _ in range(3):
        service.logger.emit(event_name="a", timestamp=1, attributes={"user.id": "u1"})
    record = LogRecord(timestamp=1, event_name="a", attributes={"user.id": "u1"})
    for _ in range(3):
        service.logger.emit(record)
    uuids = [event["uuid"] for event in service.events()]
    assert uuids[0] == own
    assert len(set(uuids)) == (7 if _COPIES or service.is_simple else 5)


def test_an_object_that_is_emitted_twice_has_the_id_of_its_span(make_service: Callable[..., Service]) -> None:
    """A record that is emitted twice has the id of its span each time."""
    service = make_service()
    for user in ("u1", "u2"):
        with service.tracer.start_as_current_span("request", attributes={"user.id": user}):
            record = LogRecord(event_name="a")
            service.logger.emit(record)
            service.logger.emit(record)
    assert [event["distinct_id"] for event in service.events()] == ["u1", "u1", "u2", "u2"]


@pytest.mark.parametrize(
    "attributes", [{"session.id": _SESSION}, {"session.id": "cookie-17"}, {}], ids=["uuid", "text", "trace"]
)
def test_made_up_ids_are_equal_for_both_signals_and_make_no_person(
    make_log: Callable[..., Any], make_span: Callable[..., Any], attributes: dict[str, Any]
) -> None:
    """Events without an id share one made of session or trace, in both exporters, and make no person."""
    options = MappingOptions(person_profiles=True)
    log = make_log(attributes, trace_id=0xABC, span_id=1)
    other = make_log({"session.id": "other"} if attributes else {}, trace_id=0xDEF, span_id=1)
    events = [
        *log_events([log, other], options).events,
        *span_events([make_span(attributes)], options).events,
    ]
    first, second, span = (json.loads(event) for event in events)
    assert first["distinct_id"] == span["distinct_id"] != second["distinct_id"]
    assert first["properties"]["$process_person_profile"] is False
    for part in ("cookie-17", f"{0xABC:032x}", _SESSION):
        assert part not in first["distinct_id"]


def test_a_session_of_the_resource_makes_the_id(make_log: Callable[..., Any]) -> None:
    """The resource's session makes the id, unless the record has its own session or `conventions` is off."""
    resource = {"session.id": _SESSION}
    logs = [
        make_log({}, resource=resource),
        make_log(resource),
        make_log({"session.id": "s2"}, resource=resource),
    ]
    ids = [json.loads(event)["distinct_id"] for event in log_events(logs).events]
    assert ids[0] == ids[1] != ids[2]
    (off,) = log_events([logs[0]], MappingOptions(conventions=False)).events
    assert json.loads(off)["distinct_id"] not in ids


def test_a_process_has_one_made_up_id(make_log: Callable[..., Any], make_span: Callable[..., Any]) -> None:
    """Events without session and trace share an id of the process, in both exporters; a child has another."""
    (log,) = log_events([make_log()]).events
    (span,) = span_events([make_span(context=None)]).events
    nobody = json.loads(log)["distinct_id"]
    assert json.loads(span)["distinct_id"] == nobody
    code = (
        "import os\nfrom opentelemetry.exporter.posthog._identity import process_distinct_id as made_up\n"
        "first, (read, write) = made_up(), os.pipe()\n"
        "if not os.fork():\n    os.write(write, made_up().encode()); os._exit(0)\n"
        "assert os.read(read, 99).decode() != first"
    )
    if hasattr(os, "fork"):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_event_with_an_id_makes_a_person(make_log: Callable[..., Any]) -> None:
    """With `person_profiles`, an event with an id makes a person."""
    (event,) = log_events([make_log({"user.id": "u1"})], MappingOptions(person_profiles=True)).events
    assert "$process_person_profile" not in json.loads(event)["properties"]


_APPLICATION = """
import logging
from opentelemetry import trace
from opentelemetry._logs import get_logger, get_logger_provider
with trace.get_tracer("shop").start_as_current_span("request", attributes={"user.id": "u-17"}):
    get_logger("shop").emit(event_name="order.placed")
get_logger_provider().force_flush()
"""


def _environment(server: CaptureServer, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ},
        "HOME": str(tmp_path),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test",
        "OTEL_EXPORTER_POSTHOG_HOST": server.url,
    }


def test_opentelemetry_instrument_adds_the_processor(server: CaptureServer, tmp_path: Path) -> None:
    """Under `opentelemetry-instrument`, a record without an id has the id of its span's user."""
    pytest.importorskip("opentelemetry.distro")
    (tmp_path / "app.py").write_text(_APPLICATION)
    code = "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; sys.exit(run())"
    command = [sys.executable, "-c", code, sys.executable, str(tmp_path / "app.py")]
    done = subprocess.run(
        command, env=_environment(server, tmp_path), capture_output=True, text=True, timeout=120, check=True
    )
    assert [event["distinct_id"] for event in server.events] == ["u-17"], done.stderr


def test_install_adds_the_processor_in_front_once() -> None:
    """`install` adds the processor before the exporters of the global provider, and only once."""
    code = (
        "from opentelemetry._logs import set_logger_provider\n"
        "from opentelemetry.exporter.posthog import PostHogContextProcessor as Processor\n"
        "from opentelemetry.sdk._logs import LoggerProvider\n"
        "from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter as M, SimpleLogRecordProcessor as S\n"
        "Processor.install()\n"
        "memory, provider = M(), LoggerProvider()\n"
        "provider.add_log_record_processor(S(memory)); set_logger_provider(provider)\n"
        "Processor.install(); Processor.install()\n"
        "provider.get_logger('a').emit(event_name='a')\n"
        "(record,) = memory.get_finished_logs()\n"
        "assert record.log_record.attributes['log.record.uid']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr.count("PostHogContextProcessor.install() finds no logger provider") == 1


def test_a_span_exporter_adds_no_processor() -> None:
    """`opentelemetry-instrument` adds the processor only if a log exporter was built."""
    code = (
        "import sys\n"
        "from opentelemetry.exporter import posthog\n"
        "from opentelemetry.exporter.posthog._instrumented import add_context_processor\n"
        "for name in ('PostHogSpanExporter', 'PostHogLogExporter'):\n"
        "    built = getattr(posthog, name)(api_key='phc_a')\n"
        "    add_context_processor()\n"
        "    print('opentelemetry.exporter.posthog._processor' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_processor_never_raises(server: CaptureServer) -> None:
    """Even if the current span raises, a record is emitted."""

    class BrokenSpan(trace.NonRecordingSpan):
        @property
        def attributes(self) -> Any:
            raise RuntimeError

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(PostHogContextProcessor())
    provider.add_log_record_processor(
        SimpleLogRecordProcessor(PostHogLogExporter(api_key="phc_a", host=server.url))
    )
    with trace.use_span(BrokenSpan(trace.INVALID_SPAN_CONTEXT)):
        provider.get_logger("a").emit(event_name="a")
    provider.shutdown()
    assert PostHogContextProcessor().force_flush()


@pytest.mark.parametrize("exporter", [PostHogLogExporter, PostHogSpanExporter])
@pytest.mark.parametrize("wrong", [7, object(), ["a", 7], {"a": 7}, lambda: 0])
def test_no_argument_of_a_wrong_type_raises(
    exporter: Any, wrong: Any, make_log: Callable[..., Any], make_span: Callable[..., Any]
) -> None:
    """Whatever type an argument has, building, exporting and shutting down do not raise."""
    names = set(exporter.__init__.__kwdefaults__) - {"session"}
    for arguments in ({name: wrong} for name in sorted(names)):
        base = {"api_key": "phc_a", "host": "http://127.0.0.1:9", "retry": False, "timeout": 0.2}
        built = exporter(**{**base, **arguments})
        built.export([make_log() if exporter is PostHogLogExporter else make_span()])
        built.shutdown()
    exporter(**dict.fromkeys(names, wrong)).shutdown()
