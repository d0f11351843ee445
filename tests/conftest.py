"""Fixtures that keep every test on this machine, show our swallowed errors and hide the user's settings."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.base import guard
from mem0_telemetry.cli.harness.stage import open_stage
from mem0_telemetry.mem0_internals import import_hook
from opentelemetry.exporter.posthog.testing import CaptureServer
from support import loopback_only, warm  # noqa: F401  # importing loopback_only keeps tests on this machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage

_communicate = subprocess.Popen.communicate
_CHILDREN = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(autouse=True)
def _children(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the return code and the output of each child process of the test, for the report of a failure."""
    children = request.node.stash[_CHILDREN] = []

    def ended(process: int, returncode: int, streams: Sequence[Any]) -> None:
        text = "\n".join(
            f"{name}: {stream}" for name, stream in zip(("stdout", "stderr"), streams, strict=True)
        )
        children.append((f"child process {process} returned {returncode}", text))

    def communicate(process: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> Any:
        streams = _communicate(process, *args, **kwargs)
        ended(process.pid, process.returncode, streams)
        return streams

    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    warm.ENDED.append(ended)
    yield
    warm.ENDED.remove(ended)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the output of its child processes to the report of a failed test."""
    report = yield
    if report.failed:
        report.sections.extend(item.stash.get(_CHILDREN, []))
    return report


@pytest.fixture(autouse=True)
def _no_import_hooks_left() -> Iterator[None]:
    """Remove the import finders and hooks that a test left behind, so the next test is not affected; fail that test."""
    yield
    ours = [finder for finder in sys.meta_path if type(finder).__module__.startswith("mem0_telemetry")]
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder not in ours
    ]  # removed before the assertion below fails this test
    waiting = {**import_hook._finder.hooks, **import_hook._finder.served}
    import_hook._finder.hooks.clear()
    import_hook._finder.served.clear()
    assert (ours, waiting) == ([], {})


@pytest.fixture(autouse=True)
def _clean_environ(_no_import_hooks_left: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give a test its own home, and remove each variable that telemetry reads, except those of pytest."""
    for name in tuple(os.environ):
        if name.startswith(("MEM0_", "OTEL_", "POSTHOG_", "DO_NOT_TRACK")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / ".mem0"))


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the failures that the guard logs at DEBUG; fail the test if it has not cleared the list at its end."""
    reports: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("failed while "):
            reports.append(logging.Formatter().format(record))
        return True

    logger = logging.getLogger("mem0_telemetry")
    monkeypatch.setattr(guard, "_reported", set())  # the guard reports each failure once per process
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()
    logger.addFilter(note)
    yield reports
    logger.removeFilter(note)
    assert reports == []


@pytest.fixture
def lenient(reported: list[str]) -> Iterator[None]:
    """Allow exceptions inside the guard: it drops them, as it does for users."""
    yield
    reported.clear()


@pytest.fixture
def server() -> Iterator[CaptureServer]:
    """Run a fake server that takes the place of PostHog or of an OTLP backend."""
    with CaptureServer() as capture_server:
        yield capture_server


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Yield a stage that runs watched programs with Mem0 against fake servers."""
    with open_stage(600) as opened:
        yield opened
