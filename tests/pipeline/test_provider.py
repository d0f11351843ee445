"""Tests of the private provider, its resource and the last selection: no data of the application gets in."""

from __future__ import annotations

import errno
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from uuid import RFC_4122, UUID

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from mem0_telemetry.pipeline.provider import PrivateProvider
from mem0_telemetry.pipeline.resource import runtime_metadata
from mem0_telemetry.pipeline.selection import Selection
from mem0_telemetry.policy.registry import select_resource
from mem0_telemetry.version import SCHEMA_URL
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTALLATION = "0b0f2d5c-6e8e-4f6f-9a55-9d3f2b1c0a77"


class Collecting(LogRecordProcessor):
    """Keeps the emitted records."""

    def __init__(self) -> None:
        self.records: list[ReadWriteLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keep the record."""
        self.records.append(log_record)

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Nothing to do."""
        return True


@pytest.fixture
def hostile_environ(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set variables that an application may set for OpenTelemetry, and that could cut, break or label our records."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=secret,service.name=theirs")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "many")
    monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1")
    return


@pytest.mark.usefixtures("hostile_environ")
def test_a_record_is_independent_of_the_application() -> None:
    """Name, body, time, attributes, resource and scope are as given, even inside a span and with hostile settings."""
    collecting = Collecting()
    provider = PrivateProvider({"service.name": "mem0"}, collecting, {})
    with TracerProvider(shutdown_on_exit=False).get_tracer("app").start_as_current_span("request"):
        assert trace.get_current_span().get_span_context().is_valid
        provider.emit(123, "mem0.add", {f"k{n}": "long value" for n in range(20)})
    (record,) = collecting.records
    log = record.log_record
    assert (log.event_name, log.body, log.timestamp) == ("mem0.add", "mem0.add", 123)
    assert log.severity_number is SeverityNumber.INFO
    assert (log.trace_id, log.span_id) == (0, 0)
    attributes = dict(log.attributes or {})
    assert len(attributes.pop("log.record.uid")) == 36  # type: ignore[arg-type]
    assert attributes == {f"k{n}": "long value" for n in range(20)}
    assert record.resource is not None
    assert dict(record.resource.attributes) == {"service.name": "mem0"}
    assert record.resource.schema_url == SCHEMA_URL
    assert record.instrumentation_scope is not None
    assert record.instrumentation_scope.name == "mem0_telemetry"


def test_runtime_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine and system have OpenTelemetry's values; the version is `major.minor` of macOS or else of the kernel."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(platform, "release", lambda: "6.18.44-some-vendor+1")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    found = select_resource(runtime_metadata())
    assert found["os.type"] == "linux"
    assert found["os.version"] == "6.18"
    assert found["host.arch"] == "amd64"
    assert found["service.version"] == version("mem0ai")
    assert found["telemetry.sdk.version"] == version("opentelemetry-sdk")
    assert found["telemetry.distro.name"] == "mem0-telemetry"
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.2.1", ("", "", ""), "arm64"))
    assert select_resource(runtime_metadata())["os.version"] == "14.2"


