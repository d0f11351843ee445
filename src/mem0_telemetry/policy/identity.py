# SPDX-License-Identifier: Apache-2.0
"""One random id for each installation: Mem0's own id while it is only a random id, else one of ours.

Mem0 stores a UUID as `user_id` in `config.json`. Native telemetry links it to the account's e-mail, and a hosted
client sends it together with the API key. It is then no longer a pseudonym, and a new id replaces it.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import suppress
from functools import cache, partial
from threading import Event
from typing import Any, NamedTuple

from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.state_file import State

_LARGEST_CONFIG = 1_048_576
"""Bytes of Mem0's `config.json` that are read."""

_CONFIG_READS = 3
_CONFIG_PAUSE = 0.02
"""Seconds before an unparsable `config.json` is read again: some tools of Mem0 write it in place."""

_ATTEMPTS = 20
_PATIENCE = 0.1
"""Seconds to wait for the lock before checking again whether another process has created the id."""

_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""A UUID of version 4 only: a UUID of version 1 contains the machine's MAC address."""


class Identity(NamedTuple):
    """The id under which events are sent."""

    id: str
    """A random UUID."""
    ephemeral: bool = False
    """Whether the id could not be stored. Then only this process and its forked children use it."""


def current(directory: str) -> Identity | None:
    """Return the id of the next event, or None if it has yet to be created. Only reads; never raises."""
    state = state_file.read(directory)
    with suppress(OSError):  # `config.json` cannot be read or parsed: the next id is an ephemeral one
        if _is_usable(state, directory, account_linked=False):
            return Identity(str(state.installation_id))
    return None


def establish(directory: str, *, account_linked: bool = False) -> Identity:
    """Return the id; create it if there is none, and replace an id that has been linked to an account.

    Called at the first event that is really recorded, and again when a hosted client is built. Processes and threads
    that call it at the same time get the same id. If nothing can or may be stored (`disable`), or if `config.json`
    exists but cannot be read or parsed, the id is a random one of this process. Never raises. May wait 2 s for
    another process, so it must not run on the thread that records an event.

    Args:
        directory: Mem0's directory.
        account_linked: whether this process has built a hosted client, which links Mem0's id to an account.
    """
    change = partial(_with_usable_id, directory=directory, account_linked=account_linked)
    for _ in range(_ATTEMPTS):
        try:
            state = state_file.read(directory)
            if not _is_usable(state, directory, account_linked=account_linked):
                state = state_file.update(directory, change, timeout=_PATIENCE)
        except TimeoutError:  # many wait for the lock: one may have stored the id, so check again
            continue
        except OSError:
            break
        return Identity(str(state.installation_id))
    return _ephemeral()


def reset(directory: str) -> Identity:
    """Store a fresh id in Mem0's `directory` and return it. Raises OSError if it cannot be stored."""
    return Identity(str(state_file.update(directory, _with_fresh_id).installation_id))


def forget(state: State) -> State:
    """Return the state without its id; the next id will be a fresh one, whatever `config.json` contains."""
    return state._replace(installation_id=None, seeded_id=False, fresh_id=True)


def is_in_config(directory: str) -> bool:
    """Return whether Mem0's own `config.json` contains an id. The file is Mem0's, so we never delete that id."""
    with suppress(OSError):
        return bool(_read_config(directory).get("user_id"))
    return False


def _is_usable(state: State, directory: str, *, account_linked: bool) -> bool:
    """Return whether the state has an id that may be used. Raises OSError like `_read_config`."""
    if not _is_random_uuid(state.installation_id):
        return False
    return not state.seeded_id or not (account_linked or _shows_account(_read_config(directory)))


def _with_usable_id(state: State, directory: str, *, account_linked: bool) -> State:
    """Return the state with an id that may be used. Check again under the lock: another process may have stored one."""
    if _is_usable(state, directory, account_linked=account_linked):
        return state
    if state.disabled:
        raise OSError("switched off in the meantime")
    if state.fresh_id or state.installation_id is not None or account_linked:
        return _with_fresh_id(state)
    config = _read_config(directory)
    if _shows_account(config) or not _is_random_uuid(config.get("user_id")):
        return _with_fresh_id(state)
    return state._replace(installation_id=config["user_id"], seeded_id=True)


def _with_fresh_id(state: State) -> State:
    return state._replace(installation_id=str(uuid.uuid4()), seeded_id=False, fresh_id=False)


def _read_config(directory: str) -> dict[str, Any]:
    """Return the content of Mem0's `config.json`, or `{}` if there is no such file. Never changes the file.

    Raises:
        OSError: if the file cannot be read, or does not contain a JSON object as Mem0 writes it.
    """
    pause = Event()
    for _ in range(_CONFIG_READS):
        try:
            descriptor = os.open(f"{directory}/config.json", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            return {}
        try:
            with suppress(ValueError, RecursionError):
                found = json.loads(os.read(descriptor, _LARGEST_CONFIG))
                if type(found) is dict:
                    return found
        finally:
            os.close(descriptor)
        pause.wait(_CONFIG_PAUSE)
    raise OSError("config.json cannot be understood")


def _shows_account(config: dict[str, Any]) -> bool:
    """Return whether `config.json` shows that Mem0's id has been linked to an account."""
    telemetry, platform = config.get("telemetry"), config.get("platform")
    aliased = type(telemetry) is dict and bool(telemetry.get("aliased_pairs"))
    known = type(platform) is dict and bool(platform.get("user_email") or platform.get("api_key"))
    return aliased or known


def _is_random_uuid(value: object) -> bool:
    return type(value) is str and _RANDOM_UUID.fullmatch(value) is not None


@cache
def _ephemeral() -> Identity:
    """Return the random id of this process, which its forked children share."""
    return Identity(str(uuid.uuid4()), ephemeral=True)
