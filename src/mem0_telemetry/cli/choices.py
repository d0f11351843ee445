# SPDX-License-Identifier: Apache-2.0
"""`enable`, `disable`, `reset-id` and `clean`: the user's choices for all processes that share `MEM0_DIR`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from mem0_telemetry.cli.console import failed, plural, prose, shortened
from mem0_telemetry.cli.status import WITHOUT_US, consent_here
from mem0_telemetry.delivery.reading import is_there, purge
from mem0_telemetry.pipeline.destinations import resolve
from mem0_telemetry.policy import identity, state_file
from mem0_telemetry.policy.state_file import State


def run(choice: str) -> int:
    """Carry out the command `choice` and return its exit status."""
    mem0_dir = state_file.mem0_dir(os.environ)
    commands = {"enable": _enable, "disable": _disable, "reset-id": _reset_id, "clean": _clean}
    said, problem, status = StringIO(), "", 0
    try:
        with redirect_stdout(said):  # An output that cannot be written must not stop the work half-way.
            status = commands[choice](mem0_dir)
    except OSError as error:
        at = error.filename2 or error.filename
        why = f"{error.strerror}: {shortened(str(at))}" if error.strerror and at else str(error)
        problem = (
            f"{choice}: nothing can be stored in {shortened(_ours(mem0_dir))} ({why}). To switch telemetry off "
            "all the same, set MEM0_TELEMETRY=False in the environment."
        )
    print(said.getvalue(), end="")
    return failed(problem) if problem else status


def _enable(mem0_dir: str) -> int:
    done, running = "`disable` was not in effect", ""
    stored = state_file.read(mem0_dir)
    if stored.disabled or not stored.readable:
        state_file.update(mem0_dir, lambda state: _known(state)._replace(disabled=False))
        done = "`disable` is undone"
        running = (
            " A process that was recording when telemetry was switched off records again. A process that started "
            "while it was off stays off until it is restarted."
        )
    consent = consent_here(mem0_dir, resolve(os.environ))
    if consent.enabled:
        prose(f"{done}: usage telemetry is on.{running}")
        return 0
    prose(f"{done}. But usage telemetry is still off in this environment:")
    for source, reason in ((consent.source, consent.reason), *consent.also):
        prose(f"{source}: {reason}", indent="  ")
    return 0


def _disable(mem0_dir: str) -> int:
    def store() -> str:
        state_file.update(mem0_dir, lambda state: identity.forget(_known(state)._replace(disabled=True)))
        return (
            f"Usage telemetry is off with the MEM0_DIR {shortened(mem0_dir)} until `mem0-telemetry enable`. "
            "Running processes stop at their next batch. The id is deleted."
        )

    status = _store_and_delete(mem0_dir, store)
    prose(f"\n{WITHOUT_US}")
    return status


def _reset_id(mem0_dir: str) -> int:
    def store() -> str:
        return (
            f"From now on events are sent under this new random id:\n{identity.reset(mem0_dir).id}\n"
            "Running processes use it from their next batch on."
        )

    consent = consent_here(mem0_dir, resolve(os.environ))
    if consent.enabled:
        return _store_and_delete(mem0_dir, store)
    prose(f"Usage telemetry is off ({consent.reason}), so no id is made.")
    return _clean(mem0_dir) if is_there(_ours(mem0_dir)) else 0


def _clean(mem0_dir: str) -> int:
    def store() -> str:
        state_file.update(mem0_dir, identity.forget)
        return "The id is deleted. The next event that is recorded is sent under a new random id."

    if not is_there(_ours(mem0_dir)):
        prose("Telemetry has stored nothing here, so there is nothing to delete.")
        return 0
    return _store_and_delete(mem0_dir, store)


def _store_and_delete(mem0_dir: str, store: Callable[[], str]) -> int:
    """Store a choice, print the text that `store` returns, delete the unsent events, and return the exit status.

    An unsent event has the old id: sent after the choice, it would link the old id to the new one. If `store` fails,
    delete first and try again: the unsent events may have filled the disk.
    """
    try:
        prose(store())
    except OSError:
        status = _delete(mem0_dir)
        prose(store())
        purge(_ours(mem0_dir))  # a running process may have spooled a batch in between
        return status
    except KeyboardInterrupt:  # while another process holds the lock
        _delete(mem0_dir)
        raise
    return _delete(mem0_dir)


def _delete(mem0_dir: str) -> int:
    """Delete the unsent events and the history, print what is deleted and what is not, and return the exit status."""
    if not is_there(_ours(mem0_dir)):
        return 0
    events, left = purge(_ours(mem0_dir))
    if left:
        places = ", ".join(map(shortened, left))
        return failed(
            f"not everything could be deleted. The rest is in {places}. Only the user who owns it can delete it."
        )
    prose(f"Deleted: {plural(events, 'event')} that waited, and the history of what was sent.")
    if identity.is_in_config(mem0_dir):
        where = f"{shortened(mem0_dir)}/config.json"
        prose(f"Mem0's own id stays in {where}. It is Mem0's file, and this command does not change it.")
    return 0


def _ours(mem0_dir: str) -> Path:
    return Path(state_file.telemetry_dir(mem0_dir))


def _known(state: State) -> State:
    """Return the state. Replace an unreadable one: it may have withdrawn the id, so the next id must be new."""
    return state if state.readable else State(fresh_id=True)
