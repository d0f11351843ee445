"""The notice: who sits at a terminal is told before anything is recorded, once for each installation.

The run that shows it records nothing. It is shown when the first event would be recorded, so never in a run
that was switched off before or that uses no Mem0.
"""

from __future__ import annotations

import os

from mem0_telemetry.base.guard import guard
from mem0_telemetry.environment_variables import (
    MEM0_TELEMETRY_DEBUG,
    MEM0_TELEMETRY_EXPORTER,
    is_explicitly_on,
    is_set,
    text,
)
from mem0_telemetry.policy import state_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

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
        return not _is_of(run, state.notice)
    if _remember(directory, {**run, _STARTED: _start_of_group()}) and stderr is not None:
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
        return state.but(notice=run) if first else state

    try:
        state_file.update(directory, show, timeout=_TIMEOUT)
    except OSError:
        return False
    return first


def _this_run() -> dict[str, object]:
    """Say which run this is: the processes that a shell started together, on one day."""
    from time import gmtime, strftime  # noqa: PLC0415

    return {"version": VERSION, "date": strftime("%Y-%m-%d", gmtime()), "group": _group()}


def _group() -> int:
    return os.getpgrp() if hasattr(os, "getpgrp") else os.getppid()


def _is_of(run: dict[str, object], stored: Mapping[str, object]) -> bool:
    """Return whether `run` showed the notice, where containers that share a directory number theirs alike."""
    if {name: value for name, value in stored.items() if name != _STARTED} != run:
        return False
    started, stored_start = _start_of_group(), stored.get(_STARTED)
    # The first process of a run may have ended before the last one asks: then it is taken for the same run.
    return None in (started, stored_start) or started == stored_start


def _start_of_group() -> int | None:
    """Return when the group's first process was started, in ticks since the system was; None where nothing tells."""
    try:
        with open(f"/proc/{_group()}/stat", "rb") as stat:  # noqa: PTH123  # `pathlib` costs 10 ms
            return int(stat.read().rpartition(b")")[2].split()[_START_TIME])
    except (OSError, ValueError, IndexError):  # no Linux, or the process has ended
        return None


_STARTED = "started"
_START_TIME = 19
"""Among the fields of `/proc/<process>/stat` that follow the program's name, which is in parentheses."""
