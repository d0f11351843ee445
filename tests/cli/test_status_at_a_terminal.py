"""`status` at a terminal: colour, and the pending notice."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

from mem0_telemetry.policy import state_file
from support.commands import output
from support.processes import clean_environ
from support.terminals import what_is_seen

if TYPE_CHECKING:
    from pathlib import Path


def at_terminal(home: Path, **settings: str) -> str:
    """Return the output of `status` at a terminal."""
    reader, end = pty.openpty()
    environ = {**clean_environ(home), "TERM": "xterm", **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "mem0_telemetry", "status"], env=environ, stdout=end
    ) as process:
        os.close(end)
        seen = what_is_seen(reader)
        assert process.wait(180) == 0
    return seen


def test_colour_is_for_terminals_that_want_it(tmp_path: Path) -> None:
    """`status` prints colour at a terminal, but not with `NO_COLOR`, at a dumb terminal, or in a pipe."""
    assert "\x1b[" in at_terminal(tmp_path)
    assert "\x1b[" in at_terminal(tmp_path, NO_COLOR="")
    assert "\x1b[" not in at_terminal(tmp_path, NO_COLOR="1")
    assert "\x1b[" not in at_terminal(tmp_path, TERM="dumb")
    assert "\x1b[" not in output(tmp_path, "status")


def test_status_announces_the_pending_notice(tmp_path: Path) -> None:
    """At a terminal, `status` announces that the next run shows the notice, until the notice was shown."""
    main, end = pty.openpty()
    environ = clean_environ(tmp_path)
    run = [sys.executable, "-m", "mem0_telemetry", "status"]
    assert (
        "shows a notice about telemetry"
        in subprocess.run(
            run, env=environ, stdout=subprocess.PIPE, stderr=end, text=True, check=True, timeout=60
        ).stdout
    )
    state_file.update(str(tmp_path / ".mem0"), lambda state: state._replace(notice={"version": 1}))
    shown = subprocess.run(
        run, env=environ, stdout=subprocess.PIPE, stderr=end, text=True, check=True, timeout=60
    )
    os.close(main)
    os.close(end)
    assert "notice" not in shown.stdout
