"""`disable` and `clean` with an obstacle at `state.json`: they delete what they can and report the rest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.exporter.posthog.testing import CaptureServer

RECORD = """
import mem0_telemetry
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
mem0_telemetry.flush(0.5)
"""


@pytest.mark.parametrize("content", [None, "{"], ids=["a directory", "an unreadable file"])
@pytest.mark.parametrize("choice", ["disable", "clean"])
def test_unsent_events_are_deleted_with_a_broken_state_file(
    choice: str, content: str | None, tmp_path: Path, server: CaptureServer
) -> None:
    """Spool and history are deleted, telemetry stays off, and an error names `state.json` if it cannot be written."""
    server.stop()
    environ = posthog_environ(tmp_path, server.url)
    assert run_python(RECORD, environ).returncode == 0
    ours = tmp_path / ".mem0" / "telemetry"
    assert list(ours.rglob("spool/*/*"))
    state = ours / "state.json"
    state.unlink()
    if content is None:
        state.mkdir()
    else:
        state.write_text(content)
    result = subprocess.run(
        [sys.executable, "-m", "mem0_telemetry", choice],
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    stored = (choice, content) == ("disable", "{")
    assert result.returncode == (0 if stored else 1)
    said = " ".join(result.stderr.split())
    assert stored or "state.json" in said
    assert stored or choice == "clean" or "MEM0_TELEMETRY=False" in said
    assert "Deleted: 1 event that waited" in result.stdout
    assert [
        path.name for path in ours.rglob("*") if path.name not in {"state.json", "state.lock", "spool"}
    ] == []
    code = "import mem0_telemetry; print(mem0_telemetry.status().source)"
    assert run_python(code, environ).stdout == "state.json\n"


AS_ANOTHER_USER = """
import os, sys
from mem0_telemetry.cli import choices, main, show, status
import hashlib, importlib.metadata, shutil, threading, unicodedata, urllib.parse, uuid  # Import now as root.
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
sys.exit(main({arguments}))
"""


@pytest.fixture
def locked() -> Iterator[Path]:
    """Yield a home that another user may enter, without access to the directories in it."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o777)
        yield Path(home)
        for path in Path(home).rglob("*"):
            path.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no such permissions")
@pytest.mark.parametrize("closed", [".mem0", ".mem0/telemetry", ".mem0/telemetry/spool"])
def test_an_inaccessible_directory_is_named(closed: str, locked: Path, server: CaptureServer) -> None:
    """If events may be in another user's directory, no command claims that there are none or that they were deleted."""
    server.stop()
    environ = posthog_environ(locked, server.url)
    assert run_python(RECORD, environ).returncode == 0
    for path in (".mem0", ".mem0/telemetry", ".mem0/telemetry/spool"):
        (locked / path).chmod(0 if path == closed else 0o555)
        if path == closed:
            break
    # The other user may not write coverage's files.
    environ = {name: value for name, value in environ.items() if not name.startswith("COV")}
    for command, *options in (("status",), ("status", "--json"), ("show",), ("clean",), ("disable",)):
        result = run_python(AS_ANOTHER_USER.format(arguments=[command, *options]), environ)
        said = " ".join((result.stdout + result.stderr).split())
        assert closed.removesuffix("/spool") in said, command  # the topmost unreadable directory
        for lie in ("nothing waits", "Nothing waits", "Deleted", "nothing to delete", "Traceback"):
            assert lie not in said, command
        assert result.returncode == (1 if command in {"clean", "disable"} else 0), said


@pytest.mark.parametrize("choice", ["disable", "clean"])
def test_a_failed_deletion_is_reported(choice: str, tmp_path: Path, server: CaptureServer) -> None:
    """If the spool cannot be deleted, as in another user's directory, the command does not claim that it was."""
    server.stop()
    environ = posthog_environ(tmp_path, server.url)
    assert run_python(RECORD, environ).returncode == 0
    code = f"""
        import shutil, sys
        shutil.rmtree = lambda *_, **__: None  # root may delete anything: refuse it here
        from mem0_telemetry.cli import main
        sys.exit(main(["{choice}"]))
    """
    result = run_python(code, environ)
    assert result.returncode == 1
    assert "not everything" in " ".join(result.stderr.split())
    assert "Deleted" not in result.stdout
