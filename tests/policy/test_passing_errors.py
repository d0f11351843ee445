"""Tests of reading `state.json`: a temporary error is not an opt-out, an unreadable file is."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.policy import consent, state_file

if TYPE_CHECKING:
    from pathlib import Path

    from mem0_telemetry.policy.state_file import State


def state_where(monkeypatch: pytest.MonkeyPatch, directory: Path, function: str, error: int) -> State:
    """Return the state that is read while `os.<function>` fails with `error`."""
    state_file.update(str(directory), lambda state: state._replace(disabled=False, fresh_id=True))
    real = getattr(os, function)

    def fail(what: Any, *arguments: Any, **options: Any) -> Any:
        if function == "read" or str(what).endswith("state.json"):
            raise OSError(error, os.strerror(error))
        return real(what, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        return state_file.read(str(directory))


@pytest.mark.parametrize("function", ["open", "read"])
@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "ESTALE"])
def test_a_temporary_error_does_not_say_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: str, name: str
) -> None:
    """If the system temporarily cannot read the file, the stored choice is unknown and does not say off."""
    state = state_where(monkeypatch, tmp_path, function, getattr(errno, name))
    assert state.readable is None
    assert consent.decide({}, state=state).enabled is True


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "ELOOP", "EISDIR", "ENXIO"])
def test_an_unreadable_file_says_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """If permission is missing, or the path is not a regular file, it may contain an opt-out, so telemetry is off."""
    state = state_where(monkeypatch, tmp_path, "open", getattr(errno, name))
    assert state.readable is False
    assert consent.decide({}, state=state).enabled is False


def test_a_temporarily_unreadable_state_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change fails while the file is temporarily unreadable, because it would lose the content."""
    state_file.update(str(tmp_path), lambda state: state._replace(disabled=True))
    monkeypatch.setattr(state_file, "read", lambda _: state_file.State(readable=None))
    with pytest.raises(OSError, match="cannot be read"):
        state_file.update(str(tmp_path), lambda state: state._replace(disabled=False))
    monkeypatch.undo()
    assert state_file.read(str(tmp_path)).disabled is True
