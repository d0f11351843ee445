"""The first event imports, opens and registers nothing on the caller's thread: the drop-in has already done so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "http://127.0.0.1:9"
FIRST = """
import json, os, sys, threading
import mem0_telemetry
mem0_telemetry.instrument()
{before}
from mem0_telemetry import telemetry
seen, me = [], threading.get_ident()
def hear(event, arguments):
    if event in ("import", "open") and seen and threading.get_ident() == me:
        seen.append([event, str(arguments[0])])
sys.addaudithook(hear)
os.register_at_fork = lambda **_: seen.append("a hook at forks")
seen.append("begin")
telemetry.capture_event("mem0.add", object(), {{"sync_type": "sync"}})
telemetry.capture_event("mem0.init", object(), {{"sync_type": "sync"}})
telemetry.capture_event("mem0.no such event", object())
heard = seen.copy()
seen.clear()
print(json.dumps([heard, mem0_telemetry.status().enabled]))
"""
DESTINATIONS = {
    "posthog": {},
    "otlp": {
        "MEM0_TELEMETRY_EXPORTER": "otlp",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": LOOPBACK,
        "MEM0_TELEMETRY_POSTHOG_HOST": "",
        "MEM0_TELEMETRY_POSTHOG_API_KEY": "",
    },
    "an entry point": {"MEM0_TELEMETRY_EXPORTER": "otlp_proto_http"},
}


def first_event(home: Path, **settings: str) -> object:
    """Return the imports, opened files and fork hooks of the first events, and whether telemetry is on."""
    sampled = {"MEM0_TELEMETRY_SAMPLE_RATE": "0.9999"}  # below 1, so sampling draws a number
    return report_of(FIRST.format(before=""), {**posthog_environ(home, LOOPBACK), **sampled, **settings})


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_first_event_imports_and_opens_nothing(destination: str, tmp_path: Path) -> None:
    """With each kind of destination, the first events import and open nothing, and register no fork hook."""
    assert first_event(tmp_path, **DESTINATIONS[destination]) == [["begin"], True]


def test_first_event_after_switching_on_imports_nothing(tmp_path: Path) -> None:
    """After a start with telemetry off, `set_enabled(True)` does the imports for the first event."""
    code = "mem0_telemetry.set_enabled(True)"
    off = "\nmem0_telemetry.set_enabled(False)\n"
    environ = posthog_environ(tmp_path, LOOPBACK)
    program = FIRST.format(before=code).replace(
        "\nmem0_telemetry.instrument()", f"{off}mem0_telemetry.instrument()"
    )
    assert report_of(program, environ) == [["begin"], True]


def test_status_imports_nothing(tmp_path: Path) -> None:
    """After `instrument()`, `status()` imports nothing, so a child that is forked during a call can also call it."""
    code = """
    import json, sys
    import mem0_telemetry
    mem0_telemetry.instrument()
    before = set(sys.modules)
    enabled = mem0_telemetry.status().enabled
    print(json.dumps([enabled, sorted(set(sys.modules) - before)]))
    """
    assert report_of(code, posthog_environ(tmp_path, LOOPBACK)) == [True, []]


def test_flush_and_shutdown_import_nothing(tmp_path: Path) -> None:
    """In a process that has recorded no event, `flush()` and `shutdown()` import nothing."""
    code = """
    import json, sys
    import mem0_telemetry
    before = set(sys.modules)
    done = [mem0_telemetry.flush(), mem0_telemetry.shutdown()]
    print(json.dumps([done, sorted(set(sys.modules) - before)]))
    """
    assert report_of(code, posthog_environ(tmp_path, LOOPBACK)) == [[True, True], []]


def test_missing_sdk_switches_telemetry_off(tmp_path: Path) -> None:
    """If the OpenTelemetry SDK cannot be imported, no call raises, and `status()` reports off with that reason."""
    code = """
    import json, sys
    sys.modules["opentelemetry.sdk"] = None
    import mem0_telemetry
    mem0_telemetry.instrument()
    from mem0_telemetry import telemetry
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
    found = mem0_telemetry.status()
    print(json.dumps([found.enabled, "OpenTelemetry SDK" in found.reason]))
    """
    assert report_of(code, posthog_environ(tmp_path, LOOPBACK), listening=False) == [False, True]
