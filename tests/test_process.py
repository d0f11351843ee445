"""`status`, `flush`, `shutdown`, `get_logger_provider`, dry runs and warnings, each in a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from opentelemetry.exporter.posthog.testing import Answer
from support.processes import clean_environ, posthog_environ, report_of, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

CAPTURE = """
import json, mem0_telemetry
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
"""


class TestStatus:
    """`status()` reports the state of telemetry, and the reason for it."""

    def test_after_an_event(self, tmp_path: Path, server: CaptureServer) -> None:
        """After an event, `status()` reports the consent, id, destination, counts and threads of this process."""
        code = f"""{CAPTURE}
mem0_telemetry.flush(60)
import dataclasses
print(json.dumps(dataclasses.asdict(mem0_telemetry.status())))
"""
        found = report_of(code, posthog_environ(tmp_path, server.url))
        (event,) = server.events
        assert (found["enabled"], found["source"], found["also_off"]) == (True, "default", [])
        assert found["installation_id"] == event["distinct_id"]
        assert found["destinations"] == [
            {"name": "posthog", "endpoint": server.url, "state": "ok", "waiting": 0, "sent": 1}
        ]
        assert (found["spooled"], found["sent"], found["dropped"]) == (1, 1, {})
        assert found["threads"] == ["mem0-telemetry-writer", "mem0-telemetry-sender-posthog"]
        assert (found["instrumented"], found["native_telemetry"]) == (False, False)
        assert found["operations"]["active"] is False

    def test_before_any_event_it_creates_nothing(self, tmp_path: Path) -> None:
        """Before the first event, `status()` reports what would happen, and creates no file, thread or id."""
        code = """
            import json, pathlib, threading, mem0_telemetry
            s = mem0_telemetry.status()
            print(json.dumps([
                s.enabled, s.installation_id, [(d.name, d.state) for d in s.destinations], s.sample_rate,
                threading.active_count(), [p.name for p in pathlib.Path.home().iterdir()],
            ]))
        """
        assert report_of(code, clean_environ(tmp_path)) == [True, None, [["posthog", "idle"]], 0.1, 1, []]

    def test_every_source_that_says_off(self, tmp_path: Path) -> None:
        """If several sources say off, `source` is the deciding one, and `also_off` names the others."""
        code = """
            import json, mem0_telemetry
            s = mem0_telemetry.status()
            print(json.dumps([s.enabled, s.source, [source for source, _ in s.also_off], s.destinations]))
        """
        environ = clean_environ(tmp_path, OTEL_SDK_DISABLED="TRUE", MEM0_TELEMETRY="off", DO_NOT_TRACK="1")
        assert report_of(code, environ) == [
            False,
            "OTEL_SDK_DISABLED",
            ["MEM0_TELEMETRY", "DO_NOT_TRACK"],
            [],
        ]

    def test_events_of_earlier_runs(self, tmp_path: Path, server: CaptureServer) -> None:
        """`waiting_earlier` counts the unsent events of earlier runs."""
        server.stop()
        environ = posthog_environ(tmp_path, server.url)
        run_python(CAPTURE, environ)
        code = f"{CAPTURE}\nmem0_telemetry.flush(1)\nprint(mem0_telemetry.status().waiting_earlier)"
        assert report_of(code, environ) == 1


def test_status_of_a_running_process_shows_disable(tmp_path: Path, server: CaptureServer) -> None:
    """A running process shows `disable` in `status()` at once, and `enable` too unless the process started disabled."""
    code = f"""{CAPTURE}
import subprocess, sys
def run(command):
    subprocess.run([sys.executable, "-m", "mem0_telemetry", command], stdout=subprocess.DEVNULL, check=True)
def seen():
    s = mem0_telemetry.status()
    return [s.enabled, s.source]
if len(sys.argv) > 1:
    mem0_telemetry.flush(60)
    found = [seen()]
    run("disable")
    found.append(seen())
    run("enable")
    found.append(seen())
else:
    run("disable")
    mem0_telemetry.set_enabled(True)  # asks again
    found = [seen()]
    run("enable")
    found.append(seen())
