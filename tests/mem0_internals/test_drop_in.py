"""The drop-in replaces and restores the telemetry module of the real Mem0. Each test runs a separate process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.doctored import doctored_mem0, own_source
from support.processes import clean_environ, posthog_environ, report_of, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

ORDERS = {
    "before": "mem0_telemetry.instrument()\nimport mem0.memory.main, mem0.client.main, mem0.client.project\n",
    "after": "import mem0.memory.main, mem0.client.main, mem0.client.project\nmem0_telemetry.instrument()\n",
}
HEADER = "import atexit, importlib, json, logging, sys, threading, mem0_telemetry\n"


@pytest.mark.parametrize("order", ORDERS)
def test_every_holder_has_the_drop_in(order: str, tmp_path: Path) -> None:
    """The module, the attribute of its package and every name that Mem0 imported from it are ours."""
    body = """
from mem0_telemetry import telemetry as ours
from mem0.memory import notices
print(json.dumps([
    sys.modules["mem0.memory.telemetry"] is ours, mem0.memory.telemetry is ours,
    mem0.memory.main.capture_event is ours.capture_event, not mem0.memory.main.MEM0_TELEMETRY,
    mem0.client.main.capture_client_event is ours.capture_client_event,
    mem0.client.main.client_telemetry is ours.client_telemetry,
    mem0.client.project.capture_client_event is ours.capture_client_event,
    notices.telemetry_module.MEM0_TELEMETRY is False, notices.telemetry_module._get_oss_telemetry() is None,
]))
"""
    assert all(report_of(HEADER + ORDERS[order] + body, clean_environ(tmp_path)))


def test_instrument_before_mem0_builds_no_native_client(tmp_path: Path) -> None:
    """With `instrument()` first, `import mem0` does not even import `posthog`, and starts no thread."""
    body = 'print(json.dumps(["posthog" in sys.modules, threading.active_count()]))'
    assert report_of(HEADER + ORDERS["before"] + body, clean_environ(tmp_path)) == [False, 1]


def test_instrument_after_mem0_closes_native_clients(tmp_path: Path) -> None:
    """With `import mem0` first, native clients lose their queue, threads and exit hooks, and the exit does not wait."""
    environ = clean_environ(tmp_path, MEM0_TELEMETRY_POSTHOG_HOST="http://127.0.0.1:9")
    code = """
        import importlib, json, sys, threading, time
        import posthog
        real = posthog.Posthog
        class Local(real):
            def __init__(self, *args, **kwargs):
                kwargs["host"] = "http://127.0.0.1:9"
                super().__init__(*args, **kwargs)
        posthog.Posthog = Local
        import mem0
        from mem0.memory import telemetry as native
        oss = native._get_oss_telemetry()
        hosted = native.client_telemetry
        clients = [hosted.posthog, oss.posthog]
        for client in clients:
            client.capture("x", distinct_id="y")
        import mem0_telemetry
        mem0_telemetry.instrument()
        deadline = time.monotonic() + 60
        alive = lambda: [t for c in clients for t in (c.consumers or []) if t.is_alive()]
        while alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        print(json.dumps([
            hosted.posthog, oss.posthog, [c.queue.qsize() for c in clients], len(alive()),
        ]))
    """
    found = report_of(code, environ, listening=False)  # native clients warn of each other
    assert found == [None, None, [0, 0], 0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("opted_out", [False, True])
def test_uninstrument_restores_everything(order: str, opted_out: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Mem0 has its own module and names again, no client was built, and off stays off."""
    body = """
mem0_telemetry.uninstrument()
native = sys.modules["mem0.memory.telemetry"]
from mem0.memory import notices
print(json.dumps({
    "own": native.__name__ == "mem0.memory.telemetry" and mem0.memory.telemetry is native,
    "names": [
        mem0.memory.main.capture_event is native.capture_event,
        mem0.client.main.capture_client_event is native.capture_client_event,
        mem0.client.main.client_telemetry is native.client_telemetry,
        mem0.client.project.capture_client_event is native.capture_client_event,
        notices.telemetry_module is native,
        native.capture_event.__module__ == "mem0.memory.telemetry",
    ],
    "client": native.client_telemetry.posthog,
    "flag": [native.MEM0_TELEMETRY, mem0.memory.main.MEM0_TELEMETRY],
    "meta_path": [type(f).__module__ for f in sys.meta_path if "mem0_telemetry" in type(f).__module__],
}))
"""
    off = "from mem0_telemetry import set_enabled; set_enabled(False)\n" if opted_out else ""
    report = report_of(HEADER + ORDERS[order] + off + body, clean_environ(tmp_path))
    assert report["own"] is True
    assert all(report["names"])
    assert report["client"] is None
    assert report["flag"] == [not opted_out] * 2
    assert report["meta_path"] == []


