"""`verify` on a slow machine: an unchecked promise is neither a breach nor a proof."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli import verify
from mem0_telemetry.cli.harness.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from mem0_telemetry.cli.harness.stage import Stage


def test_a_slow_machine_is_no_breach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the programs do not end in time, no breach is reported, the exit status is 2, and all programs are killed."""
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    assert verify.run(seconds=0.0) == 2
    printed = capsys.readouterr().out
    assert "BREACH" not in printed
    assert printed.count("could not be checked  ") == len(WAYS) + 2
    assert "NOT ALL COULD BE CHECKED: 0 of 10 checks passed" in printed
    assert {process.returncode for process in started} == {-signal.SIGKILL}
    assert len(started) == len(WAYS) + 1


def test_an_event_not_sent_yet_is_no_breach(stage: Stage) -> None:
    """An event not sent when time is up leaves its promise unchecked; a lost event is a breach."""
    program = verify.program_on(stage)
    for arrived, breached in ((False, False), (True, True)):
        seen = {"seen": [], "logged": [], "threads": [], "arrived": arrived}
        Path(program.wanted["report"]).write_text(json.dumps(seen))
        (program.home / ".mem0" / "telemetry").mkdir(parents=True, exist_ok=True)
        declared, *_ = verify.checks_on(program, stage)
        assert (bool(declared.breaches), bool(declared.unchecked)) == (breached, not breached)


def test_progress_is_counted(stage: Stage, break_build: Callable[[dict[str, str]], None]) -> None:
    """While the programs run, `progress` receives the number that have ended."""
    break_build({})
    counted: list[tuple[int, int]] = []
    stage.run([stage.program(way) for way in WAYS[:3]], lambda done, of: counted.append((done, of)))
    assert (counted[0], counted[-1]) == ((0, 3), (3, 3))
    assert counted == sorted(counted)
