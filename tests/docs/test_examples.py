"""The examples run offline, end by themselves, and print what they promise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, run_program
from support.reader import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = {
    "fastapi-gunicorn": ("mem0.add     3", "mem0.init    2", "mem0.search  3"),
    "library-author": ('"event": "tidy.text_tidied"', "Off, PostHog got 0 requests", "imported: False"),
}


def test_every_example_is_tested() -> None:
    """Each example has a test."""
    assert {path.name for path in (ROOT / "examples").iterdir()} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_example(name: str, tmp_path: Path) -> None:
    """`python run.py` prints the events that arrived, and exits with 0 because all of them did."""
    result = run_program(
        [sys.executable, ROOT / "examples" / name / "run.py"],
        clean_environ(tmp_path, PYTHONDONTWRITEBYTECODE="1"),
        timeout=180,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for line in SHOWN[name]:
        assert line in result.stdout
