"""The pytest plugin, in a real pytest run of a separate project that calls Mem0's telemetry functions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, run_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

CONFTEST = """
import mem0_telemetry
mem0_telemetry.instrument()
"""
USE = """
from mem0.memory.telemetry import capture_event, capture_client_event
class Memory:
    api_version = "v1.1"
def use(name="mem0.search", **more):
    capture_event(name, Memory(), {"limit": 20, "sync_type": "sync", "query": "a secret", **more})
"""


def run_pytest(
    project: Path, tests: str, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest on `tests`; `arguments` that include `PLUGIN` load the plugin."""
    (project / "conftest.py").write_text(CONFTEST)
    (project / "test_it.py").write_text(USE + tests)
    # Mem0's libraries are imported before pytest starts, so pytest cannot rewrite the plugin of one of them.
    quiet = ("-q", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    return run_program(
        [sys.executable, "-m", "pytest", *quiet, "-p", "no:cacheprovider", "-p", "no:randomly", *arguments],
        clean_environ(project, **settings),
        timeout=180,
        uses_mem0=True,
    )


PLUGIN = ("-p", "mem0_telemetry.testing")


@pytest.mark.parametrize("settings", [{}, {"MEM0_TELEMETRY": "False"}, {"DO_NOT_TRACK": "1"}], ids=str)
def test_events_are_captured(settings: dict[str, str], tmp_path: Path) -> None:
    """With any setting, `mem0_events` has all events of its test, selected and unsampled; no file is created."""
    tests = """
def test_one(mem0_events):
    for _ in range(50):
        use()
    capture_client_event("client.add", Memory(), {"sync_type": "async"})
    assert [event.name for event in mem0_events] == ["mem0.search"] * 50 + ["mem0.client.add"]
    assert mem0_events[-1].posthog_name == "client.add"
    first = mem0_events[0].attributes
    assert first["mem0.sample_rate"] == 1.0 and "a secret" not in str(first), first
def test_another(mem0_events):
    assert mem0_events == []
"""
    result = run_pytest(tmp_path, tests, *PLUGIN, **settings)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert not (tmp_path / ".mem0" / "telemetry").exists()


def test_an_unregistered_event_fails_its_test(tmp_path: Path) -> None:
    """An unregistered event in a test or its tear-down fails that test, even without the fixture; other tests pass."""
    tests = """
import pytest
@pytest.fixture
def late():
    yield
    use("mem0.in_teardown")
def test_unregistered():
    use("mem0.brand_new")
def test_in_teardown(late):
    pass
def test_fine():
    use()
"""
    result = run_pytest(tmp_path, tests, *PLUGIN)
    assert result.returncode == 1
    assert "would be dropped: 'mem0.brand_new'" in result.stdout
    assert "would be dropped: 'mem0.in_teardown'" in result.stdout
    assert "1 failed, 2 passed, 1 error" in result.stdout


def test_switching_off_lasts_until_the_test_ends(tmp_path: Path) -> None:
    """If the code under test switches telemetry off, by function or by flag, it stays off until that test ends."""
    tests = """
import pytest, mem0_telemetry
from mem0.memory import telemetry
def by_function():
    mem0_telemetry.set_enabled(False)
def by_flag():
    telemetry.MEM0_TELEMETRY = False
@pytest.mark.parametrize("switch_off", [by_function, by_flag])
def test_off(switch_off, mem0_events):
    use()
    switch_off()
    use()
    assert not mem0_telemetry.status().enabled
    assert len(mem0_events) == 1
def test_on(mem0_events):
    assert mem0_telemetry.status().enabled
    use()
    assert len(mem0_events) == 1
"""
    result = run_pytest(tmp_path, tests, *PLUGIN)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


@pytest.mark.parametrize("settings", [{}, {"MEM0_TELEMETRY": "False"}, {"DO_NOT_TRACK": "1"}], ids=str)
def test_native_telemetry_stays_off(settings: dict[str, str], tmp_path: Path) -> None:
    """A test that calls `uninstrument()` leaves Mem0's own telemetry off, so that one sends nothing either."""
    tests = """
import sys, mem0_telemetry
def test_out():
    mem0_telemetry.uninstrument()
    native = sys.modules["mem0.memory.telemetry"]
    assert native.__name__ == "mem0.memory.telemetry" and native.MEM0_TELEMETRY is False
"""
    result = run_pytest(tmp_path, tests, *PLUGIN, **settings)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


def test_the_failure_of_the_test_itself_comes_first(tmp_path: Path) -> None:
    """A test that fails and records an unregistered event is reported with its own failure."""
    result = run_pytest(tmp_path, "\ndef test_it():\n    use('mem0.brand_new')\n    assert 1 == 2\n", *PLUGIN)
    assert result.returncode == 1
    assert "assert 1 == 2" in result.stdout


def test_plugin_is_not_loaded_by_default(tmp_path: Path) -> None:
    """Without `-p` the plugin is not loaded, and telemetry is off under pytest as usual."""
    tests = """
import sys, mem0_telemetry
def test_off():
    use()
    status = mem0_telemetry.status()
    assert not status.enabled and status.source == "PYTEST_VERSION", status
    assert "mem0_telemetry.testing" not in sys.modules
"""
    result = run_pytest(tmp_path, tests)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
