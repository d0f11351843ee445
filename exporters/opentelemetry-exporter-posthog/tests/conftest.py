"""Fixtures of every test: no telemetry settings in the environment, only loopback, no warning given yet."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from opentelemetry.exporter.posthog import PostHogLogExporter, _warnings
from opentelemetry.exporter.posthog.testing import CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_FOREIGN = (
    "OTEL_",
    "POSTHOG_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
)
_SECOND = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
_CHILDREN = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(autouse=True)
def children(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record the return code and output of each child process, for the report of a failed test."""
    ended = request.node.stash[_CHILDREN] = []
    communicate = subprocess.Popen.communicate

    def keep(process: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> Any:
        stdout, stderr = communicate(process, *args, **kwargs)
        title = f"child process {process.pid} returned {process.returncode}"
        ended.append((title, f"stdout: {stdout}\nstderr: {stderr}"))
        return stdout, stderr

    monkeypatch.setattr(subprocess.Popen, "communicate", keep)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the child processes to the report of a test that failed."""
    report = yield
    if report.failed:
        report.sections.extend(item.stash.get(_CHILDREN, []))
    return report


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that configure an exporter, and forget which warnings were given."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_warnings, "_given", set())


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that would leave this machine."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def server() -> Iterator[CaptureServer]:
    """Run a fake PostHog."""
    with CaptureServer() as running:
        yield running


@pytest.fixture
def make_exporter(server: CaptureServer) -> Iterator[Callable[..., PostHogLogExporter]]:
    """Return a function that builds a log exporter for the fake PostHog; the fixture shuts it down."""
    built: list[PostHogLogExporter] = []

    def make(**arguments: Any) -> PostHogLogExporter:
        built.append(PostHogLogExporter(**{"api_key": "phc_test", "host": server.url, **arguments}))
        return built[-1]

    yield make
    for exporter in built:
        exporter.shutdown()


@pytest.fixture
def make_log() -> Callable[..., ReadableLogRecord]:
    """Return a function that builds a log record with exactly these fields, without the SDK's checks."""

    def make(
        attributes: Any = None,
        *,
        resource: Any = None,
        scope: InstrumentationScope | None = None,
        **fields: Any,
    ) -> ReadableLogRecord:
        record = LogRecord(timestamp=_SECOND, event_name="order.placed")
        record.observed_timestamp = None  # type: ignore[assignment]  # the SDK sets it, others need not
        record.attributes = attributes
        for name, value in fields.items():
            setattr(record, name, value)
        return ReadableLogRecord(record, Resource(resource or {}), scope)

    return make


@pytest.fixture
def make_span() -> Callable[..., ReadableSpan]:
    """Return a function that builds an ended span."""
    made = 0

    def make(attributes: Any = None, **fields: Any) -> ReadableSpan:
        nonlocal made
        made += 1
        context = SpanContext(0xABC, made, is_remote=False, trace_flags=TraceFlags(1))
        defaults = {
            "name": "checkout",
            "context": context,
            "resource": Resource({}),
            "start_time": _SECOND,
            "end_time": _SECOND + 1_500_000,
        }
        return ReadableSpan(**{**defaults, "attributes": attributes, **fields})

    return make
