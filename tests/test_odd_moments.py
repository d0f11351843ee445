"""With signals, frozen clocks or a finished main thread, telemetry does not hang or raise, and counts correctly."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from support.processes import clean_environ, posthog_environ, report_of, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter


@pytest.mark.parametrize("handler", ["capture()", "mem0_telemetry.set_enabled(False)"])
@pytest.mark.parametrize("after", [0.01, 0.03, 0.06])
def test_signal_handler_in_the_first_event(
    handler: str, after: float, tmp_path: Path, server: CaptureServer
) -> None:
    """A signal handler that records an event, or switches off, during the first event does not hang the process."""
    code = f"""
        import json, signal, mem0_telemetry
        from mem0_telemetry import telemetry
        def capture():
            telemetry.capture_event("mem0.reset", object(), {{}})
        signal.signal(signal.SIGALRM, lambda *_: {handler})
        signal.setitimer(signal.ITIMER_REAL, {after})
        capture()
        print(json.dumps(mem0_telemetry.flush(60)))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url), timeout=180) in (True, False)


def test_flush_and_exit_end_with_a_frozen_clock(tmp_path: Path, server: CaptureServer) -> None:
    """If a tool froze `time.monotonic` before the first event, `flush` and the exit still end."""
    server.stop()
    code = """
        import json, time
        time.monotonic = lambda: 1.0
        time.time = lambda: 1_600_000_000.0
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.reset", object(), {})
        print(json.dumps(mem0_telemetry.flush(1)))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url), timeout=180) is False


def test_first_event_at_the_recursion_limit(tmp_path: Path, server: CaptureServer) -> None:
    """A first event at the recursion limit is counted as dropped; telemetry stays on and records later events."""
    code = """
        import json, mem0_telemetry
        from mem0_telemetry import telemetry
        def deep():
            try:
                deep()
            except RecursionError:
                telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
                raise
        try:
            deep()
        except RecursionError:
            pass
        telemetry.capture_event("mem0.reset", object(), {})
        done = mem0_telemetry.flush(60)
        status = mem0_telemetry.status()
        print(json.dumps([done, status.enabled, status.dropped["not_ready"] > 0]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url), timeout=180) == [True, True, True]
    assert "mem0.reset" in {event["event"] for event in server.events}


@pytest.mark.parametrize(("moment", "sent"), [(-(10**18), 0), (10**20, 2**63 - 1)])
def test_wrong_system_clock(moment: int, sent: int, tmp_path: Path, server: CaptureServer) -> None:
    """With a clock before 1970 or far in the future, events reach PostHog, and OTLP with the nearest possible time."""
    code = f"""
        import json, time
        time.time_ns = lambda: {moment}
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.reset", object(), {{}})
        print(json.dumps([mem0_telemetry.flush(60), mem0_telemetry.status().sent]))
    """
    both = {"MEM0_TELEMETRY_EXPORTER": "posthog,otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": server.url}
    assert report_of(code, posthog_environ(tmp_path, server.url, **both), timeout=180) == [True, 2]
    (logs,) = (request for request in server.requests if request.path == "/v1/logs")
    decoded = ExportLogsServiceRequest.FromString(logs.body)
    assert decoded.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano == sent


def test_internal_waits_end_with_a_frozen_clock(tmp_path: Path) -> None:
    """The wait for `state.json`'s lock and a fork's wait for the gate end, because neither uses the frozen clock."""
    code = """
        import fcntl, json, os, sys, threading, time
        time.monotonic = time.perf_counter = lambda: 1.0
        from mem0_telemetry.delivery import fork_gate
        from mem0_telemetry.policy import state_file
        state_file.update(os.environ["HOME"], lambda state: state._replace(disabled=True))
        other = open(os.environ["HOME"] + "/telemetry/state.lock")
        fcntl.flock(other, fcntl.LOCK_EX)
        try:
            state_file.update(os.environ["HOME"], lambda state: state, timeout=0.1)
        except TimeoutError as error:
            print(json.dumps(str(error)), flush=True)
        fork_gate._BOUND = 0.1
        held, done = threading.Event(), threading.Event()
        def hold():
            with fork_gate.hold():
                held.set()
                done.wait()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        if (child := os.fork()) == 0:
            os._exit(7)
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
    """
    assert report_of(code, clean_environ(tmp_path), timeout=60) == 7


def test_first_event_after_the_main_thread(tmp_path: Path, server: CaptureServer) -> None:
    """After the end of the main thread telemetry is on and accepts events: the drop-in has already imported the SDK."""
    code = """
        import json, sys, threading, mem0_telemetry
        from mem0_telemetry import telemetry
        mem0_telemetry.instrument()
        def late():
            threading.main_thread().join()
            for _ in range(3):
                telemetry.capture_event("mem0.reset", object(), {})
            status = mem0_telemetry.status()
            print(json.dumps([status.enabled, status.dropped]))
        threading.Thread(target=late).start()
    """
    result = run_python(code, posthog_environ(tmp_path, server.url))
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == [True, {}]


def test_instrument_after_the_main_thread(tmp_path: Path) -> None:
    """After the main thread's end `instrument()` works, though Python's thread pools can no longer be imported."""
    code = """
        import json, threading, mem0_telemetry
        import mem0.memory.main
        def late():
            threading.main_thread().join()
            mem0_telemetry.instrument()
            status = mem0_telemetry.status()
            from mem0_telemetry import operations, telemetry
            replaced = mem0.memory.main.capture_event is telemetry.capture_event
            print(json.dumps([status.instrumented, replaced, operations.state()[0]]))
        threading.Thread(target=late).start()
    """
    # A new interpreter, because the module of Python's thread pools must not be loaded yet.
    environ = clean_environ(tmp_path, MEM0_TELEMETRY="False")
    assert report_of(code, environ, new_interpreter=True) == [True, True, True]