def test_uninstrument_without_mem0_imports_nothing(tmp_path: Path) -> None:
    """If Mem0 was never imported, `uninstrument()` does not import it."""
    body = """
mem0_telemetry.instrument()
mem0_telemetry.uninstrument()
mem0_telemetry.uninstrument()
print(json.dumps([name for name in sys.modules if name.split(".")[0] in ("mem0", "posthog")]))
"""
    assert report_of(HEADER + body, clean_environ(tmp_path)) == []


NO_CODE = {
    "mock": "sys.modules.update({'mem0': MagicMock(), 'mem0.memory': MagicMock()})",
    "none": "sys.modules['mem0.memory'] = None",
    "no spec": "sys.modules['mem0.memory'] = types.ModuleType('mem0.memory')",
    "compiled": """
package = pathlib.Path.home() / "mem0" / "memory"
package.mkdir(parents=True)
(package.parent / "__init__.py").touch()
(package / "__init__.py").touch()
(package / f"telemetry{EXTENSION_SUFFIXES[0]}").touch()
sys.path.insert(0, str(package.parents[1]))
importlib.import_module("mem0.memory")
""",
}
"""Cases in which Mem0 seems to be loaded, but its telemetry module has no code to read."""


@pytest.mark.parametrize("way", NO_CODE)
def test_uninstrument_if_mem0_has_no_code(way: str, tmp_path: Path) -> None:
    """`uninstrument()` removes everything of ours even if Mem0 is a mock, or is compiled."""
    body = f"""
import pathlib, types
from importlib.machinery import EXTENSION_SUFFIXES
from unittest.mock import MagicMock
mem0_telemetry.instrument()
{NO_CODE[way]}
mem0_telemetry.uninstrument()
print(json.dumps([
    mem0_telemetry.status().instrumented,
    [type(f).__module__ for f in sys.meta_path if "mem0_telemetry" in type(f).__module__],
]))
"""
    assert report_of(HEADER + body, clean_environ(tmp_path)) == [False, []]


def test_instrument_twice_and_again_after_uninstrument(tmp_path: Path, server: CaptureServer) -> None:
    """A second `instrument()` changes nothing; one after `uninstrument()` instruments again."""
    body = """
mem0_telemetry.instrument()
mem0_telemetry.uninstrument()
mem0_telemetry.instrument()
mem0.memory.main.capture_event("mem0.init", object(), {"sync_type": "sync"})
print(json.dumps([mem0_telemetry.flush(60), mem0_telemetry.status().instrumented]))
"""
    environ = posthog_environ(tmp_path, server.url)
    assert report_of(HEADER + ORDERS["before"] + body, environ) == [True, True]
    assert [event["event"] for event in server.events] == ["mem0.init"]


def test_flag_of_a_native_module_fetched_earlier_counts(tmp_path: Path, server: CaptureServer) -> None:
    """`telemetry.MEM0_TELEMETRY = False` on Mem0's own module object, fetched earlier, turns ours off."""
    code = """
        import json
        from mem0.memory import telemetry as native
        import mem0_telemetry
        mem0_telemetry.instrument()
        import mem0.memory.main
        native.MEM0_TELEMETRY = False
        mem0.memory.main.capture_event("mem0.init", object(), {})
        off = mem0_telemetry.status().enabled
        native.MEM0_TELEMETRY = True
        mem0.memory.main.capture_event("mem0.reset", object(), {})
        print(json.dumps([off, mem0_telemetry.flush(60)]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [False, True]
    assert [event["event"] for event in server.events] == ["mem0.reset"]


def test_switch_of_mem0s_guide_works_as_written(tmp_path: Path, server: CaptureServer) -> None:
    """The run-time switch in Mem0's guide works exactly as the guide shows it."""
    body = """
from mem0.memory import telemetry; telemetry.MEM0_TELEMETRY = False
mem0.memory.main.capture_event("mem0.init", object(), {})
print(json.dumps(mem0_telemetry.flush(5)))
"""
    assert report_of(HEADER + ORDERS["before"] + body, posthog_environ(tmp_path, server.url)) is True
    assert server.requests == []


