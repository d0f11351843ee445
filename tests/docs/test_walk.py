"""The walk in docs/architecture.md, from the call to the wire: an event calls each function, in that order."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

import pytest

from opentelemetry.exporter.posthog.testing import CaptureServer
from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
PROGRAM = """
import json, sys, threading
import mem0_telemetry
mem0_telemetry.instrument(operations=False)
from mem0_telemetry import telemetry
from docs.test_walk import function_of
walk = json.loads({walk!r})
names = {{function_of(name).__code__: name for name in walk}}
called = {{}}
def hear(frame, event, argument):
    if event == "call" and frame.f_code in names:
        called.setdefault(names[frame.f_code])
threading.setprofile(hear)
sys.setprofile(hear)
telemetry.capture_event("mem0.search", type("Memory", (), {{}})(), {{"sync_type": "sync"}})
sys.setprofile(None)
assert mem0_telemetry.flush(60)
print(json.dumps(list(called)))
"""


def walks() -> Iterator[list[str]]:
    """Yield the function names in each thread's table."""
    section = (
        PAGE.read_text(encoding="utf-8")
        .partition("### From the call to the wire")[2]
        .partition("## Files")[0]
    )
    for table in section.split("| --- | --- |")[1:]:
        yield re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)


def function_of(name: str) -> FunctionType:
    """Return the function to which a name of the walk refers."""
    parts, attributes = name.split("."), []
    while True:
        try:
            found: object = importlib.import_module(".".join(["mem0_telemetry", *parts]))
            break
        except ModuleNotFoundError:
            attributes.insert(0, parts.pop())
    for attribute in attributes:
        found = getattr(found, attribute)
    assert isinstance(found, FunctionType)
    return found


@pytest.mark.parametrize("name", [name for walk in walks() for name in walk])
def test_every_name_exists(name: str) -> None:
    """Each name in the walk is a function of this package."""
    assert function_of(name).__name__ == name.rpartition(".")[2]


def test_an_event_calls_the_functions_in_order(tmp_path: Path) -> None:
    """One real event, followed by Python's profiler hook, calls each function, on each thread in the page's order."""
    expected = list(walks())
    assert len(expected) == 3
    with CaptureServer() as server:
        environ = posthog_environ(tmp_path, server.url)
        walk = json.dumps([name for names in expected for name in names])
        called = report_of(PROGRAM.format(walk=walk), environ)
    assert isinstance(called, list)
    assert [[name for name in called if name in names] for names in expected] == expected
