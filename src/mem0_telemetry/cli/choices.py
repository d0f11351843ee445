"""`enable`, `disable`, `reset-id` and `clean`: what a user decides for all processes that share `MEM0_DIR`."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from mem0_telemetry.cli.console import failed, plural, prose, shortened
from mem0_telemetry.cli.status import status_here
from mem0_telemetry.delivery import is_there, purge
from mem0_telemetry.policy import identity, state_file
from mem0_telemetry.policy.consent import ENABLED, choice_of
from mem0_telemetry.policy.state_file import State

_GOVERNS = """\
This governs every process that uses mem0-telemetry with {directory}. In a process without it, \
Mem0's own telemetry goes on: only MEM0_TELEMETRY=False in its environment stops that."""
_OF_MEM0 = """\
Mem0's own id stays in {directory}/config.json. It is Mem0's file, and this command does not change it."""


def run(choice: str) -> int:
    """Carry out the command `choice` and answer its exit status."""
    directory = state_file.mem0_dir(os.environ)
    commands = {"enable": _enable, "disable": _disable, "reset-id": _reset_id, "clean": _clean}
    said, trouble, status = StringIO(), None, 1
    try:
        with redirect_stdout(said):  # printed once all is done: where nobody can read it, too
            status = commands[choice](directory)
    except OSError as error:
        trouble = error
    print(said.getvalue(), end="")
    if trouble is None:
        return status
    ours = shortened(state_file.telemetry_dir(directory))
    return failed(
        f"{choice}: nothing can be stored in {ours} ({_why(trouble)}). To switch telemetry off without it, "
        "set MEM0_TELEMETRY=False in the environment."
    )


def _why(error: OSError) -> str:
    at = error.filename2 or error.filename
    return f"{error.strerror}: {shortened(str(at))}" if error.strerror and at else str(error)


def _enable(directory: str) -> int:
    if choice_of(state_file.read(directory)) == ENABLED:
        done = "`disable` was not in force"
    else:
        state_file.update(directory, lambda state: _known(state)._replace(disabled=False))
        done = "`disable` is withdrawn"
    found = status_here(os.environ, directory, ())
    if found.enabled:
        prose(
            f"{done}: usage telemetry is on. A process that was recording when it was switched off goes on; "
            "one that started while it was off stays off until it is restarted."
        )
        return 0
    prose(f"{done}. In this environment usage telemetry is off all the same:")
    for source, reason in ((found.source, found.reason), *found.also_off):
        prose(f"  {source}: {reason}")
    return 0


def _disable(directory: str) -> int:
    try:
        state_file.update(directory, lambda state: identity.forget(_known(state)._replace(disabled=True)))
        prose(
            "Usage telemetry is off until `mem0-telemetry enable`. Running processes stop at their next batch. "
            "The id is forgotten."
        )
    finally:  # where the choice cannot be stored, too
        status = _delete(directory)
    print()
    prose(_GOVERNS.format(directory=shortened(directory)))
    return status


def _reset_id(directory: str) -> int:
    found = status_here(os.environ, directory, ())
    if found.enabled:
        fresh = identity.reset(directory)
        prose(f"Events are sent under this fresh random id from now on:\n{fresh.id}")
        prose("Running processes change to it with their next batch.")
    else:
        _forget_id(directory)
        prose(
            f"Usage telemetry is off ({found.reason}), so no id is made. The next event, if it is switched on, "
            "is sent under a fresh random id."
        )
    return _delete(directory)  # sent under the new id as well, it would link the two


def _clean(directory: str) -> int:
    if not is_there(_ours(directory)):
        prose("There is nothing of telemetry's here, and nothing to delete.")
        return 0
    try:
        _forget_id(directory)
        prose("The id is forgotten. The next event, if telemetry is on, is sent under a fresh random id.")
    finally:
        status = _delete(directory)
    return status


def _delete(directory: str) -> int:
    """Delete what waits and the history; say what is deleted and what is not, and return the exit status."""
    ours = _ours(directory)
    if not is_there(ours):
        return 0
    events, left = purge(ours)
    if left:
        names = ", ".join(shortened(str(path)) for path in left)
        return failed(
            f"not everything could be deleted. What may be left is in {names}. Only the user who owns it can "
            "delete it."
        )
    prose(f"Deleted: {plural(events, 'event')} that waited, and the history of what was sent.")
    if identity.is_in_config(directory):
        prose(_OF_MEM0.format(directory=shortened(directory)))
    return 0


def _ours(directory: str) -> Path:
    return Path(state_file.telemetry_dir(directory))


def _forget_id(directory: str) -> None:
    if is_there(_ours(directory)):
        state_file.update(directory, identity.forget)


def _known(state: State) -> State:
    """Answer the state; one that cannot be read is begun anew, without an id that it may have withdrawn."""
    return state if state.readable else State(fresh_id=True)
