# SPDX-License-Identifier: Apache-2.0
"""The notice: inform a user at a terminal before anything is recorded, once for each installation.

The run that shows the notice records nothing. It is shown when the first event would be recorded, so never in a run
that is already switched off or does not use Mem0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import gmtime, strftime
from typing import TextIO

from mem0_telemetry import environment_variables as env
from mem0_telemetry.base.guard import guard
from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.state_file import State

VERSION = 1
"""Increase this if the text says something new: the notice is then shown again."""

SOURCE = "notice"
"""The source of consent in the run that shows the notice."""

REASON = "the first run at a terminal only shows the notice; the next one is recorded"

TEXT = """\
Mem0 usage telemetry (mem0-telemetry) is on from the next run; this run records
nothing. It tells Mem0's maintainers which features, component classes and
versions are in use, under a random id of this installation. It goes to Mem0's
PostHog project in the US. Your memories, prompts, ids and keys are never sent.

  See it:   MEM0_TELEMETRY_DEBUG=1   each field: mem0-telemetry events
  Stop it:  mem0-telemetry disable   or set MEM0_TELEMETRY=False
"""

_TIMEOUT = 0.2
"""Seconds that the one small write, on the caller's thread, may wait for another process."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether `stream` is a terminal. Never raises."""
    # The program may have closed stderr, or replaced it with an object that has no descriptor.
    with guard("looking for a terminal"), suppress(AttributeError, OSError, ValueError):
        return stream is not None and os.isatty(stream.fileno())
    return False


def concerns(environ: Mapping[str, str], *, terminal: bool, vendor: bool) -> bool:
    """Return whether this run needs the notice. Pure.

    Args:
        environ: the environment; a user who made a choice there needs no notice.
        terminal: whether stderr is a terminal.
        vendor: whether a destination is PostHog at Mem0's own host.
    """
    chosen = env.is_explicitly_on(environ) or env.text(environ, env.MEM0_TELEMETRY_EXPORTER)
    return terminal and vendor and not chosen and not env.is_set(environ, env.MEM0_TELEMETRY_DEBUG)


def is_shown(state: State) -> bool:
    """Return whether this version of the notice was shown on this installation."""
    version = state.notice.get("version")
    return isinstance(version, int) and version >= VERSION


def admits(
    directory: str, environ: Mapping[str, str], *, stderr: TextIO | None, vendor: bool, state: State
) -> bool:
    """Return whether the notice lets this run record events; show the notice if it is due.

    Called once per process, when the first event would be recorded. If it cannot be stored that the notice was shown,
    nothing is shown and nothing is recorded. Never raises.

    Args:
        directory: Mem0's directory.
        environ: the environment.
        stderr: the stream for the notice.
        vendor: whether a destination is PostHog at Mem0's own host.
        state: the state as this process last read it.
    """
    if not concerns(environ, terminal=is_terminal(stderr), vendor=vendor):
        return True
    run = _this_run()
    if is_shown(state):
        return not _is_same(run, state.notice)
    if _remember(directory, run) and stderr is not None:
        with guard("showing the notice"):
            stderr.write(TEXT)
            stderr.flush()
    return False


def _remember(directory: str, run: dict[str, object]) -> bool:
    """Store that this run shows the notice. Return False if another process was first, or nothing can be stored."""

    def show(state: State) -> State:
        return state if is_shown(state) else state._replace(notice=run)

    with suppress(OSError):
        return state_file.update(directory, show, timeout=_TIMEOUT).notice is run
    return False


def _this_run() -> dict[str, object]:
    """Identify this run: the processes that a shell started together, on one day.

    Containers that share a directory may use equal process numbers, so the start time of the first process counts too.
    """
    group = os.getpgrp() if hasattr(os, "getpgrp") else os.getppid()
    started = None
    with suppress(OSError, ValueError, IndexError):  # not Linux, or the first process has ended
        # The field `starttime` of proc(5), counted after the program's name, which is in parentheses.
        started = int(Path(f"/proc/{group}/stat").read_bytes().rpartition(b")")[2].split()[19])
    day = strftime("%Y-%m-%d", gmtime())
    return {"version": VERSION, "date": day, "group": group, "started": started}


def _is_same(run: dict[str, object], stored: Mapping[str, object]) -> bool:
    """Return whether `run` is the one that showed the notice. An unknown start time matches any other."""
    started = stored.get("started")
    if run["started"] is None or started is None:
        run = {**run, "started": started}
    return all(stored.get(name) == value for name, value in run.items())
