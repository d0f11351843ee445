"""What the tests of `verify` share: a copy of the package to break."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mem0_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(mem0_telemetry.__file__).parent


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Answer a function that breaks a copy of the package, which the watched programs then use, without mem0ai."""
    copy = tmp_path / "broken"
    shutil.copytree(PACKAGE, copy / "mem0_telemetry", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(copy))
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)  # what is broken on purpose is not to be measured

    def break_it(path: str, sound: str, defect: str) -> None:
        source = copy / "mem0_telemetry" / path
        text = source.read_text(encoding="utf-8")
        assert sound in text, f"{path} has changed: break it elsewhere"
        source.write_text(text.replace(sound, defect), encoding="utf-8")

    (copy / "sitecustomize.py").write_text("import sys\nsys.modules['mem0'] = None\n")
    return break_it
