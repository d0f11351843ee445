"""Shared by the parts of `make bench`: a user's environment, a measurement in a separate process, a table row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

CHILDREN = Path(__file__).with_name("children.py")
KINDS = ("native", "ours")


def environ_of(home: Path, url: str, **settings: str) -> dict[str, str]:
    """Return a user's environment with both telemetries sent to `url`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MEM0_", "OTEL_", "POSTHOG_", "PYTEST_", "DO_NOT_TRACK"))
    }
    return {
        **inherited,
        "HOME": str(home),
        "MEM0_DIR": str(home / ".mem0"),
        "BENCH_URL": url,
        "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_bench",
        "MEM0_TELEMETRY_POSTHOG_HOST": url,
        "MEM0_TELEMETRY_SAMPLE_RATE": "1",
        **settings,
    }


def child(what: str, kind: str, environ: dict[str, str]) -> Any:
    """Run one measurement; return the JSON value that it prints."""
    output = subprocess.run(
        command(what, kind), env=environ, capture_output=True, text=True, timeout=300, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def command(what: str, kind: str) -> Sequence[str]:
    """Return the command line of the program that measures `what`."""
    return (sys.executable, str(CHILDREN), what, kind)


def show(row: str, native: str, ours: str, goal: str = "") -> None:
    """Print one row of the table."""
    print(f"| {row} | {native} | {ours} | {goal} |", flush=True)
