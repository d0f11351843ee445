"""Separate processes: imports, forks, signals, and applications instrumented without code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import _exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord

    from opentelemetry.exporter.posthog import PostHogLogExporter
    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]
    MakeExporter = Callable[..., PostHogLogExporter]

pytestmark = pytest.mark.interpreter

SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
_HEAVY = "{name for name in sys.modules if name.split('.')[0] in ('posthog', 'requests', 'urllib3')}"


def run(code: str, **environment: str) -> str:
    """Run `code` in a new process with only this environment; return its output."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.strip()


def test_importing_the_package_loads_no_library() -> None:
    """Importing the package loads two small modules, neither the SDK nor another library."""
    loaded = run(
        "import sys; before = set(sys.modules); import opentelemetry.exporter.posthog;"
        "print(sorted(name for name in set(sys.modules) - before if 'opentelemetry' in name))"
    )
    posthog = "opentelemetry.exporter.posthog"
    assert loaded == str(["opentelemetry", "opentelemetry.exporter", posthog, f"{posthog}._version"])


def test_the_constructor_loads_what_an_export_needs() -> None:
    """Without a key the constructor loads nothing; with a key it loads all, so an export imports nothing."""
    built = run(
        "import sys, threading\n"
        "from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter\n"
        "from opentelemetry.sdk._logs import LoggerProvider\n"
        "from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor\n"
        "import logging; logging.disable()\n"  # hides the warning of the missing key
        "PostHogLogExporter(); PostHogSpanExporter()\n"
        f"print(len({_HEAVY}))\n"
        "exporter = PostHogLogExporter(api_key='phc_a', host='http://127.0.0.1:9', retry=False)\n"
        "provider = LoggerProvider(shutdown_on_exit=False)\n"
        "provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, arguments: event == 'import' and seen.append(arguments[0]))\n"
        "logger = provider.get_logger('shop')\n"
        "logger.emit(event_name='order.placed')\n"
        "print(seen, exporter.stats.failed)\n"
    )
    assert built.splitlines() == ["0", "[] 1"]


_FORK_AT_THE_FIRST_EXPORT = """
import os, sys, threading, time
from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
provider = LoggerProvider(shutdown_on_exit=False)
exporter = PostHogLogExporter(api_key="phc_a", host=sys.argv[1])
provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=1))
logger = provider.get_logger("shop")
threading.Thread(target=lambda: logger.emit(event_name="first")).start()
children = set()
for _ in range(20):  # like a server that starts its workers
    child = os.fork()
    if child == 0:
        logger.emit(event_name="of a child")
        provider.force_flush()
        os._exit(0)
    children.add(child)
    time.sleep(0.005)
deadline = time.monotonic() + 90
while children and time.monotonic() < deadline:
    children -= {child for child in children if os.waitpid(child, os.WNOHANG)[0]}
    time.sleep(0.01)
for child in children:
    os.kill(child, 9)
provider.shutdown()
sys.exit(f"{len(children)} children hang" if children else 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.parametrize("processes", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_forks_at_the_first_export(processes: int, server: CaptureServer) -> None:
    """Children that are forked during another thread's first export do not hang, and their events arrive."""
    for _ in range(processes):
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _FORK_AT_THE_FIRST_EXPORT, server.url],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")
    names = [event["event"] for event in server.events]
    assert (names.count("first"), names.count("of a child")) == (processes, 20 * processes)


@pytest.mark.parametrize(
    ("name", "other"),
    [("PostHogLogExporter", "opentelemetry.sdk.trace"), ("PostHogSpanExporter", "opentelemetry.sdk._logs")],
)
def test_an_exporter_loads_its_own_signal_only(name: str, other: str) -> None:
    """An exporter does not import the SDK of the other signal, which raises if its settings are malformed."""
    loaded = run(
        f"import sys; from opentelemetry.exporter.posthog import {name}; {name}(api_key='phc_test');"
        f"print({other!r} in sys.modules)"
    )
    assert loaded == "False"