print(json.dumps(found))
"""
    environ = posthog_environ(tmp_path, server.url)
    began_on = f"import sys; sys.argv.append('on')\n{code}"
    off = [False, "state.json"]
    assert report_of(began_on, environ) == [[True, "default"], off, [True, "default"]]
    assert report_of(code, environ) == [off, off]


def test_a_dry_run_says_why_nothing_is_shown(tmp_path: Path) -> None:
    """If telemetry is off or is switched off, a dry run prints the reason and its source, once."""
    environ = clean_environ(tmp_path, MEM0_TELEMETRY_DEBUG="1", MEM0_TELEMETRY_SAMPLE_RATE="1")
    code = f"{CAPTURE}\nmem0_telemetry.set_enabled(False)\n{CAPTURE}\nmem0_telemetry.set_enabled(False)"
    first, second = run_python(code, environ).stderr.splitlines()
    assert first.startswith("mem0-telemetry would send: ")
    assert second.startswith("mem0-telemetry: MEM0_TELEMETRY_DEBUG is set, but telemetry is off from here on")
    assert "set_enabled: switched off by the running program" in second
    result = run_python(CAPTURE, {**environ, "DO_NOT_TRACK": "1"})
    assert "DO_NOT_TRACK='1'" in result.stderr
    result = run_python(CAPTURE, {**environ, "MEM0_TELEMETRY_EXPORTER": "postog"}, listening=False)
    assert result.stderr.count("is no installed exporter") == 1
    assert "(destination: see the warning)" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_unusable_destination_is_one_warning_and_a_reason(tmp_path: Path, server: CaptureServer) -> None:
    """A misspelled exporter causes one WARNING with the remedy; telemetry is then off, and the default is not used."""
    code = f"""
import logging
logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
{CAPTURE}
telemetry.capture_event("mem0.init", object(), {{"sync_type": "sync"}})
s = mem0_telemetry.status()
print(json.dumps([s.enabled, s.source, s.reason, list(s.problems)]))
"""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXPORTER="postog")
    result = run_python(code, environ, listening=False)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        "WARNING mem0_telemetry Mem0 usage telemetry is not sent as chosen: MEM0_TELEMETRY_EXPORTER has the name "
    )
    enabled, source, reason, problems = json.loads(result.stdout)
    assert (enabled, source) == (False, "destination")
    assert problems == [reason]
    assert "posthog, otlp, console" in reason
    assert server.requests == []


def test_one_unusable_destination_leaves_the_other(tmp_path: Path, server: CaptureServer) -> None:
    """If one of two destinations is misspelled, the other receives the events."""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXPORTER="posthog,postog")
    code = f"{CAPTURE}\nprint(json.dumps(mem0_telemetry.flush(60)))"
    assert report_of(code, environ, listening=False) is True  # a WARNING names the mistake
    assert len(server.events) == 1


class TestFlushAndShutdown:
    """Both functions end within their timeout, and return whether everything was delivered."""

    def test_without_events_both_return_true(self, tmp_path: Path) -> None:
        """Without events both return True at once, and import no OpenTelemetry."""
        code = """
            import json, sys, mem0_telemetry
            print(json.dumps([mem0_telemetry.flush(), mem0_telemetry.shutdown(), "opentelemetry" in sys.modules]))
        """
        assert report_of(code, clean_environ(tmp_path)) == [True, True, False]

    def test_flush_returns_false_when_time_runs_out(self, tmp_path: Path, server: CaptureServer) -> None:
        """If the server does not answer, `flush` returns False after its timeout."""
        server.answer_always(Answer(stall=True))
        code = f"""{CAPTURE}
import time
start = time.monotonic()
print(json.dumps([mem0_telemetry.flush(1), time.monotonic() - start < 30]))
"""
        assert report_of(code, posthog_environ(tmp_path, server.url)) == [False, True]

    def test_shutdown_delivers_and_later_events_are_dropped(
        self, tmp_path: Path, server: CaptureServer
    ) -> None:
        """`shutdown` delivers all events; later ones are dropped and counted, and a second call is harmless."""
        code = f"""{CAPTURE}
