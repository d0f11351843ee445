"""`state.json`: atomic, locked, unreadable means off, and never created by reading."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mem0_telemetry import _state
from mem0_telemetry._state import State, mem0_dir, read, update

pytestmark = pytest.mark.interpreter


def state_file(directory: Path) -> Path:
    """Answer where the state is kept."""
    return directory / "telemetry" / "state.json"


def disable(state: State) -> State:
    """Change the state as `mem0-telemetry disable` does."""
    return state.but(disabled=True)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A new installation reads as an empty state, and reading leaves no trace."""
    assert read(str(tmp_path / "missing")) == State()
    assert list(tmp_path.iterdir()) == []


def test_a_change_is_stored_and_private(tmp_path: Path) -> None:
    """What is stored is read again; directory and files are the owner's alone."""
    update(str(tmp_path), disable)
    assert read(str(tmp_path)) == State(disabled=True)
    assert stat.S_IMODE((tmp_path / "telemetry").stat().st_mode) == 0o700
    assert stat.S_IMODE(state_file(tmp_path).stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "telemetry").iterdir()) == ["state.json", "state.lock"]


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    """A change that changes nothing leaves the file alone."""
    update(str(tmp_path), disable)
    before = state_file(tmp_path).stat()
    update(str(tmp_path), disable)
    assert state_file(tmp_path).stat().st_mtime_ns == before.st_mtime_ns
    assert state_file(tmp_path).stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"disabled": "no"}',
        b'{"disabled": false, "installation_id": 7}',
        b'{"disabled": false, "notice": []}',
        b"\xff\xfe\x00",
        b"[" * 60_000,
        b'{"disabled": false, "notice": {"x": "' + b"x" * 70_000 + b'"}}',
    ],
    ids=range(11),
)
def test_what_cannot_be_understood_is_unreadable(tmp_path: Path, content: bytes) -> None:
    """A file that is no state is unreadable, never an empty state: it may have said off."""
    state_file(tmp_path).parent.mkdir()
    state_file(tmp_path).write_bytes(content)
    assert not read(str(tmp_path)).readable
    with pytest.raises(OSError, match="cannot be read"):
        update(str(tmp_path), disable)
    assert state_file(tmp_path).read_bytes() == content


def test_an_unreadable_state_can_be_written_anew(tmp_path: Path) -> None:
    """Somebody who says what the state is to be gets it, whatever was there."""
    state_file(tmp_path).parent.mkdir()
    state_file(tmp_path).write_bytes(b"{")
    update(str(tmp_path), lambda _: State(disabled=True))
    assert read(str(tmp_path)) == State(disabled=True)


@pytest.mark.parametrize("kind", ["directory", "fifo", "link"])
def test_what_is_no_file_is_unreadable_and_does_not_hang(tmp_path: Path, kind: str) -> None:
    """A directory, a pipe or a link in the place of the file is unreadable, at once."""
    path = state_file(tmp_path)
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        (tmp_path / "elsewhere").write_text('{"disabled": false}')
        path.symlink_to(tmp_path / "elsewhere")
    assert not read(str(tmp_path)).readable


def test_a_telemetry_directory_that_is_a_file_is_no_state(tmp_path: Path) -> None:
    """Where our directory cannot exist there is no choice stored, and storing one fails plainly."""
    (tmp_path / "telemetry").write_text("")
    assert read(str(tmp_path)) == State()
    with pytest.raises(OSError, match="telemetry"):
        update(str(tmp_path), disable)


def test_a_failing_change_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    """An exception in a change passes through, the state stays and the lock is free again."""
    update(str(tmp_path), disable)

    def fail(_: State) -> State:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        update(str(tmp_path), fail)
    assert update(str(tmp_path), lambda state: state, timeout=0) == State(disabled=True)


def test_a_full_disk_leaves_the_state_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new state does not fit, the old one stays and nothing is left beside it."""
    update(str(tmp_path), disable)

    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(OSError, match="No space"):
        update(str(tmp_path), lambda state: state.but(fresh_id=True))
    monkeypatch.undo()
    assert read(str(tmp_path)) == State(disabled=True)
    assert sorted(path.name for path in (tmp_path / "telemetry").iterdir()) == ["state.json", "state.lock"]


def test_waiting_for_the_lock_has_an_end(tmp_path: Path) -> None:
    """Another process that keeps the lock costs no more than the time that is given."""
    held, leave = threading.Event(), threading.Event()

    def hold(state: State) -> State:
        held.set()
        leave.wait(60)
        return state

    holder = threading.Thread(target=update, args=(str(tmp_path), hold))
    holder.start()
    assert held.wait(60)
    with pytest.raises(TimeoutError):
        update(str(tmp_path), disable, timeout=0.05)
    leave.set()
    holder.join(60)
    assert update(str(tmp_path), disable).disabled


COUNT = """
import sys
from mem0_telemetry._state import update
for _ in range(20):
    update(sys.argv[1], lambda s: s.but(notice={"n": s.notice.get("n", 0) + 1}), timeout=60)
"""


def test_changes_of_many_processes_do_not_get_lost(tmp_path: Path) -> None:
    """Eight processes that count up together count every one of their steps."""
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(8)]
    assert [process.wait(180) for process in processes] == [0] * 8
    assert read(str(tmp_path)).notice == {"n": 160}


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    """A user who opens the file can read it."""
    update(str(tmp_path), lambda state: state.but(installation_id="x", notice={"version": 1}))
    assert json.loads(state_file(tmp_path).read_text()) == {
        "disabled": False,
        "fresh_id": False,
        "installation_id": "x",
        "notice": {"version": 1},
        "seeded_id": False,
    }


def test_the_directory_is_mem0s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`MEM0_DIR` where it is set, else `.mem0` in the home directory, and an absolute path in both cases."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mem0_dir({}) == mem0_dir({"MEM0_DIR": ""}) == str(tmp_path / ".mem0")
    monkeypatch.chdir(tmp_path)
    assert mem0_dir({"MEM0_DIR": "here"}) == str(tmp_path / "here")


def test_without_a_home_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no home directory, reading finds nothing and storing fails: no `~` is made anywhere."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    directory = mem0_dir({})
    assert read(directory) == State()
    with pytest.raises(OSError, match="Not a directory"):
        update(directory, disable)


def test_without_locks_the_state_is_still_replaced_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a platform without `fcntl` everything but the mutual exclusion works."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert _state.update(str(tmp_path), disable) == State(disabled=True)
    assert read(str(tmp_path)) == State(disabled=True)
