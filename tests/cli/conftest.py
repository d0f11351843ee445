"""What the tests of `verify` share: a stage for the watched programs, and a copy of the package to break."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

import mem0_telemetry
from mem0_telemetry.cli.demo.platform_stub import PlatformStub
from mem0_telemetry.cli.verify._children import Stage
from mem0_telemetry.cli.verify._secrets import Planted
from opentelemetry.exporter.posthog.testing import CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(mem0_telemetry.__file__).parent


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Answer a stage with stand-ins for all servers; a test that never needs them is not asked to."""
    planted = Planted()
    root = tmp_path / planted["directory"]
    root.mkdir()
    with CaptureServer() as receiver, PlatformStub() as platform:
        yield Stage(
            root=root,
            platform_url=platform.url,
            receiver_url=receiver.url,
            planted=planted,
            deadline=monotonic() + 600,
        )


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

    break_it("cli/verify/child.py", 'find_spec("mem0") is not None', "False")
    return break_it
