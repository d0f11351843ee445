# SPDX-License-Identifier: Apache-2.0
"""The notice: who sits at a terminal is told before anything is recorded, once for each installation.

The run that shows it records nothing. It is shown when the first event would be recorded, so never in a run
that was switched off before or that uses no Mem0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import gmtime, strftime
from typing import TextIO

from mem0_telemetry.base.guard import guard
from mem0_telemetry.environment_variables import (
    MEM0_TELEMETRY_DEBUG,
    MEM0_TELEMETRY_EXPORTER,
    is_explicitly_on,
    is_set,
    text,
)
from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.state_file import State

VERSION = 1
"""To be raised where the text says something new: then it is shown once more."""

SOURCE = "notice"
"""The source of consent that stands for the run in which the notice was shown."""

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
"""Seconds that the one small write may wait for another process: it is on the caller's thread."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person sees what is written to `stream`. Never raises."""
    with guard("looking for a terminal"):  # anything may have replaced stderr
        try:
            return stream is not None and os.isatty(stream.fileno())
        except (AttributeError, OSError, ValueError):  # no descriptor, or closed
            return False
    return False


def concerns(environ: Mapping[str, str], *, terminal: bool, vendor: bool) -> bool:
    """Return whether somebody has to be told at all. Pure.

    Args:
        environ: the environment; whoever has chosen there needs no notice.
        terminal: stderr is a terminal.
        vendor: a destination is PostHog at Mem0's own host.
    """
    chosen = is_explicitly_on(environ) or bool(text(environ, MEM0_TELEMETRY_EXPORTER))
    return terminal and vendor and not chosen and not is_set(environ, MEM0_TELEMETRY_DEBUG)


def is_shown(state: State) -> bool:
    """Return whether this version of the notice was shown on this installation."""
    version = state.notice.get("version")
    return isinstance(version, int) and version >= VERSION


def admits(
    directory: str, environ: Mapping[str, str], *, stderr: TextIO | None, vendor: bool, state: State
) -> bool:
    """Return whether this run may record, as far as the notice goes; shows the notice where that is due.

    To be called once for a process, when the first event would be recorded. Where the notice cannot be
    remembered, nothing is shown and nothing is recorded. Never raises.

    Args:
        directory: Mem0's directory.
        environ: the environment.
        stderr: where the notice goes.
        vendor: a destination is PostHog at Mem0's own host.
        state: the state as it was read when this process began.
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
    """Store that the notice is shown; False where another process was first, or nothing can be stored."""
    first = False

    def show(state: State) -> State:
        nonlocal first
        first = not is_shown(state)
        return state._replace(notice=run) if first else state

    with suppress(OSError):
        state_file.update(directory, show, timeout=_TIMEOUT)
        return first
    return False


def _this_run() -> dict[str, object]:
    """Return which run this is: the processes that a shell started together, on one day.

    Containers that share a directory number theirs alike, so it is also when the first of them was started.
    """
    group = os.getpgrp() if hasattr(os, "getpgrp") else os.getppid()
    day = strftime("%Y-%m-%d", gmtime())
    return {"version": VERSION, "date": day, "group": group, "started": _start_of(group)}


def _start_of(process: int) -> int | None:
    """Return when a process was started, in ticks since the system was; None where nothing tells."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2]
        return int(after_name.split()[_START_TIME])
    except (OSError, ValueError, IndexError):  # no Linux, or the process has ended
        return None


_START_TIME = 19
"""Among the fields of `/proc/<process>/stat` that follow the program's name, which is in parentheses."""


def _is_same(run: dict[str, object], stored: Mapping[str, object]) -> bool:
    """Return whether `run` is the one that showed the notice."""
    if any(run[name] != stored.get(name) for name in ("version", "date", "group")):
        return False
    # The first process of a run may have ended before the last one asks: then it is taken for the same run.
    return run["started"] == stored.get("started") or None in (run["started"], stored.get("started"))
