"""Run a watched program that uses real Mem0."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.cli.harness.stage import WATCHED
from mem0_telemetry.cli.harness.ways import WAYS
from support.processes import run_program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Program

EACH_WAY_ONCE = [
    pytest.param(way, order, id=f"{way.shown}-{order}", marks=[] if number % 2 == place else pytest.mark.slow)
    for number, way in enumerate(WAYS)
    for place, order in enumerate(("before", "after"))
]
"""Each way to switch off, with alternating orders of imports; the other combinations are slow tests."""

PROGRAM = ("-m", WATCHED)


def run_session(
    program: Program,
    *,
    launcher: Sequence[str | Path] = (),
    command: Sequence[str | Path] = PROGRAM,
) -> dict[str, Any]:
    """Run `program` in a separate process; return its report, and its standard output as `stdout`."""
    result = run_program(
        [*launcher, sys.executable, *command, json.dumps(program.wanted)],
        dict(program.environ),
        cwd=program.home,
        uses_mem0=True,
    )
    assert result.returncode == 0, result.stderr
    return {**program.report(), "stdout": result.stdout}
