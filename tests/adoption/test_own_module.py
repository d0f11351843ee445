"""The drop-in as Mem0's own module: its switch, `uninstrument()`, and the opt-out cases of Mem0's tests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from unittest.mock import MagicMock, patch

import mem0.memory.telemetry as telemetry_module
import pytest

import mem0_telemetry
from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

MEMORY = """
import json, pathlib, sys
import mem0
from mem0_telemetry.cli.harness.fake_models import configuration
memory = mem0.Memory.from_config(configuration(pathlib.Path.home() / "data"))
"""
ORDERS = {
    "never": "import mem0, mem0_telemetry\n",
    "before": "import mem0_telemetry; mem0_telemetry.instrument(); import mem0\n",
    "after": "import mem0, mem0_telemetry; mem0_telemetry.instrument()\n",
}


@pytest.mark.parametrize("order", ORDERS)
def test_uninstrument_leaves_mem0s_own_telemetry_in_place(
    order: str, tmp_path: Path, server: CaptureServer
) -> None:
    """Mem0 has no other names to restore: its modules keep the drop-in, and events still arrive."""
    code = (
        ORDERS[order]
        + "mem0_telemetry.uninstrument()\n"
        + MEMORY
        + """
memory.reset()
from mem0.memory import main, notices, telemetry
status = mem0_telemetry.status()
print(json.dumps([
    mem0_telemetry.flush(60),
    [module is mem0_telemetry.telemetry for module in (telemetry, sys.modules["mem0.memory.telemetry"])],
    main.capture_event is telemetry.capture_event, main.MEM0_TELEMETRY, notices.telemetry_module.MEM0_TELEMETRY,
    [status.instrumented, status.native_telemetry],
]))
"""
    )
    found = report_of(code, posthog_environ(tmp_path, server.url))
    assert found == [True, [True, True], True, False, False, [True, False]]
    assert [event["event"] for event in server.events] == ["mem0.init", "mem0.reset"]


def test_uninstrument_does_not_turn_telemetry_on(tmp_path: Path, server: CaptureServer) -> None:
    """A `set_enabled(False)` stays in effect after `uninstrument()`."""
    code = "import mem0_telemetry\nmem0_telemetry.set_enabled(False)\nmem0_telemetry.uninstrument()\n"
    report_of(code + MEMORY + "print(json.dumps(None))", posthog_environ(tmp_path, server.url))
    assert server.requests == []


def test_switch_of_mem0s_guide(tmp_path: Path, server: CaptureServer) -> None:
    """`telemetry.MEM0_TELEMETRY = False` on Mem0's module turns telemetry off from the next call."""
    code = MEMORY + (
        "from mem0.memory import telemetry\n"
        "telemetry.MEM0_TELEMETRY = False\n"
        "memory.reset()\n"
        "telemetry.MEM0_TELEMETRY = True\n"
        "import mem0_telemetry\n"
        "print(json.dumps(mem0_telemetry.flush(60)))\n"
    )
    assert report_of(code, posthog_environ(tmp_path, server.url)) is True
    assert "mem0.reset" not in {event["event"] for event in server.events}


def test_application_can_still_instrument_operations(tmp_path: Path, server: CaptureServer) -> None:
    """An application that calls `instrument()` gets its spans. `uninstrument()` ends only the spans."""
    code = (
        MEMORY
        + """
import mem0_telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
counts = []
for switch in (mem0_telemetry.instrument, mem0_telemetry.uninstrument):
    switch()
    memory.search("tea", filters={"user_id": "alice"})
    counts.append(sum(span.name == "search_memory" for span in exporter.get_finished_spans()))
print(json.dumps([counts, mem0_telemetry.flush(60)]))
"""
    )
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [[1, 1], True]
    assert [event["event"] for event in server.events].count("mem0.search") == 2


class TestDisabled:
    """When Mem0's module is the drop-in and is off, the cases of Mem0's own tests pass."""

    @pytest.fixture(autouse=True)
    def _off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(telemetry_module, "MEM0_TELEMETRY", False)

    def test_module_is_the_drop_in(self) -> None:
        """Mem0's name and ours refer to one module object."""
        from mem0_telemetry import telemetry

        assert telemetry_module is telemetry
        assert mem0_telemetry.telemetry is telemetry

    def test_posthog_is_not_created(self) -> None:
        """`mem0.memory.telemetry.Posthog` is never called, and a test can still patch it."""
        with patch("mem0.memory.telemetry.Posthog") as posthog:
            anonymous = telemetry_module.AnonymousTelemetry()
            posthog.assert_not_called()
        assert (anonymous.posthog, anonymous.user_id) == (None, None)

    def test_events_reach_nothing(self) -> None:
        """Neither function uses the instance, a singleton or the client's telemetry."""
        instance, client = MagicMock(), MagicMock()
        with patch("mem0.memory.telemetry.client_telemetry", client):
            telemetry_module.capture_event("mem0.add", instance)
            telemetry_module.capture_client_event("client.add", instance)
        assert (instance.mock_calls, client.mock_calls) == ([], [])
        assert telemetry_module._oss_telemetry_instance is None

    def test_object_is_harmless(self) -> None:
        """An `AnonymousTelemetry` that is off accepts events and two `close` calls, and starts no thread."""
        before = threading.active_count()
        anonymous = telemetry_module.AnonymousTelemetry()
        anonymous.capture_event("mem0.add", {"key": "value"})
        anonymous.close()
        anonymous.close()
        assert threading.active_count() == before
        assert anonymous.capture_identify("id", "someone@example.com") is False