class TestUnknownNames:
    """A release of Mem0 whose telemetry module has names that the drop-in does not have."""

    NEW = (
        "\n\nSOMETHING_NEW = ['a', 'list']\n\n"
        "def capture_new_event(event_name):\n"
        "    if not MEM0_TELEMETRY:\n        return 'off'\n    return _get_oss_telemetry()\n"
    )

    def environ(self, tmp_path: Path, source: str) -> dict[str, str]:
        """Return an environment in which Mem0 has a telemetry module with this source."""
        environ = clean_environ(tmp_path)
        copy = doctored_mem0(tmp_path / "doctored", source)
        return {**environ, "PYTHONPATH": f"{environ['PYTHONPATH']}:{copy}"}

    def test_they_are_answered_from_mem0s_own_module(self, tmp_path: Path) -> None:
        """They have Mem0's opted-out values. No client is built, no `posthog` imported, no log level changed."""
        body = """
from mem0.memory import telemetry
urllib3, posthog_level = logging.getLogger("urllib3").level, logging.getLogger("posthog").level
print(json.dumps([
    telemetry.SOMETHING_NEW, telemetry.capture_new_event("x"), "posthog" in sys.modules, threading.active_count(),
    urllib3, posthog_level, telemetry.SOMETHING_NEW is telemetry.SOMETHING_NEW, "doctored" in mem0.__file__,
]))
"""
        environ = self.environ(tmp_path, own_source() + self.NEW)
        expected = [["a", "list"], "off", False, 1, 0, 0, True, True]
        assert report_of(HEADER + ORDERS["before"] + body, environ) == expected

    def test_from_import_of_a_new_name(self, tmp_path: Path) -> None:
        """`from mem0.memory.telemetry import NEW`, as a new module of Mem0 may contain it, works."""
        body = "from mem0.memory.telemetry import SOMETHING_NEW\nprint(json.dumps(SOMETHING_NEW))"
        environ = self.environ(tmp_path, own_source() + self.NEW)
        assert report_of(HEADER + ORDERS["before"] + body, environ) == ["a", "list"]

    def test_module_that_cannot_run(self, tmp_path: Path) -> None:
        """If Mem0's own module fails, `import mem0` still works, and an unknown name is an `AttributeError`."""
        body = """
from mem0.memory import telemetry
print(json.dumps([hasattr(telemetry, "anything"), callable(mem0.memory.main.capture_event)]))
"""
        environ = self.environ(tmp_path, "raise RuntimeError('broken')\n")
        assert report_of(HEADER + ORDERS["before"] + body, environ) == [False, True]


@pytest.mark.parametrize(
    "sabotage",
    [
        "import mem0_telemetry.mem0_internals.drop_in as s; s.DropIn.replace = lambda self: 1 / 0",
        "import mem0_telemetry.mem0_internals.drop_in as s; s.DropIn._repoint = lambda self, m: 1 / 0",
        "import mem0_telemetry.usage.switches as u; u.Switches.decide = lambda self: 1 / 0",
        "import mem0_telemetry.usage.switches as u; u.consent.decide = lambda *_, **__: 1 / 0",
        "import sys; sys.modules['mem0_telemetry.telemetry'] = None",
        "import sys; sys.modules['mem0_telemetry.policy'] = None",
    ],
)
def test_import_mem0_works_even_if_we_are_broken(sabotage: str, tmp_path: Path) -> None:
    """Even if this package is broken, `instrument()` returns, `import mem0` works, and nothing is printed."""
    code = f"""
        {sabotage}
        import mem0_telemetry
        mem0_telemetry.instrument()
        import mem0
        assert mem0.Memory
        mem0_telemetry.uninstrument()
    """
    result = run_python(code, clean_environ(tmp_path, MEM0_TELEMETRY="False"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
