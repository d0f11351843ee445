"""Telemetry switched off, in each way and import order, for each kind of Mem0 object: it leaves no trace."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.cli.harness.ways import WAYS
from support.processes import posthog_environ, report_of
from support.sessions import EACH_WAY_ONCE, run_session

if TYPE_CHECKING:
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage
    from mem0_telemetry.cli.harness.ways import Way
    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter


@pytest.mark.parametrize(("way", "order"), EACH_WAY_ONCE)
def test_switched_off_leaves_no_trace(way: Way, order: str, stage: Stage) -> None:
    """There is no request, thread, file, heavy import or migrations store, though Mem0 has run a whole session."""
    settings = {"MEM0_TELEMETRY_OTLP_ENDPOINT": stage.unused.url}
    if "MEM0_TELEMETRY_EXPORTER" not in way.settings:
        settings["MEM0_TELEMETRY_EXPORTER"] = "posthog,otlp"
    program = stage.program(way, settings=settings, instrument=order, counted=True)
    report = run_session(program)
    assert program.done() == []
    assert [memory["telemetry_store"] for memory in report["memories"]] == [False, False]
    assert [len(memory["memories"]) for memory in report["memories"]] == [1, 1]
    assert stage.unused.requests == []


@pytest.mark.parametrize("way", [way for way in WAYS if way.settings], ids=lambda way: way.shown)
def test_provider_is_a_no_op(way: Way, tmp_path: Path, server: CaptureServer) -> None:
    """`get_logger_provider()` returns a `NoOpLoggerProvider`, and creates no file."""
    environ = posthog_environ(tmp_path, server.url, **way.settings)
    code = """
        import json, pathlib, mem0_telemetry
        provider = mem0_telemetry.get_logger_provider()
        provider.get_logger("mine").emit(None)
        print(json.dumps([type(provider).__name__, [p.name for p in pathlib.Path.home().iterdir()]]))
    """
    assert report_of(code, environ) == ["NoOpLoggerProvider", []]


def test_capture_creates_nothing_in_an_empty_home(tmp_path: Path, server: CaptureServer) -> None:
    """Without Mem0, no call of the drop-in creates a directory, an id or a thread, or imports a module."""
    environ = posthog_environ(tmp_path, server.url, MEM0_TELEMETRY="0")
    code = """
        import json, pathlib, sys, threading
        from mem0_telemetry import telemetry
        before = set(sys.modules)
        telemetry.capture_event("mem0.add", object(), {"sync_type": "sync"})
        telemetry.capture_client_event("client.add", object(), {"sync_type": "sync"})
        anonymous = telemetry.AnonymousTelemetry()
        anonymous.capture_event("mem0.add", {"sync_type": "sync"})
        print(json.dumps({
            "handle": anonymous.posthog, "id": anonymous.user_id, "made": telemetry.get_or_create_user_id(),
            "imports": sorted(set(sys.modules) - before), "threads": threading.active_count(),
            "home": [p.name for p in pathlib.Path.home().iterdir()],
        }))
    """
    assert report_of(code, environ) == {
        "handle": None, "id": None, "made": None, "imports": [], "threads": 1, "home": [],
    }  # fmt: skip


def test_switching_off_deletes_unsent_events(tmp_path: Path, server: CaptureServer) -> None:
    """`set_enabled(False)` while PostHog is down deletes the unsent events of this process from disk."""
    server.stop()
    environ = posthog_environ(tmp_path, server.url)
    code = """
        import json, pathlib, time, mem0_telemetry
        from mem0_telemetry import telemetry
        for _ in range(100):
            telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        spool = pathlib.Path.home() / ".mem0" / "telemetry" / "spool"
        deadline = time.monotonic() + 60
        while not (waiting := list(spool.rglob("*.jsonl"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        mem0_telemetry.set_enabled(False)
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        left = [p.name for p in spool.rglob("*") if p.is_file() and p.stat().st_size]
        print(json.dumps([len(waiting) > 0, left, mem0_telemetry.status().source]))
    """
    assert report_of(code, environ) == [True, [], "set_enabled"]


def test_true_does_not_override_the_environment(tmp_path: Path, server: CaptureServer) -> None:
    """Neither `set_enabled(True)` nor `MEM0_TELEMETRY = True` overrides an environment variable."""
    environ = posthog_environ(tmp_path, server.url, DO_NOT_TRACK="1")
    code = """
        import json, mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.MEM0_TELEMETRY = True
        mem0_telemetry.set_enabled(True)
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        print(json.dumps([mem0_telemetry.flush(2), mem0_telemetry.status().source]))
    """
    assert report_of(code, environ) == [True, "DO_NOT_TRACK"]
    assert server.requests == []


def test_run_time_flag_can_be_withdrawn(tmp_path: Path, server: CaptureServer) -> None:
    """After `True` withdraws a `False`, events are recorded again; the events in between are not."""
    environ = posthog_environ(tmp_path, server.url)
    code = """
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.MEM0_TELEMETRY = False
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        telemetry.MEM0_TELEMETRY = True
        telemetry.capture_event("mem0.reset", object(), {"sync_type": "sync"})
        mem0_telemetry.flush(60)
        print("null")
    """
    report_of(code, environ)
    assert [event["event"] for event in server.events] == ["mem0.reset"]


def test_existing_config_is_never_changed(tmp_path: Path, server: CaptureServer) -> None:
    """Mem0's `config.json` has the same bytes after events with telemetry on and off; its `user_id` is used."""
    config = tmp_path / ".mem0" / "config.json"
    config.parent.mkdir()
    content = json.dumps({"user_id": str(uuid.uuid4()), "platform": {"note": "ü", "base": "x"}}, indent=7)
    config.write_text(content)
    code = """
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        mem0_telemetry.flush(60)
        print("null")
    """
    for settings in ({}, {"MEM0_TELEMETRY": "False"}):
        report_of(code, posthog_environ(tmp_path, server.url, **settings))
        assert config.read_text() == content
    assert [event["distinct_id"] for event in server.events] == [json.loads(content)["user_id"]]
