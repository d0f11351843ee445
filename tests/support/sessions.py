"""The demonstration's session of real Mem0, as a test runs it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from processes import run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def each_once(ways: list[Any], name: Callable[[Any], str] = str) -> list[Any]:
    """Return the parameters (way, order of imports): each way once, the orders by turns; the others are slow tests."""
    orders = ("before", "after")
    return [
        pytest.param(
            way, order, id=f"{name(way)}-{order}", marks=[] if number % 2 == place else pytest.mark.slow
        )
        for number, way in enumerate(ways)
        for place, order in enumerate(orders)
    ]


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
        timeout=180,
        uses_mem0=True,
    )
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return {**report, "stderr": result.stderr, "stdout": result.stdout}
