"""Repeated `instrument()` and `uninstrument()`, with switches and reloads in between: off stays off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

ORDERS = {
    "before": "mem0_telemetry.instrument()\nimport mem0.memory.main\n",
    "after": "import mem0.memory.main\nmem0_telemetry.instrument()\n",
}
HEADER = """
import json, sys
import posthog
posthog.Posthog.capture = lambda *_, **__: print("native telemetry was used")
import mem0_telemetry
def record(name):
    mem0.memory.main.capture_event(name, object(), {"sync_type": "sync"})
"""
END = "print(json.dumps([mem0_telemetry.flush(60), mem0_telemetry.status().source]))\n"


@pytest.mark.parametrize("order", ORDERS)
def test_set_enabled_false_survives_uninstrument_and_instrument(
    order: str, tmp_path: Path, server: CaptureServer
) -> None:
    """After `set_enabled(False)` and `uninstrument()`, neither `instrument()` nor `set_enabled(True)` turns it on."""
    body = """
mem0_telemetry.set_enabled(False)
record("mem0.init")
mem0_telemetry.uninstrument()
record("mem0.init")
mem0_telemetry.instrument()
record("mem0.init")
mem0_telemetry.set_enabled(True)
record("mem0.reset")
"""
    found = report_of(HEADER + ORDERS[order] + body + END, posthog_environ(tmp_path, server.url))
    assert found == [True, "set_enabled"]
    assert server.events == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("moment", ["while in", "while out"])
def test_set_enabled_true_does_not_undo_mem0s_flag(
    moment: str, order: str, tmp_path: Path, server: CaptureServer
) -> None:
    """`MEM0_TELEMETRY = False` on Mem0's current module stays: `set_enabled(True)` only undoes `set_enabled(False)`."""
    write = "sys.modules['mem0.memory.telemetry'].MEM0_TELEMETRY = False\n"
    body = f"""
mem0_telemetry.set_enabled(False)
{write if moment == "while in" else ""}
mem0_telemetry.uninstrument()
{write if moment == "while out" else ""}
mem0_telemetry.instrument()
mem0_telemetry.set_enabled(True)
record("mem0.init")
"""
    found = report_of(HEADER + ORDERS[order] + body + END, posthog_environ(tmp_path, server.url))
    assert found == [True, "set_enabled"]
    assert server.requests == []


def test_a_reload_of_mem0s_own_module_is_refused(tmp_path: Path, server: CaptureServer) -> None:
    """Python refuses to reload Mem0's own module object while the drop-in has its name; the drop-in stays."""
    body = """
import importlib
from mem0.memory import telemetry as native
mem0_telemetry.instrument()
try:
    importlib.reload(native)
except ImportError as error:
    print(error)
native.capture_event("mem0.init", object(), {"sync_type": "sync"})
found = mem0_telemetry.status()
print(json.dumps([mem0_telemetry.flush(60), found.native_telemetry, found.instrumented]))
"""
    assert report_of(HEADER + "import mem0\n" + body, posthog_environ(tmp_path, server.url)) == [
        True,
        False,
        True,
    ]
    assert [event["event"] for event in server.events] == ["mem0.init"]