def test_without_a_usable_sdk(tmp_path: Path, server: CaptureServer) -> None:
    """If the SDK cannot be imported, one drop is counted, and telemetry is off with the SDK as the source."""
    code = """
        import json, sys
        sys.modules["opentelemetry.sdk._logs"] = None
        import mem0_telemetry
        from mem0_telemetry import telemetry
        for _ in range(3):
            telemetry.capture_event("mem0.reset", object(), {})
        status = mem0_telemetry.status()
        print(json.dumps([status.enabled, status.source, status.dropped]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [
        False,
        "opentelemetry-sdk",
        {"not_ready": 1},
    ]


def test_switched_off_just_before_the_exit(tmp_path: Path, server: CaptureServer) -> None:
    """A program that switches off just before its exit leaves no batch on disk, even with an exit timeout of 0."""
    server.stop()
    code = """
        import pathlib, time
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.reset", object(), {})
        spool = pathlib.Path.home() / ".mem0" / "telemetry" / "spool"
        deadline = time.monotonic() + 60
        while not list(spool.rglob("*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.01)
        telemetry.MEM0_TELEMETRY = False
    """
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXIT_TIMEOUT="0")
    assert run_python(code, environ).returncode == 0
    assert list((tmp_path / ".mem0" / "telemetry" / "spool").rglob("*.jsonl")) == []


def test_dry_run_has_no_provider_and_no_id(tmp_path: Path, server: CaptureServer) -> None:
    """In a dry run the provider is a no-op, and no id or file is created, even if the program asks for the id."""
    code = """
        import json, pathlib, mem0_telemetry
        from mem0_telemetry import telemetry
        made = telemetry.get_or_create_user_id()
        provider = mem0_telemetry.get_logger_provider()
        print(json.dumps([made, type(provider).__name__, [p.name for p in pathlib.Path.home().iterdir()]]))
    """
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_DEBUG="1")
    assert report_of(code, environ) == [None, "NoOpLoggerProvider", []]


def test_status_after_the_environment_has_changed(tmp_path: Path, server: CaptureServer) -> None:
    """`status()` shows the running destinations and their counts, even if the environment has changed since."""
    code = """
        import json, os, mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.reset", object(), {})
        mem0_telemetry.flush(float("inf"))
        os.environ["MEM0_TELEMETRY_EXPORTER"] = "posthog,console"
        print(json.dumps([(d.name, d.sent) for d in mem0_telemetry.status().destinations]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [["posthog", 1]]


def test_hosted_client_replaces_a_seeded_id(tmp_path: Path, server: CaptureServer) -> None:
    """From a hosted client's first event on, a fresh id permanently replaces the one from Mem0's `config.json`."""
    config = tmp_path / ".mem0" / "config.json"
    config.parent.mkdir()
    seeded = str(uuid.uuid4())
    config.write_text(json.dumps({"user_id": seeded}))
    code = """
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.init", object(), {})
        telemetry.capture_client_event("client.add", object(), {})
        telemetry.capture_event("mem0.reset", object(), {})
        mem0_telemetry.flush(60)
        print("null")
    """
    for _ in range(2):
        report_of(code, posthog_environ(tmp_path, server.url))
    ids = [event["distinct_id"] for event in server.events]
    assert ids[0] == seeded
    assert len(set(ids[1:])) == 1
    assert ids[1] != seeded


def test_running_process_follows_a_new_id(tmp_path: Path, server: CaptureServer) -> None:
    """After `mem0-telemetry reset-id`, a process that is already running also sends under the new id."""
    code = """
        import json, subprocess, sys, mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.init", object(), {})
        mem0_telemetry.flush(60)
        subprocess.run([sys.executable, "-m", "mem0_telemetry", "reset-id"], check=True, capture_output=True)
        telemetry.capture_event("mem0.init", object(), {})
        mem0_telemetry.flush(60)
        print(json.dumps(mem0_telemetry.status().installation_id))
    """
    new = report_of(code, posthog_environ(tmp_path, server.url))
    first, second = (event["distinct_id"] for event in server.events)
    assert second == new != first


def test_arguments_of_the_wrong_type(tmp_path: Path, server: CaptureServer) -> None:
    """No public function raises for an argument of the wrong type; `set_enabled` of anything but a yes switches off."""
    code = """
        import json, mem0_telemetry
        from mem0_telemetry import telemetry
        class Raises:
            __bool__ = __float__ = __eq__ = __lt__ = __gt__ = __str__ = __call__ = lambda *_: 1 / 0
        enabled = []
        mem0_telemetry.instrument()
        telemetry.capture_event("mem0.init", object(), {})
        for odd in (None, "x", b"5", [], object(), Raises(), Raises, float("nan"), -1, 1j):
            mem0_telemetry.instrument(
                usage=odd, operations=odd, tracer_provider=odd, meter_provider=odd, request_hook=odd, response_hook=odd
            )
            mem0_telemetry.flush(odd)
            telemetry.capture_event(odd, odd, odd)
            telemetry.capture_client_event(odd, odd, odd)
            mem0_telemetry.set_enabled(odd)
            enabled.append(mem0_telemetry.status().enabled)
            mem0_telemetry.set_enabled(True)
            mem0_telemetry.uninstrument()
        mem0_telemetry.shutdown(odd)
        print(json.dumps(enabled))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url), timeout=180) == [False] * 10