def test_the_mapping_loads_no_sdk() -> None:
    """`mapping` imports neither the SDK nor an HTTP library."""
    loaded = run(
        "import sys; import opentelemetry.exporter.posthog.mapping;"
        f"print(len({_HEAVY}), any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert loaded == "0 False"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_both_sides_of_a_fork_export(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """Parent and child export after a fork; the child has its own counts and made-up id."""
    exporter = make_exporter()
    exporter.export([make_log({"n": 0})])
    child = os.fork()
    if child == 0:
        result = exporter.export([make_log({"n": 1})])
        os._exit(0 if result is SUCCESS and exporter.stats.exported == 1 else 1)
    assert exporter.export([make_log({"n": 2})]) is SUCCESS
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert exporter.stats.exported == 2
    by_number = {event["properties"]["n"]: event["distinct_id"] for event in server.events}
    assert by_number[0] == by_number[2] != by_number[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_during_an_export(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """A child that is forked while another thread exports does not wait for that thread's locks."""
    exporter = make_exporter(exceptions=True)
    held, released = threading.Event(), threading.Event()
    seen, ordinals = _exceptions.sent_by_this_process, exporter._mapper._builder._ordinals

    def hold() -> None:
        with exporter._building, exporter._tally._lock, seen._lock, ordinals._lock:
            held.set()
            released.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs must end
        record = make_log({"exception.type": "ValueError", "exception.message": "m"}, trace_id=0xABC)
        os._exit(0 if exporter.export([record]) is SUCCESS else 1)
    status = os.waitpid(child, 0)[1]
    released.set()
    thread.join(60)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(server.events) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_after_the_shutdown(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """An exporter that was shut down before a fork is shut down in the child, too."""
    exporter = make_exporter()
    exporter.shutdown()
    child = os.fork()
    if child == 0:
        os._exit(0 if exporter.export([make_log()]) is FAILURE and exporter.stats.failed == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.requests == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_shares_no_connection_of_the_callers_session(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """Parent and child use their own connection of the caller's session, so that answers are not mixed up."""
    clients = set()
    finish = server._server.finish_request

    def remember(request: Any, client_address: Any) -> None:
        clients.add(client_address)
        finish(request, client_address)

    server._server.finish_request = remember  # type: ignore[method-assign]
    with requests.Session() as session:
        exporter = make_exporter(session=session)
        assert exporter.export([make_log({"n": 0})]) is SUCCESS
        child = os.fork()
        if child == 0:
            os._exit(0 if exporter.export([make_log({"n": 1})]) is SUCCESS else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert exporter.export([make_log({"n": 2})]) is SUCCESS
    assert len(clients) == 2
    assert [event["properties"]["n"] for event in server.events] == [0, 1, 2]


_APPLICATION = """
import time
from opentelemetry._logs import get_logger
from opentelemetry.trace import get_tracer
with get_tracer("app").start_as_current_span("outer"):
    with get_tracer("app").start_as_current_span("inner"):
        get_logger("app").emit(event_name="order.placed", timestamp=time.time_ns())
"""


def _instrument(tmp_path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    application = tmp_path / "app.py"
    application.write_text(_APPLICATION)
    command = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    return subprocess.run(
        [str(command), *options, sys.executable, str(application)],
        env={
            "PATH": os.environ["PATH"],
            "OTEL_LOGS_EXPORTER": "posthog",
            "OTEL_TRACES_EXPORTER": "posthog",
            "OTEL_METRICS_EXPORTER": "none",
            # This one starts a thread at exit, which Python 3.12 and newer refuse with a traceback.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "logging",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_an_application_needs_no_code(server: CaptureServer, tmp_path: Path) -> None:
    """With variables only, `opentelemetry-instrument` delivers log events and local roots."""
    done = _instrument(
        tmp_path,
        OTEL_EXPORTER_POSTHOG_API_KEY="phc_test",
        OTEL_EXPORTER_POSTHOG_HOST=server.url,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(event["event"] for event in server.events) == ["order.placed", "outer"]


def test_command_line_options(server: CaptureServer, tmp_path: Path) -> None:
    """Each `OTEL_...` variable is also an option of `opentelemetry-instrument`."""
    options = ["--exporter_posthog_api_key", "phc_test", "--exporter_posthog_host", server.url]
    options += ["--exporter_posthog_spans", "local_roots", "--exporter_posthog_timeout", "5"]
    done = _instrument(tmp_path, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(event["event"] for event in server.events) == ["order.placed", "outer"]


def test_an_application_without_a_key_runs_normally(tmp_path: Path) -> None:
    """Without a key the application runs normally; one line for both exporters names the variable to set."""
    done = _instrument(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("OTEL_EXPORTER_POSTHOG_API_KEY") == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_signal_handler_may_emit_during_an_export(server: CaptureServer) -> None:
    """A handler that emits while its thread builds a session, or counts, does not deadlock."""
    code = """
import builtins, collections, faulthandler, os, signal
faulthandler.dump_traceback_later(60, exit=True)
from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
exporter = PostHogLogExporter(retry=False)
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
emit = provider.get_logger("application").emit
signal.signal(signal.SIGTERM, lambda *_: emit(event_name="stopped", attributes={"user.id": "u1"}))
load = builtins.__import__
def interrupted_load(name, *arguments):
    if name == "opentelemetry.exporter.posthog._sender":
        builtins.__import__ = load
        os.kill(os.getpid(), signal.SIGTERM)
    return load(name, *arguments)
class InterruptedCounter(collections.Counter):
    def __setitem__(self, name, number):
        if exporter._tally._counts is self:
            exporter._tally._counts = collections.Counter(self)
            os.kill(os.getpid(), signal.SIGTERM)
        super().__setitem__(name, number)
builtins.__import__ = interrupted_load
exporter._begin_in_child()  # the next export builds a session
emit(event_name="started", attributes={"user.id": "u1"})
exporter._tally._counts = InterruptedCounter(exporter._tally._counts)
emit(event_name="working", attributes={"user.id": "u1"})
print("done")
"""
    variables = {"OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test", "OTEL_EXPORTER_POSTHOG_HOST": server.url}
    assert run(code, **variables) == "done"
    assert sorted(event["event"] for event in server.events) == ["started", "stopped", "stopped", "working"]
