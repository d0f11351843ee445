"""`enable`, `disable`, `reset-id` and `clean`: what a user decides for all processes that share `MEM0_DIR`."""

from __future__ import annotations

import os
from pathlib import Path

from mem0_telemetry import _state
from mem0_telemetry._state import State
from mem0_telemetry.cli.console import failed, plural, prose, shortened
from mem0_telemetry.cli.status import status_here
from mem0_telemetry.delivery import purge
from mem0_telemetry.policy import identity
from mem0_telemetry.policy.consent import ENABLED, choice_of

_GOVERNS = """\
This governs every process that uses mem0-telemetry with {directory}. In a process without it, \
Mem0's own telemetry goes on: only MEM0_TELEMETRY=False in its environment stops that."""


def run(choice: str) -> int:
    """Carry out the command `choice` and answer its exit status."""
    directory = _state.mem0_dir(os.environ)
    commands = {"enable": _enable, "disable": _disable, "reset-id": _reset_id, "clean": _clean}
    try:
        return commands[choice](directory)
    except OSError as error:
        ours = shortened(_state.telemetry_dir(directory))
        return failed(
            f"{choice}: nothing can be stored in {ours} ({_why(error)}). To switch telemetry off without it, "
            "set MEM0_TELEMETRY=False in the environment."
        )


def _why(error: OSError) -> str:
    at = error.filename2 or error.filename
    return f"{error.strerror}: {shortened(str(at))}" if error.strerror and at else str(error)


def _enable(directory: str) -> int:
    if choice_of(_state.read(directory)) == ENABLED:
        done = "`disable` was not in force"
    else:
        _state.update(directory, lambda state: _known(state).but(disabled=False))
        done = "`disable` is withdrawn"
    found = status_here(os.environ, directory, ())
    if found.enabled:
        prose(f"{done}: usage telemetry is on in processes that start from now on.")
        return 0
    prose(f"{done}. In this environment usage telemetry is off all the same:")
    for source, reason in ((found.source, found.reason), *found.also_off):
        prose(f"  {source}: {reason}")
    return 0


def _disable(directory: str) -> int:
    try:
        _state.update(directory, lambda state: identity.forget(_known(state).but(disabled=True)))
        prose(
            "Usage telemetry is off, for good: in processes that start from now on, and in those that run no "
            "later than at their next batch. The id is forgotten."
        )
    finally:  # where the choice cannot be stored, too
        status = _delete(directory) if os.path.lexists(_state.telemetry_dir(directory)) else 0
    print()
    prose(_GOVERNS.format(directory=shortened(directory)))
    return status


def _reset_id(directory: str) -> int:
    found = status_here(os.environ, directory, ())
    if not found.enabled:
        _forget_id(directory)
        prose(
            f"Usage telemetry is off ({found.reason}), so no id is made. If it is switched on, run this again."
        )
        return 0
    fresh = identity.reset(directory)
    prose(f"From now on events are sent under this fresh random id:\n{fresh.id}")
    prose("Processes that run keep the old one until they end.")
    return 0


def _clean(directory: str) -> int:
    ours = Path(_state.telemetry_dir(directory))
    if not os.path.lexists(ours):
        prose("There is nothing of telemetry's here, and nothing to delete.")
        return 0
    try:
        _forget_id(directory)
        prose("The id is forgotten. The next event, if telemetry is on, is sent under a fresh random one.")
    finally:
        status = _delete(directory)
    return status


def _delete(directory: str) -> int:
    """Delete what waits and the last sends; say what is deleted, or what is not, and answer the exit status."""
    events, left = purge(Path(_state.telemetry_dir(directory)))
    if left:
        names = ", ".join(shortened(str(path)) for path in left)
        return failed(f"{plural(events, 'event')} deleted, but not everything: {names} could not be.")
    prose(f"Deleted: {plural(events, 'event')} that waited, and the last sends.")
    return 0


def _forget_id(directory: str) -> None:
    if os.path.lexists(_state.telemetry_dir(directory)):
        _state.update(directory, identity.forget)


def _known(state: State) -> State:
    """Answer the state; one that cannot be read is begun anew, without an id that it may have withdrawn."""
    return state if state.readable else State(fresh_id=True)
