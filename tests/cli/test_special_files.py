"""Commands end, and read or change nothing else, if a pipe, socket or device is where they expect a file."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

RUN = """
    import resource, sys
    from mem0_telemetry.cli import main
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    for command in (["status"], ["status", "--json"], ["show"], ["enable"], ["reset-id"], ["disable"], ["clean"]):
        main(command)
    print("all have ended")
"""
NAMES = [
    "state.json",
    "state.lock",
    "history.jsonl",
    "history.jsonl.0a1b2c3d.aside",
    "spool",
    "spool/posthog-1",
    ".",
]


@pytest.mark.parametrize("kind", ["pipe", "socket", "endless device"])
@pytest.mark.parametrize("name", NAMES)
def test_no_command_hangs_on_a_special_file(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command ends, within a memory limit and without a traceback, and deletes what it can."""
    ours = tmp_path / ".mem0" / "telemetry"
    path = ours / name
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # The address of a socket must be short.
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    else:
        path.symlink_to("/dev/zero")
    result = run_python(RUN, clean_environ(tmp_path))
    assert result.stdout.splitlines()[-1] == "all have ended", result
    assert "Traceback" not in result.stderr
    assert name in {".", "state.lock"} or sorted(os.listdir(ours)) == ["state.json", "state.lock"]  # noqa: PTH208
