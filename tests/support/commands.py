"""Run the command `mem0-telemetry` as a user does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from support.processes import clean_environ, run_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def command(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `home` and return its result."""
    environ = clean_environ(home, **settings)
    return run_program([sys.executable, "-m", "mem0_telemetry", *arguments], environ)


def output(home: Path, *arguments: str, **settings: str) -> str:
    """Run the command, which must succeed and print nothing on stderr; return its standard output."""
    result = command(home, *arguments, **settings)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout
