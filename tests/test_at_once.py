"""Other threads, signal handlers and processes during the first event; each test forces one order of steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

PRELUDE = """
        import json, os, pathlib, signal, subprocess, sys, threading, mem0_telemetry
        from mem0_telemetry import telemetry
        from mem0_telemetry.usage.current import usage
        from mem0_telemetry.usage.recorder import Recorder
        from mem0_telemetry.usage.switches import Switches
        from mem0_telemetry.pipeline import pipeline
        def capture(name="mem0.init"):
            telemetry.capture_event(name, object(), {"sync_type": "sync"})
        def on_another_thread(target):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("MEM0_TELEMETRY", "False"), ("MEM0_TELEMETRY_DEBUG", "1"), ("MEM0_TELEMETRY_EXPORTER", "console")],
)
def test_environment_applies_to_concurrent_first_events(
    name: str, value: str, tmp_path: Path, server: CaptureServer
) -> None:
    """`os.environ` as set before the first event also applies to a second thread whose event overtakes it."""
    code = f"""{PRELUDE}
        os.environ[{name!r}] = {value!r}
        decide, held, go_on = Switches.decide, threading.Event(), threading.Event()
        def consult_late(self, **kwargs):
            if threading.current_thread().name == "first":
                held.set()
                go_on.wait(60)
            return decide(self, **kwargs)
        Switches.decide = consult_late
        first = threading.Thread(target=capture, name="first")
        first.start()
        held.wait(60)
        on_another_thread(capture)
        done = mem0_telemetry.flush(60)
        go_on.set()
        first.join()
        print()
        print(json.dumps([done, mem0_telemetry.flush(60)]))
    """
    environ = posthog_environ(tmp_path, server.url)
    environ.pop(name, None)
    assert report_of(code, environ) == [True, True]
    assert server.requests == []


def test_disable_while_the_id_is_created(tmp_path: Path, server: CaptureServer) -> None:
    """If `mem0-telemetry disable` runs just before the id is stored, no id is stored and nothing is sent."""
    code = f"""{PRELUDE}
        establish = pipeline.establish
        def establish_late(*args, **kwargs):
            subprocess.run([sys.executable, "-m", "mem0_telemetry", "disable"], check=True, stdout=subprocess.DEVNULL)
            return establish(*args, **kwargs)
        pipeline.establish = establish_late
        capture()
        mem0_telemetry.shutdown(60)
        ours = pathlib.Path.home() / ".mem0" / "telemetry"
        files = sorted(path.name for path in ours.rglob("*") if path.is_file())
        print(json.dumps([json.loads((ours / "state.json").read_text()), files]))
    """
    state, files = report_of(code, posthog_environ(tmp_path, server.url))
    assert (state["disabled"], state["installation_id"]) == (True, None)
    assert files == ["state.json", "state.lock"]
    assert server.requests == []


def test_drops_during_the_build_of_the_pipeline_are_counted(tmp_path: Path, server: CaptureServer) -> None:
    """`status()` counts drops before and during the build of the pipeline; a new reason does not break the build."""
    code = f"""{PRELUDE}
        build = Recorder._build_pipeline
        def build_and_drop(self):
            built = build(self)
            usage.recorder.drop("not_ready")  # as a signal handler would
            dropping.start()
            return built
        dropping = threading.Thread(target=capture, args=["unknown.two"])
        Recorder._build_pipeline = build_and_drop
        capture("unknown.one")
        capture()
        dropping.join()
        found = mem0_telemetry.status()
        print(json.dumps([found.enabled, dict(found.dropped)]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [
        True,
        {"unknown_event": 2, "not_ready": 1},
    ]


def test_status_shows_the_running_destinations(tmp_path: Path, server: CaptureServer) -> None:
    """`status()` shows the running destinations, even if the environment names others later."""
    code = f"""{PRELUDE}
        capture()
        os.environ["MEM0_TELEMETRY_EXPORTER"] = "console,posthog"
        mem0_telemetry.set_enabled(True)
        print(json.dumps([found.name for found in mem0_telemetry.status().destinations]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == ["posthog"]


MEETING = """
        import json, logging, os, threading, mem0_telemetry
        entered, warning, warned = threading.Event(), threading.Event(), []
        class Announced(logging.Filter):
            def filter(self, record):
                warning.set()
                return True
        class Handler(logging.Handler):
            def emit(self, record):
                if record.name == "application":
                    entered.set()
                    warning.wait(60)
                    self.handle_it()
                else:
                    warned.append(record.getMessage())
        def meet(handle_it, warn):
            handler = Handler()
            handler.handle_it = handle_it
            logging.getLogger().addHandler(handler)
            logging.getLogger("mem0_telemetry").addFilter(Announced())
            threads = [threading.Thread(target=logging.getLogger("application").warning, args=["x"], daemon=True)]
            threads[0].start()
            entered.wait(60)
            threads.append(threading.Thread(target=warn, daemon=True))
            threads[1].start()
            for thread in threads:
                thread.join(60)
            print(json.dumps([[thread.is_alive() for thread in threads], len(warned)]), flush=True)
            os._exit(0)
"""
"""`meet` runs `handle_it` in a log handler, under the handler's lock, while another thread logs a warning."""


def test_log_handler_that_uses_mem0_does_not_deadlock(tmp_path: Path, server: CaptureServer) -> None:
    """A log handler that calls us under its own lock does not deadlock: we hold no lock while we log a warning."""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXPORTER="posthog")
    code = f"""{PRELUDE}{MEETING}
        os.environ["MEM0_TELEMETRY_EXPORTER"] = "posthog,nonsense"
        meet(lambda: mem0_telemetry.set_enabled(True), capture)
    """
    assert report_of(code, environ, listening=False) == [[False, False], 1]


def test_log_handler_that_instruments_does_not_deadlock(tmp_path: Path, server: CaptureServer) -> None:
    """A log handler that calls `instrument()` does not deadlock with an `instrument()` that logs a warning."""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY_EXPORTER="posthog,nonsense")
    code = f"""{MEETING}
        meet(mem0_telemetry.instrument, mem0_telemetry.instrument)
    """
    assert report_of(code, environ, listening=False) == [[False, False], 1]


def test_signal_handler_gets_the_id_that_is_being_created(tmp_path: Path, server: CaptureServer) -> None:
    """A signal handler that interrupts the creation of the id, and asks for it, gets the id that is stored."""
    code = f"""{PRELUDE}
        import faulthandler
        faulthandler.dump_traceback_later(60, exit=True)
        establish = pipeline.establish
        def establish_interrupted(*args, **kwargs):
            pipeline.establish = establish
            os.kill(os.getpid(), signal.SIGTERM)
            return establish(*args, **kwargs)
        pipeline.establish = establish_interrupted
        asked = []
        signal.signal(signal.SIGTERM, lambda *_: asked.append(telemetry.get_or_create_user_id()))
        usage.recorder.ensure_pipeline()
        mem0_telemetry.get_logger_provider()
        print(json.dumps([asked, mem0_telemetry.status().installation_id]))
    """
    [asked], known = report_of(code, posthog_environ(tmp_path, server.url))
    assert asked == known
    assert (
        json.loads((tmp_path / ".mem0" / "telemetry" / "state.json").read_text())["installation_id"] == asked
    )
