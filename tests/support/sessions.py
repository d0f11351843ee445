"""The demonstration's session of real Mem0, as a test runs it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from processes import run_program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def run_session(
    home: Path, platform_url: str, environ: Mapping[str, str], *arguments: str, launcher: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run it in a process of its own; return its report, with what it printed on stderr under `stderr`."""
    result = run_program(
        [
            *launcher,
            sys.executable,
            "-m",
            "mem0_telemetry.cli.demo.session",
            str(home),
            platform_url,
            *arguments,
        ],
        {"MEM0_DIR": str(home / ".mem0"), **environ},
        cwd=home,
        timeout=120,
        uses_mem0=True,
    )
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return {**report, "stderr": result.stderr, "stdout": result.stdout}