@pytest.mark.parametrize(
    "raised", [PackageNotFoundError("mem0ai"), OSError(errno.EMFILE, "too many open files")]
)
def test_an_unknown_version_is_left_out(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown version (in a frozen application, or if no file can be opened) is left out, and no event is lost."""

    def refuse(_: str) -> str:
        raise raised

    monkeypatch.setattr("importlib.metadata.version", refuse)
    found = runtime_metadata()
    assert found["service.name"] == "mem0"
    assert "service.version" not in found
    assert "telemetry.sdk.version" not in found


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("win32", "windows"),
        ("darwin", "darwin"),
        ("freebsd14", "freebsd"),
        ("sunos5", "solaris"),
        ("emscripten", None),
    ],
)
def test_operating_systems(system: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.platform` becomes OpenTelemetry's well-known value; a platform without one is left out."""
    monkeypatch.setattr("sys.platform", system)
    assert runtime_metadata().get("os.type") == expected


class TestSelection:
    """Tests of the last step before a record is spooled."""

    def select(
        self, name: str | None, resource: Resource | None = None, **attributes: object
    ) -> ReadableLogRecord | None:
        """Select a record as an application might emit it."""
        record = LogRecord(timestamp=5, event_name=name, body={"free": "text"}, attributes=attributes)  # type: ignore[arg-type]
        record.trace_id, record.span_id = 7, 8
        return Selection()(ReadableLogRecord(record, resource or Resource({})))

    def test_new_record_of_declared_values(self) -> None:
        """Undeclared attributes and resource attributes, the body, and the trace and span id are removed."""
        resource = Resource({"service.name": "mem0", "service.instance.id": "x", "team": "secret"})
        selected = self.select("mem0.add", resource, **{"mem0.sync_type": "sync", "memory": "secret"})
        assert selected is not None
        log = selected.log_record
        assert dict(log.attributes or {}) == {"mem0.sync_type": "sync"}
        assert (log.body, log.trace_id, log.span_id, log.timestamp) == ("mem0.add", 0, 0, 5)
        assert dict(selected.resource.attributes) == {"service.name": "mem0"}

    @pytest.mark.parametrize(("given", "expected"), [(-1, 0), (10**20, 2**63 - 1)])
    def test_times_outside_the_range_of_otlp(self, given: int, expected: int) -> None:
        """A time before 1970 or beyond 64 bits becomes the nearest valid time, so that the request does not fail."""
        record = LogRecord(timestamp=given, observed_timestamp=given, event_name="mem0.add")
        selected = Selection()(ReadableLogRecord(record, Resource({})))
        assert selected is not None
        assert (selected.log_record.timestamp, selected.log_record.observed_timestamp) == (expected, expected)
        encode_logs([selected]).SerializeToString()

    @pytest.mark.parametrize(("observed", "expected"), [(7, 7), (None, 0)])
    def test_a_record_without_a_time_and_a_resource(self, observed: int | None, expected: int) -> None:
        """A record without a time has the time at which it was observed; one without a resource has an empty one."""
        record = LogRecord(event_name="mem0.add")
        record.observed_timestamp = observed
        selection = Selection()
        selection(ReadableLogRecord(record, Resource({"service.name": "mem0"})))
        for select in (selection, Selection()):
            selected = select(ReadableLogRecord(record, None))
            assert selected is not None
            assert selected.log_record.timestamp == expected
            assert (dict(selected.resource.attributes), selected.resource.schema_url) == ({}, SCHEMA_URL)

    @pytest.mark.parametrize("name", [None, "", "mem0.unheard", "app.event"])
    def test_other_events_are_dropped(self, name: str | None) -> None:
        """A record whose event is not registered is dropped."""
        assert self.select(name) is None

    def test_selecting_twice_selects_the_same(self) -> None:
        """A second selection returns the same attributes and resource."""
        selection = Selection()
        resource = Resource({"service.name": "mem0", "app.installation.id": INSTALLATION})
        record = LogRecord(timestamp=5, event_name="mem0.add", attributes={"mem0.sync_type": "sync"})
        once = selection(ReadableLogRecord(record, resource))
        assert once is not None
        twice = selection(once)
        assert twice is not None
        assert twice.log_record.attributes == once.log_record.attributes
        assert twice.resource == once.resource


class TestOwnRecords:
    """Tests of our own records, which are selected again only if a processor has changed them."""

    def emitted(self, change: Callable[[LogRecord], None] | None = None) -> ReadableLogRecord:
        """Emit an event; `change` is a processor that the application has added to the provider."""
        collecting, changing = Collecting(), Collecting()
        provider = PrivateProvider({"service.name": "mem0"}, collecting, {"service.version": "2.2.1"})
        if change is not None:
            changing.on_emit = lambda record: change(record.log_record)  # type: ignore[method-assign]
            provider.provider.add_log_record_processor(changing)
        provider.emit(5, "mem0.add", {"mem0.sync_type": "sync"})
        (record,) = collecting.records
        assert record.resource is not None
        return ReadableLogRecord(record.log_record, record.resource)

    def test_an_unchanged_record_is_not_selected_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unchanged record is not selected twice, and later changes of it do not affect the selected copy."""
        monkeypatch.setattr("mem0_telemetry.policy.registry.select_record", pytest.fail)
        record = self.emitted()
        selected = Selection()(record)
        assert selected is not None
        record.log_record.attributes["late"] = "text"  # type: ignore[index]
        record.log_record.body = "late"
        attributes = dict(selected.log_record.attributes or {})
        assert len(attributes.pop("log.record.uid")) == 36  # type: ignore[arg-type]
        assert attributes == {"mem0.sync_type": "sync", "service.version": "2.2.1"}
        assert (selected.log_record.body, selected.log_record.timestamp) == ("mem0.add", 5)

    @pytest.mark.parametrize(
        ("attributes", "left"),
        [
            ({"memory": "secret"}, {"mem0.sync_type": "sync"}),
            ({"mem0.sync_type": "async"}, {"mem0.sync_type": "async"}),
            ({"mem0.sync_type": 7}, {}),
            ({"mem0.sync_type": object()}, {}),
        ],
    )
    def test_changed_by_a_processor(self, attributes: dict[str, object], left: dict[str, object]) -> None:
        """Values that a processor of the application adds or changes are selected like any foreign value."""
        selected = Selection()(self.emitted(lambda log: log.attributes.update(attributes)))  # type: ignore[union-attr]
        assert selected is not None
        found = dict(selected.log_record.attributes or {})
        assert {key: value for key, value in found.items() if key.startswith(("mem0.", "memory"))} == left

    @pytest.mark.parametrize("attributes", [None, {}, {"memory": "secret"}])
    def test_replaced_by_a_processor(self, attributes: dict[str, str] | None) -> None:
        """If a processor removes or replaces all attributes, the event is kept without undeclared attributes."""

        def replace(log: LogRecord) -> None:
            log.attributes = attributes

        selected = Selection()(self.emitted(replace))
        assert selected is not None
        assert not selected.log_record.attributes

    def test_a_change_affects_one_record_only(self) -> None:
        """A processor's change of one event does not affect the next event."""
        collecting = Collecting()
        provider = PrivateProvider({}, collecting, {"service.version": "2.2.1"})
        event = {"mem0.sync_type": "sync"}
        for _ in range(2):
            provider.emit(5, "mem0.add", event)
            collecting.records[-1].log_record.attributes.clear()  # type: ignore[union-attr]
        provider.emit(5, "mem0.add", event)
        attributes = dict(collecting.records[-1].log_record.attributes or {})
        del attributes["log.record.uid"]
        assert attributes == {"mem0.sync_type": "sync", "service.version": "2.2.1"}

    def test_renamed_by_a_processor(self) -> None:
        """A record that a processor renames to an unregistered event is dropped."""

        def rename(log: LogRecord) -> None:
            log.event_name = "app.event"

        assert Selection()(self.emitted(rename)) is None


def test_ids_are_random_uuids() -> None:
    """Each record has a different id, a UUID of version 4 and the variant of RFC 9562."""
    collecting = Collecting()
    provider = PrivateProvider({}, collecting, {})
    for _ in range(100):
        provider.emit(5, "mem0.add", {})
    ids = {str((record.log_record.attributes or {})["log.record.uid"]) for record in collecting.records}
    assert len(ids) == 100
    assert {(UUID(one).version, UUID(one).variant) for one in ids} == {(4, RFC_4122)}
    assert {str(UUID(one)) for one in ids} == ids


@pytest.mark.filterwarnings("ignore:This process")  # from Python 3.12 on, if the process has threads
def test_a_forked_child_generates_its_own_ids() -> None:
    """The provider that a child inherits does not generate the same ids as the parent's provider."""
    collecting = Collecting()
    provider = PrivateProvider({}, collecting, {})

    def next_id() -> str:
        provider.emit(1, "mem0.add", {})
        return str((collecting.records[-1].log_record.attributes or {})["log.record.uid"])

    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(write, next_id().encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with open(read) as pipe:  # noqa: PTH123
        of_child = pipe.read()
    assert UUID(of_child) != UUID(next_id())
