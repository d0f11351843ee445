"""The command at the end of a pipe, or without one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from processes import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("arguments", ["events --json", "events --markdown", "status", "show", "--help"])
def test_a_reader_that_has_gone(arguments: str, tmp_path: Path) -> None:
    """Whoever closes the pipe early has seen enough: no complaint, and exit status 0."""
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


def test_closed_stdout(tmp_path: Path) -> None:
    """Without a stdout the command does its work and says nothing."""
    process = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m mem0_telemetry status >&-"],
        env=clean_environ(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_narrow_encoding(tmp_path: Path) -> None:
    """What the terminal's encoding lacks is printed as an escape."""
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
