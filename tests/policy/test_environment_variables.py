"""The names of variables: documented, harmless to `opentelemetry-instrument`, and read the same way everywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from mem0_telemetry import environment_variables as names


def test_every_name_is_documented() -> None:
    """Below each name stands what it means."""
    found = set()
    for node, below in pairwise(ast.parse(Path(names.__file__).read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Assign) and isinstance(below, ast.Expr):
            found.add(ast.unparse(node.targets[0]))
    assert found == {name for name in vars(names) if name.isupper() and not name.startswith("_")} - {
        "TYPE_CHECKING"
    }


def test_opentelemetry_instrument_starts() -> None:
    """With our distributions installed no option of the command is declared twice."""
    assert [name for name in dir(names) if name.startswith("OTEL_")] == []
    script = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    command = [sys.executable, "-c", script, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("value", "on"),
    [
        (None, False),
        ("", False),
        (" ", False),
        ("0", False),
        ("false", False),
        ("FALSE", False),
        ("1", True),
        ("no", True),
    ],
)
def test_a_switch_is_set_by_anything_but_no(value: str | None, *, on: bool) -> None:
    """Empty, `0` and `false`, in any case, are not set; everything else is."""
    environ = {} if value is None else {"DO_NOT_TRACK": value}
    assert names.is_set(environ, "DO_NOT_TRACK") == on


@pytest.mark.parametrize("name", names.CI_VARIABLES)
def test_a_build_service_is_known(name: str) -> None:
    """Each of the services' variables labels the process; an empty one or `false` does not."""
    assert names.is_ci({name: "true"})
    assert not names.is_ci({name: "false"})
    assert not names.is_ci({})
