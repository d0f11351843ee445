"""Replace and restore Mem0's telemetry module, whichever names the installed release imports from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

HEADER = """
import importlib, json, pkgutil, sys, types
import mem0_telemetry
sys.modules["litellm"] = types.ModuleType("litellm")  # otherwise Mem0's chat proxy installs it

def import_mem0():
    import mem0
    for package in ("mem0.memory", "mem0.client", "mem0.proxy"):
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
            try:
                importlib.import_module(found.name)
            except ImportError:  # a store whose database is not installed
                pass

def is_telemetrys(value):
    origins = (getattr(value, "__module__", None), type(value).__module__, getattr(value, "__name__", None))
    return "mem0.memory.telemetry" in origins

def holders():
    # Each name in a module of Mem0 that is the native telemetry module, or comes from it.
    return sorted(
        f"{name}.{attribute}"
        for name, module in tuple(sys.modules.items())
        if name.split(".")[0] == "mem0" and module.__name__ != "mem0.memory.telemetry"
        for attribute, value in tuple(vars(module).items())
        if not attribute.startswith("__") and is_telemetrys(value)
    )
"""
ORDERS = {
    "before": "mem0_telemetry.instrument(); import_mem0()\n",
    "after": "import_mem0(); mem0_telemetry.instrument()\n",
}


@pytest.mark.parametrize("order", ORDERS)
def test_no_module_of_mem0_holds_native_telemetry(order: str, tmp_path: Path) -> None:
    """No module of Mem0, the chat proxy included, still has a name that refers to Mem0's own telemetry."""
    body = """
import mem0.memory.main
from mem0.memory import telemetry
from mem0_telemetry import telemetry as ours
print(json.dumps([
    holders(), telemetry is ours, sys.modules["mem0.memory.telemetry"] is ours,
    mem0.memory.main.capture_event is ours.capture_event, vars(mem0.memory.main).get("MEM0_TELEMETRY", False),
    mem0_telemetry.status().native_telemetry,
]))
"""
    expected = [[], True, True, True, False, False]
    assert report_of(HEADER + ORDERS[order] + body, clean_environ(tmp_path)) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_uninstrument_restores_what_mem0_had(order: str, tmp_path: Path) -> None:
    """After `uninstrument()`, Mem0's modules hold the same names and flags as in a process that never instrumented."""
    untouched = """
import mem0.memory.main
native = sys.modules["mem0.memory.telemetry"]
factory = mem0.memory.main.VectorStoreFactory
from mem0.utils.factory import VectorStoreFactory
print(json.dumps({
    "holders": holders(), "factory": factory is VectorStoreFactory, "native": native.__name__,
    "attribute": mem0.memory.telemetry is native,
    "flags": [native.MEM0_TELEMETRY, vars(mem0.memory.main).get("MEM0_TELEMETRY")],
    "finders": [type(f).__module__ for f in sys.meta_path if "mem0_telemetry" in type(f).__module__],
    "status": mem0_telemetry.status().native_telemetry,
}))
"""
    never = report_of(HEADER + "import_mem0()\n" + untouched, clean_environ(tmp_path))
    uninstrumented = ORDERS[order] + "mem0_telemetry.uninstrument()\n" + untouched
    assert len(never["holders"]) >= 5
    assert report_of(HEADER + uninstrumented, clean_environ(tmp_path)) == never


def test_uninstrument_leaves_telemetry_off_where_it_was(tmp_path: Path) -> None:
    """If telemetry was switched off, `uninstrument()` leaves Mem0's own flag `False`, and no client is built."""
    body = """
mem0_telemetry.set_enabled(False)
mem0_telemetry.uninstrument()
import mem0.memory.main
native = sys.modules["mem0.memory.telemetry"]
import threading
taken_by_value = vars(mem0.memory.main).get("MEM0_TELEMETRY", False)
print(json.dumps([native.MEM0_TELEMETRY, taken_by_value, threading.active_count()]))
"""
    assert report_of(HEADER + ORDERS["before"] + body, clean_environ(tmp_path)) == [False, False, 1]


def test_native_clients_are_closed(tmp_path: Path) -> None:
    """`instrument()` closes the PostHog clients that Mem0 built (no event or thread is left); none is built again."""
    code = """
import json, sys, threading, time
import posthog
clients = []
class Local(posthog.Posthog):
    def __init__(self, *args, **kwargs):
        kwargs["host"] = "http://127.0.0.1:9"
        super().__init__(*args, **kwargs)
        clients.append(self)
posthog.Posthog = Local
import pathlib
import mem0
from mem0_telemetry.cli.harness.fake_models import configuration
memory = mem0.Memory.from_config(configuration(pathlib.Path("data")))
memory.add("tea", user_id="u", infer=False)
from mem0.memory import telemetry as native
native.client_telemetry.capture_event("client.x", {})
import mem0_telemetry
mem0_telemetry.instrument()
lanes = [lane for c in clients for lane in (getattr(c, "_lanes", None) or [c])]
alive = lambda: [t.name for lane in lanes for t in (lane.consumers or ()) if t.is_alive()]
deadline = time.monotonic() + 60
while alive() and time.monotonic() < deadline:
    time.sleep(0.05)
built = len(clients)
memory.add("more tea", user_id="u", infer=False)
print(json.dumps([built >= 2, [lane.queue.qsize() for lane in lanes], alive(), len(clients) - built]))
"""
    environ = clean_environ(tmp_path, MEM0_TELEMETRY_EXPORTER="console")
    found = report_of(code, environ, listening=False)  # Mem0's PostHog clients warn about each other
    built, queues, alive, more = found
    assert built is True
    assert set(queues) == {0}
    assert alive == []
    assert more == 0
