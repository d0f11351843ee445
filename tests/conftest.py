"""For every test: nothing leaves this machine, nothing of ours is swallowed, and no setting of the user's counts."""

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
from support import loopback_only, warm  # noqa: F401  # the first for its effect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage

_communicate = subprocess.Popen.communicate
_CHILDREN = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(autouse=True)
def _children(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep what each child process of the test returned and printed, for the report of a failure."""
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
    """Add the child processes to the report of a test that failed."""
    report = yield
    if report.failed:
        report.sections.extend(item.stash.get(_CHILDREN, []))
    return report


@pytest.fixture(autouse=True)
def _importing_as_before() -> Iterator[None]:
    """Remove what a test has put in front of imports: the next test relies on that."""
    yield
    ours = [finder for finder in sys.meta_path if type(finder).__module__.startswith("mem0_telemetry")]
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder not in ours
    ]  # the next test is not to blame
    waiting = {**import_hook._finder.hooks, **import_hook._finder.served}
    import_hook._finder.hooks.clear()
    import_hook._finder.served.clear()
    assert (ours, waiting) == ([], {})


@pytest.fixture(autouse=True)
def _clean_environ(_importing_as_before: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give a test its own home, and remove each variable that telemetry reads, except those of pytest."""
    for name in tuple(os.environ):
        if name.startswith(("MEM0_", "OTEL_", "POSTHOG_", "DO_NOT_TRACK")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / ".mem0"))


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what failed inside the guard, as our logger says it at DEBUG; fail the test if something is left."""
    reports: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("failed while "):
            reports.append(logging.Formatter().format(record))
        return True

    logger = logging.getLogger("mem0_telemetry")
    monkeypatch.setattr(guard, "_reported", set())  # each failure is reported once a process
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()
    logger.addFilter(note)
    yield reports
    logger.removeFilter(note)
    assert reports == []


@pytest.fixture
def lenient(reported: list[str]) -> Iterator[None]:
    """Let foreign code raise: the guard drops the exception, as it does for users."""
    yield
    reported.clear()


@pytest.fixture
def server() -> Iterator[CaptureServer]:
    """Run a receiver in the place of PostHog or an OTLP backend."""
    with CaptureServer() as capture_server:
        yield capture_server


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Yield a place for watched programs that use Mem0, with fake servers."""
    with open_stage(600) as opened:
        yield opened
