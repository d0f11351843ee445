"""Tests of `state.json`: changes are atomic and locked, unreadable means off, and reading creates nothing."""

import errno
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mem0_telemetry.base import files
from mem0_telemetry.policy import identity, state_file
from mem0_telemetry.policy.state_file import State, mem0_dir, read, update
from support.identities import MEM0S, write_config

pytestmark = pytest.mark.interpreter


def path_of_state(directory: Path) -> Path:
    """Return the path of the state file."""
    return directory / "telemetry" / "state.json"


def disable(state: State) -> State:
    """Change the state as `mem0-telemetry disable` does."""
    return state._replace(disabled=True)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A new installation reads as an empty state, and reading leaves no trace."""
    assert read(str(tmp_path / "missing")) == State()
    assert list(tmp_path.iterdir()) == []


def test_a_change_is_stored_and_private(tmp_path: Path) -> None:
    """A stored state can be read again; only the owner has access to the directory and the files."""
    update(str(tmp_path), disable)
    assert read(str(tmp_path)) == State(disabled=True)
    assert stat.S_IMODE((tmp_path / "telemetry").stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of_state(tmp_path).stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "telemetry").iterdir()) == ["state.json", "state.lock"]


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    """A change that returns an equal state does not write the file."""
    update(str(tmp_path), disable)
    before = path_of_state(tmp_path).stat()
    update(str(tmp_path), disable)
    assert path_of_state(tmp_path).stat().st_mtime_ns == before.st_mtime_ns
    assert path_of_state(tmp_path).stat().st_ino == before.st_ino


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
def test_an_invalid_state_is_unreadable(tmp_path: Path, content: bytes) -> None:
    """A file that is not a valid state is unreadable, never an empty state: it may have contained an opt-out."""
    path_of_state(tmp_path).parent.mkdir()
    path_of_state(tmp_path).write_bytes(content)
    assert not read(str(tmp_path)).readable
    with pytest.raises(OSError, match="cannot be read"):
        update(str(tmp_path), disable)
    assert path_of_state(tmp_path).read_bytes() == content


def test_a_state_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large is refused before it is read, and one that grows meanwhile once it is too large."""
    update(str(tmp_path), disable)
    path_of_state(tmp_path).write_bytes(b"x" * (state_file._LARGEST + 1))
    chunks: list[bytes] = []
    monkeypatch.setattr(os, "read", lambda *_: chunks.pop())
    assert read(str(tmp_path)) == State(readable=False)
    path_of_state(tmp_path).write_bytes(b"")
    chunks += [b"not read", b" ", b'{"disabled": false}'.ljust(state_file._LARGEST)]
    assert read(str(tmp_path)) == State(readable=False)
    assert chunks == [b"not read"]


def test_a_state_with_odd_values_can_be_written_again(tmp_path: Path) -> None:
    """A state with odd values, even nested ones, can be read and changed without an error."""
    path_of_state(tmp_path).parent.mkdir()
    notice = '"version": 1, "deep": ' + "[" * 900 + "]" * 900 + r', "half": "\ud800", "nan": NaN'
    path_of_state(tmp_path).write_text('{"disabled": false, "notice": {' + notice + "}}")
    update(str(tmp_path), disable)
    assert read(str(tmp_path)).notice == {"version": 1, "half": "\ud800"}


def test_an_unreadable_state_can_be_replaced(tmp_path: Path) -> None:
    """A change that does not depend on the old state is stored, even if the old state is unreadable."""
    path_of_state(tmp_path).parent.mkdir()
    path_of_state(tmp_path).write_bytes(b"{")
    update(str(tmp_path), lambda _: State(disabled=True))
    assert read(str(tmp_path)) == State(disabled=True)


def put_in_the_way(path: Path, kind: str, elsewhere: Path) -> None:
    """Replace `path` with something that is not our file."""
    path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif kind == "endless device":
        path.symlink_to("/dev/zero")
    else:
        elsewhere.write_text('{"disabled": false}')
        path.symlink_to(elsewhere)


