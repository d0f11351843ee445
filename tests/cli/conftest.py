"""Fixtures for the tests of `verify`: programs that use a broken build, or one without byte code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mem0_telemetry
from support.broken_build import WITHOUT_MEM0, broken_build

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch coverage off in the programs: it should not measure a build that is broken on purpose."""
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)


@pytest.fixture
def break_build(
    _unmeasured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], None]:
    """Return a function that breaks the package, by symbol, in the watched programs; they run without mem0ai."""

    def break_it(changes: dict[str, str]) -> None:
        monkeypatch.setenv("PYTHONPATH", str(broken_build(tmp_path, changes, without_mem0=True)))

    return break_it


@pytest.fixture
def uncompiled(_unmeasured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the watched programs use a copy of the package without byte code, and no mem0ai."""
    package = Path(mem0_telemetry.__file__).parent
    copy = tmp_path / "uncompiled"
    shutil.copytree(package, copy / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "sitecustomize.py").write_text(WITHOUT_MEM0)
    monkeypatch.setenv("PYTHONPATH", str(copy))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