first = mem0_telemetry.shutdown(10)
telemetry.capture_event("mem0.init", object(), {{"sync_type": "sync"}})
print(json.dumps([first, mem0_telemetry.shutdown(1), mem0_telemetry.status().dropped]))
"""
        assert report_of(code, posthog_environ(tmp_path, server.url)) == [True, True, {"shut_down": 1}]
        assert len(server.events) == 1


class TestProvider:
    """`get_logger_provider()` returns a private provider, which selects what is emitted on it."""

    def test_it_is_not_the_global_one(self, tmp_path: Path, server: CaptureServer) -> None:
        """The provider delivers the declared attributes of registered events; other events are dropped and counted."""
        code = """
            import json, mem0_telemetry
            from opentelemetry import _logs, metrics, trace
            provider = mem0_telemetry.get_logger_provider()
            logger = provider.get_logger("mine")
            attributes = {"mem0.sync_type": "sync", "x": "secret"}
            logger.emit(_logs.LogRecord(event_name="mem0.reset", attributes=attributes))
            logger.emit(_logs.LogRecord(event_name="mine.event", body="secret"))
            print(json.dumps([
                mem0_telemetry.flush(60), _logs.get_logger_provider() is provider,
                type(trace.get_tracer_provider()).__name__,
                type(metrics.get_meter_provider()).__name__, dict(provider.resource.attributes)["service.name"],
                mem0_telemetry.status().dropped,
            ]))
        """
        found = report_of(code, posthog_environ(tmp_path, server.url))
        assert found == [True, False, "ProxyTracerProvider", "_ProxyMeterProvider", "mem0", {"rejected": 1}]
        assert [event["event"] for event in server.events] == ["mem0.reset"]
        assert b"secret" not in server.requests[0].body

    def test_it_carries_the_id(self, tmp_path: Path, server: CaptureServer) -> None:
        """A provider that is requested before the first event carries the installation id."""
        code = """
            import json, mem0_telemetry
            attributes = mem0_telemetry.get_logger_provider().resource.attributes
            print(json.dumps([attributes["app.installation.id"] == mem0_telemetry.status().installation_id]))
        """
        assert report_of(code, posthog_environ(tmp_path, server.url)) == [True]


def test_dry_run_prints_events_and_creates_nothing(tmp_path: Path, server: CaptureServer) -> None:
    """`MEM0_TELEMETRY_DEBUG` prints each event to stderr, and creates no request, file, thread or id."""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_DEBUG="1")
    code = f"""{CAPTURE}
import pathlib, threading
print(json.dumps([mem0_telemetry.flush(2), threading.active_count(), [p.name for p in pathlib.Path.home().iterdir()]]))
"""
    result = run_python(code, environ)
    assert json.loads(result.stdout) == [True, 1, []]
    prefix = "mem0-telemetry would send: "
    assert result.stderr.startswith(prefix)
    shown = json.loads(result.stderr.removeprefix(prefix))
    assert shown["event_name"] == "mem0.init"
    assert shown["attributes"]["mem0.sync_type"] == "sync"
    assert shown["resource"]["service.name"] == "mem0"
    assert server.requests == []


@pytest.mark.parametrize(
    "answer", [Answer(stall=True), Answer(status=500), Answer(status=429, headers={"Retry-After": "30"})]
)
def test_exit_is_bounded_and_nothing_is_lost(answer: Answer, tmp_path: Path, server: CaptureServer) -> None:
    """A process exits soon and without output while the server fails; the next run delivers its event, once."""
    server.answer_always(answer)
    environ = posthog_environ(tmp_path, server.url)
    first = run_python(CAPTURE, environ, timeout=180)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    failed = {event["uuid"] for event in server.events}
    server.answer_always(Answer())
    report_of(f"{CAPTURE}\nprint(json.dumps(mem0_telemetry.flush(60)))", environ)
    assert len({event["uuid"] for event in server.events} | failed) == 2