KINDS = ["directory", "pipe", "socket", "endless device", "link"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_is_no_file_is_unreadable_and_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A directory, pipe, socket, device or link instead of the file is unreadable, and is not opened."""
    path = path_of_state(tmp_path)
    path.parent.mkdir()
    put_in_the_way(path, kind, tmp_path / "elsewhere")
    opened: list[object] = []
    real = os.open

    def noting(name: str, *args: int, **kwargs: int | None) -> int:
        opened.append(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", noting)
    assert not read(str(tmp_path)).readable
    assert opened == [str(path.parent)]


def test_a_file_that_is_swapped_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that replaces the file between the check and the opening causes no wait and is closed again."""
    update(str(tmp_path), disable)
    real, opened = os.open, []

    def swap(name: str, *args: int, **kwargs: int | None) -> int:
        put_in_the_way(path_of_state(tmp_path), "pipe", tmp_path)
        opened.append(real(name, *args, **kwargs))
        return opened[-1]

    with files.Directory(str(tmp_path / "telemetry")) as ours:
        monkeypatch.setattr(os, "open", swap)
        with pytest.raises(files.NotOursError, match="regular"):
            ours.open("state.json")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_regular_lock_file_nothing_is_stored(tmp_path: Path, kind: str) -> None:
    """If the lock is not a regular file, it is neither waited for nor opened, and no change is stored."""
    update(str(tmp_path), disable)
    put_in_the_way(tmp_path / "telemetry" / "state.lock", kind, tmp_path / "elsewhere")
    with pytest.raises(files.NotOursError, match=r"state\.lock"):
        update(str(tmp_path), lambda state: state._replace(disabled=False))
    assert read(str(tmp_path)).disabled


@pytest.mark.parametrize("there", [True, False], ids=["to a directory", "to nothing"])
def test_a_link_instead_of_the_directory_is_not_followed(tmp_path: Path, *, there: bool) -> None:
    """A link instead of `telemetry/` may hide a stored choice: it means off, and nothing is written to its target."""
    elsewhere = tmp_path / "elsewhere"
    if there:
        update(str(elsewhere), lambda state: state._replace(installation_id="x"))
    (tmp_path / "telemetry").symlink_to(elsewhere / "telemetry")
    before = sorted(elsewhere.rglob("*"))
    assert read(str(tmp_path)) == State(readable=False)
    with pytest.raises(OSError, match="telemetry"):
        update(str(tmp_path), lambda _: State(disabled=True))
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can play another user")
@pytest.mark.parametrize("what", ["telemetry", "telemetry/state.json", "telemetry/state.lock"])
def test_files_of_another_user_are_not_used(tmp_path: Path, what: str) -> None:
    """A directory or state of another user means off, and with a lock of another user nothing is stored."""
    update(str(tmp_path), lambda state: state._replace(installation_id="chosen by another user"))
    before = path_of_state(tmp_path).read_bytes()
    os.chown(tmp_path / what, 65534, 65534)
    assert read(str(tmp_path)).readable == (what == "telemetry/state.lock")
    with pytest.raises(OSError, match=r"another user|cannot be read"):
        update(str(tmp_path), disable)
    assert path_of_state(tmp_path).read_bytes() == before


def test_a_change_does_not_overwrite_a_hard_linked_file(tmp_path: Path) -> None:
    """If our file names are hard links to another file of the user, a change does not modify that file."""
    (tmp_path / "telemetry").mkdir()
    precious = tmp_path / "precious"
    precious.write_text('{"disabled": false}')
    for name in ("state.json", "state.lock", f"state.json.{os.getpid()}", "state.json.aside"):
        (tmp_path / "telemetry" / name).hardlink_to(precious)
    update(str(tmp_path), disable)
    assert read(str(tmp_path)).disabled
    assert precious.read_text() == '{"disabled": false}'


KILLED = """
import os, signal, sys
from mem0_telemetry.base import files
from mem0_telemetry.policy import state_file
os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
state_file.update(sys.argv[1], lambda state: state._replace(disabled=True))
"""


def test_the_temporary_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """A later change removes the temporary file of a killed process, but not a new one, whose writer may be alive."""
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    [aside] = (tmp_path / "telemetry").glob("state.json.*")
    update(str(tmp_path), lambda state: state)
    assert aside.exists()
    for path in (aside, tmp_path / "telemetry" / "state.lock"):
        os.utime(path, (time.time() - 120,) * 2)
    update(str(tmp_path), lambda state: state)
    assert sorted(path.name for path in (tmp_path / "telemetry").iterdir()) == ["state.lock"]


def test_a_temporary_file_that_disappears_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another process removes a listed temporary file first, the change is stored all the same."""
    monkeypatch.setattr(files.Directory, "names", lambda _: ["state.json.gone.aside"])
    assert update(str(tmp_path), disable) == read(str(tmp_path)) == State(disabled=True)


def test_paths_are_used_without_directory_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the platform cannot open directories, files are found by their paths, and links are still refused."""
    monkeypatch.setattr(files, "_HAVE_DIRECTORY_DESCRIPTORS", False)
    update(str(tmp_path), disable)
    with files.Directory(str(tmp_path), "telemetry") as ours:
        assert sorted(ours.names()) == ["state.json", "state.lock"]
    assert read(str(tmp_path)) == State(disabled=True)
    put_in_the_way(path_of_state(tmp_path), "link", tmp_path / "elsewhere")
    assert not read(str(tmp_path)).readable


def test_a_telemetry_directory_that_is_a_file_is_no_state(tmp_path: Path) -> None:
    """If our directory cannot exist, there is no stored choice, and storing one raises."""
    (tmp_path / "telemetry").write_text("")
    assert read(str(tmp_path)) == State()
    with pytest.raises(OSError, match="telemetry"):
        update(str(tmp_path), disable)


def test_a_failing_change_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    """An exception in a change is raised, the state stays the same and the lock is released."""
    update(str(tmp_path), disable)

    def fail(_: State) -> State:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        update(str(tmp_path), fail)
    assert update(str(tmp_path), lambda state: state, timeout=0) == State(disabled=True)


def test_a_full_disk_leaves_the_state_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new state does not fit on the disk, the old one stays and no temporary file is left."""
    update(str(tmp_path), disable)

    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(OSError, match="No space"):
        update(str(tmp_path), lambda state: state._replace(fresh_id=True))
    monkeypatch.undo()
    assert read(str(tmp_path)) == State(disabled=True)
    assert sorted(path.name for path in (tmp_path / "telemetry").iterdir()) == ["state.json", "state.lock"]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Reading and changing the state, and reading the id, close every file, even if they fail."""
    update(str(tmp_path), lambda state: state._replace(installation_id=MEM0S, seeded_id=True))
    write_config(tmp_path, {"user_id": MEM0S})
    before = set(os.listdir("/dev/fd"))  # noqa: PTH208  # the open descriptors
    for _ in range(3):
        assert identity.current(str(tmp_path)) is not None
        update(str(tmp_path), lambda state: state._replace(fresh_id=not state.fresh_id))
        with pytest.raises(OSError, match="cannot be read"):
            update(str(tmp_path), lambda state: state._replace(readable=False))
    assert set(os.listdir("/dev/fd")) <= before  # noqa: PTH208


@pytest.mark.posix
def test_a_child_that_is_forked_during_a_change_does_not_keep_the_lock(tmp_path: Path) -> None:
    """The lock is free after a change, even if a child was forked meanwhile, which has inherited the open file."""
    wait, leave = os.pipe()
    children = []

    def fork(state: State) -> State:
        children.append(os.fork())
        if children == [0]:
            os.close(leave)
            os.read(wait, 1)
            os._exit(0)
        return state

    update(str(tmp_path), fork)
    try:
        assert update(str(tmp_path), disable, timeout=0).disabled
    finally:
        os.close(leave)
        os.waitpid(children[0], 0)
        os.close(wait)


@pytest.mark.posix
def test_on_a_file_system_without_locks_the_state_is_still_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file system has no locks, everything works except the mutual exclusion."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(state_file.fcntl, "flock", no_locks)
    assert update(str(tmp_path), disable) == read(str(tmp_path)) == State(disabled=True)


@pytest.mark.posix
def test_on_a_file_system_without_modes_the_state_is_still_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file system has no POSIX modes, directories and files are created all the same."""

    def no_modes(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", no_modes)
    monkeypatch.setattr(os, "fchmod", no_modes)
    assert update(str(tmp_path), disable) == read(str(tmp_path)) == State(disabled=True)


def test_waiting_for_the_lock_has_an_end(tmp_path: Path) -> None:
    """Waiting for a lock that is held elsewhere ends after the given timeout."""
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
from mem0_telemetry.policy.state_file import update
for _ in range(20):
    update(sys.argv[1], lambda s: s._replace(notice={"n": s.notice.get("n", 0) + 1}), timeout=60)
"""


def test_changes_of_many_processes_do_not_get_lost(tmp_path: Path) -> None:
    """No step is lost when eight processes increment a counter at the same time."""
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(8)]
    assert [process.wait(180) for process in processes] == [0] * 8
    assert read(str(tmp_path)).notice == {"n": 160}


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    """A user who opens the file can read it."""
    update(str(tmp_path), lambda state: state._replace(installation_id="x", notice={"version": 1}))
    assert json.loads(path_of_state(tmp_path).read_text()) == {
        "disabled": False,
        "fresh_id": False,
        "installation_id": "x",
        "notice": {"version": 1},
        "seeded_id": False,
    }


def test_the_directory_is_mem0s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The directory is `MEM0_DIR` if it is set, else `.mem0` in the home directory; the path is always absolute."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mem0_dir({}) == mem0_dir({"MEM0_DIR": ""}) == str(tmp_path / ".mem0")
    monkeypatch.chdir(tmp_path)
    assert mem0_dir({"MEM0_DIR": "here"}) == str(tmp_path / "here")


def test_without_a_home_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home directory, reading finds nothing and storing fails: no directory `~` is created."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    directory = mem0_dir({})
    assert read(directory) == State()
    with pytest.raises(OSError, match="Not a directory"):
        update(directory, disable)


def test_without_locks_the_state_is_still_replaced_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a platform without `fcntl` everything works except the mutual exclusion."""
    monkeypatch.setattr(state_file, "fcntl", None)
    assert state_file.update(str(tmp_path), disable) == State(disabled=True)
    assert read(str(tmp_path)) == State(disabled=True)
