"""One random id for each installation: Mem0's own where that is no more than a random id, else one of ours.

Mem0 keeps a UUID as `user_id` in `config.json`. Native telemetry links it to the account's e-mail, and a
hosted client sends it beside the API key: from then on it is no pseudonym, and another one takes its place.
"""

from __future__ import annotations

import os

from mem0_telemetry.base.frozen import Frozen
from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.registry.types import Uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mem0_telemetry.policy.state_file import State

_LARGEST_CONFIG = 1_048_576
"""Bytes of Mem0's `config.json` that are read."""

_CONFIG_READS = 3
_CONFIG_PAUSE = 0.02
"""Seconds until a `config.json` that cannot be parsed is read again: some tools of Mem0 write it in place."""

_ATTEMPTS = 20
_PATIENCE = 0.1
"""Seconds to wait for the lock before looking again whether another process has made the id."""

_UUID = Uuid()
_VERSION_AT = 14

_ephemeral_id: str | None = None


class Identity(Frozen):
    """The id under which events are sent."""

    __slots__ = ("ephemeral", "id")
    id: str
    """A random UUID."""
    ephemeral: bool
    """It could not be stored: it is this process's, and that of the processes it forks."""

    def __init__(self, *, id: str, ephemeral: bool = False) -> None:  # noqa: A002  # there is no better word
        self._freeze(id=id, ephemeral=ephemeral)


def current(directory: str) -> Identity | None:
    """Answer the id under which the next event would be sent, or None where one has to be made for it first.

    Only reads; never raises.
    """
    state = state_file.read(directory)
    try:
        settled = _is_settled(state, directory, account_linked=False)
    except OSError:  # `config.json` cannot be understood: the next id is an ephemeral one
        settled = False
    return Identity(id=str(state.installation_id)) if settled else None


def establish(directory: str, *, account_linked: bool = False) -> Identity:
    """Answer the id, making it where there is none and replacing one that has been linked to an account.

    To be called at the first event that is really recorded, and again when a hosted client is built. However
    many processes and threads ask at once, they get one id. Where nothing can be stored or may be (`disable`), or
    `config.json` is there and cannot be understood, the answer is a random id of this process. Never raises; may
    wait 2 s for another process, so it is for the writer and not for a caller's thread.

    Args:
        directory: Mem0's directory.
        account_linked: a hosted client was built in this process, which links Mem0's id to an account.
    """

    def settled(state: State) -> State:
        return _settled(state, directory, account_linked=account_linked)

    for _ in range(_ATTEMPTS):
        try:
            state = state_file.read(directory)
            if not _is_settled(state, directory, account_linked=account_linked):
                state = state_file.update(directory, settled, timeout=_PATIENCE)
        except TimeoutError:  # a crowd at the lock: somebody may be done, and then there is nothing to write
            continue
        except OSError:
            break
        return Identity(id=str(state.installation_id))
    return _ephemeral()


def reset(directory: str) -> Identity:
    """Store a fresh id in Mem0's `directory` and answer it. Raises OSError where it cannot be stored."""
    fresh = _random_uuid()
    state_file.update(directory, lambda state: _with_own_id(state, fresh))
    return Identity(id=fresh)


def forget(state: State) -> State:
    """Answer the state without its id; the next one is a fresh one, whatever `config.json` holds."""
    return state.but(installation_id=None, seeded_id=False, fresh_id=True)


def is_in_config(directory: str) -> bool:
    """Return whether Mem0's own `config.json` holds an id: it is Mem0's file, and we delete nothing from it."""
    try:
        found = _read_config(directory)
    except OSError:
        return False
    return isinstance(found, dict) and bool(found.get("user_id"))


def _is_settled(state: State, directory: str, *, account_linked: bool) -> bool:
    if not state.readable or state.installation_id is None or not _is_random_uuid(state.installation_id):
        return False
    return not state.seeded_id or not (account_linked or _Mem0Config.read(directory).has_account)


def _settled(state: State, directory: str, *, account_linked: bool) -> State:
    """Answer the state with an id that may be used; a second look, as another process may have been first."""
    if _is_settled(state, directory, account_linked=account_linked):
        return state
    if state.disabled:
        raise OSError("switched off in the meantime")
    if state.fresh_id or state.installation_id is not None or account_linked:
        return _with_own_id(state, _random_uuid())
    config = _Mem0Config.read(directory)
    if config.has_account or config.user_id is None:
        return _with_own_id(state, _random_uuid())
    return state.but(installation_id=config.user_id, seeded_id=True)


def _with_own_id(state: State, identifier: str) -> State:
    return state.but(installation_id=identifier, seeded_id=False, fresh_id=False)


class _Mem0Config:
    """What Mem0's `config.json` says of the id. It is Mem0's: it is read, and never changed."""

    __slots__ = ("has_account", "user_id")

    def __init__(self, *, user_id: str | None, has_account: bool) -> None:
        self.user_id = user_id
        self.has_account = has_account

    @classmethod
    def read(cls, directory: str) -> _Mem0Config:
        """Read the file; raises OSError where it is there and cannot be understood."""
        from threading import Event  # noqa: PLC0415

        pause = Event()
        for _ in range(_CONFIG_READS):
            found = _read_config(directory)
            if found is not None:
                return cls._of(found)
            pause.wait(_CONFIG_PAUSE)
        raise OSError("config.json cannot be understood")

    @classmethod
    def _of(cls, found: dict[str, object]) -> _Mem0Config:
        user_id, telemetry, platform = found.get("user_id"), found.get("telemetry"), found.get("platform")
        aliased = type(telemetry) is dict and bool(telemetry.get("aliased_pairs"))
        account = type(platform) is dict and bool(platform.get("user_email") or platform.get("api_key"))
        kept = user_id if type(user_id) is str and _is_random_uuid(user_id) else None
        return cls(user_id=kept, has_account=aliased or account)


def _read_config(directory: str) -> dict[str, object] | None:
    """Answer what `config.json` holds, nothing where there is none; None where it is not what Mem0 writes."""
    import json  # noqa: PLC0415

    try:
        descriptor = os.open(f"{directory}/config.json", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(os.read(descriptor, _LARGEST_CONFIG))
    except (ValueError, RecursionError):
        return None
    finally:
        os.close(descriptor)
    return found if type(found) is dict else None


def _is_random_uuid(text: str) -> bool:
    # Version 4 only: a version 1 holds the machine's MAC address.
    return _UUID.take(text) is not None and text[_VERSION_AT] == "4"


def _random_uuid() -> str:
    import uuid  # noqa: PLC0415  # 9 ms, and only ever needed by the writer

    return str(uuid.uuid4())


def _ephemeral() -> Identity:
    global _ephemeral_id  # noqa: PLW0603  # one for the process
    if _ephemeral_id is None:
        _ephemeral_id = _random_uuid()
    return Identity(id=_ephemeral_id, ephemeral=True)
