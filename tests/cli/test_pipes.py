"""The command at the end of a pipe, or without one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.policy import identity
from support.processes import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("arguments", ["events --json", "events --markdown", "status", "show", "--help"])
def test_a_closed_pipe_is_no_error(arguments: str, tmp_path: Path) -> None:
    """If the reader has closed the pipe, the command prints no error and exits with 0."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "mem0_telemetry", *arguments.split()],
        env=clean_environ(tmp_path),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, "")


COMMANDS = (
    *(
        "status",
        "status --json",
        "show",
        "show --all",
        "events",
        "events --json",
        "events --markdown",
        "--help",
    ),
    *("enable", "disable", "reset-id", "clean", "nonsense", ""),
)


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has it")  # noqa: PTH110


def redirected(home: Path, arguments: str, to: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its outputs redirected by a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m mem0_telemetry {arguments} {to}"],
        env=clean_environ(home, **settings),
        capture_output=True,
        text=True,
        check=False,
    )


@FULL
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_or_closed_output_causes_no_traceback(arguments: str, tmp_path: Path) -> None:
    """Each command ends without a traceback if an output is full or closed."""
    for to in (">/dev/full", ">/dev/full 2>/dev/full", "2>/dev/full", ">&- 2>&-", "2>&-"):
        process = redirected(tmp_path, arguments, to)
        assert process.returncode in {0, 1, 2}, to
        assert "Traceback" not in process.stdout + process.stderr
        assert "ignored" not in process.stdout + process.stderr


@FULL
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", ["status --json", "show --raw", "events", "reset-id", "clean", "disable"]
)
def test_a_full_disk_is_reported(arguments: str, unbuffered: str, tmp_path: Path) -> None:
    """If the output cannot be written, the command prints one line on stderr, exits with 1, and still does its work."""
    identity.reset(str(tmp_path / ".mem0"))
    spool = tmp_path / ".mem0" / "telemetry" / "spool"
    spool.mkdir()
    process = redirected(tmp_path, arguments, ">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (process.returncode, process.stderr) == (1, "mem0-telemetry: [Errno 28] No space left on device\n")
    assert spool.exists() is (arguments not in {"reset-id", "clean", "disable"})


def test_closed_stdout(tmp_path: Path) -> None:
    """Without a stdout the command does its work and prints nothing."""
    process = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m mem0_telemetry status >&-"],
        env=clean_environ(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_narrow_encoding(tmp_path: Path) -> None:
    """Characters outside the output's encoding are printed as escapes."""
    environ = clean_environ(tmp_path, PYTHONIOENCODING="ascii", MEM0_DIR=str(tmp_path / "\u00fc"))
    process = subprocess.run(
        [sys.executable, "-m", "mem0_telemetry", "status"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "\\xfc" in process.stdout
