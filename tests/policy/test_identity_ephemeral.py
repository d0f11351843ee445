"""Tests of the ephemeral id, which a process uses if no id can be read or stored."""

import os
from pathlib import Path

import pytest

from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.identity import Identity, current, establish, is_in_config
from support.identities import MEM0S, is_random, write_config

pytestmark = pytest.mark.usefixtures("new_process")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"', "7", "\x00", "{}x"], ids=range(8))
def test_an_unparsable_config_gives_an_ephemeral_id(tmp_path: Path, content: str) -> None:
    """An unparsable `config.json` may show an account, so the id is ephemeral and not stored."""
    before = write_config(tmp_path, content)
    made = establish(str(tmp_path))
    assert made.ephemeral
    assert is_random(made.id)
    assert establish(str(tmp_path)) == made
    assert current(str(tmp_path)) is None
    assert not is_in_config(str(tmp_path))
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling link"])
def test_a_config_that_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A directory, a pipe or a dangling link as `config.json` causes no hang and is not replaced."""
    path = tmp_path / "config.json"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    before = path.lstat()
    made = establish(str(tmp_path))
    assert is_random(made.id)
    assert made.ephemeral == (kind != "dangling link")
    assert path.lstat().st_ino == before.st_ino
    assert not (tmp_path / "nowhere").exists()


def test_a_read_only_home_gives_an_ephemeral_id(tmp_path: Path) -> None:
    """If nothing can be stored, the id is ephemeral. The child drops root, which could write anyway."""
    tmp_path.chmod(0o555)
    establish("/dev/null/.mem0")  # import now: another user may not be able to read the modules
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        made = establish(str(tmp_path))
        os.write(writable, f"{made.ephemeral} {current(str(tmp_path))}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(readable, 100) == b"True None"
    os.close(readable)
    os.close(writable)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_exist_gives_an_ephemeral_id() -> None:
    """If no place to store an id can exist, the id is ephemeral and the same for the whole process."""
    made = establish("/dev/null/.mem0")
    assert made.ephemeral
    assert establish("/dev/null/.mem0") == made
    assert current("/dev/null/.mem0") is None


def test_a_stored_id_is_used_on_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored id is used on a disk that has become read-only, because nothing must be written."""
    write_config(tmp_path, {"user_id": MEM0S})
    establish(str(tmp_path))

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(state_file, "update", read_only)
    assert establish(str(tmp_path)) == Identity(id=MEM0S)


def test_an_unreadable_state_gives_an_ephemeral_id(tmp_path: Path) -> None:
    """An event does not overwrite an unreadable state; its id is ephemeral."""
    (tmp_path / "telemetry").mkdir()
    (tmp_path / "telemetry" / "state.json").write_text("{")
    assert establish(str(tmp_path)).ephemeral
    assert (tmp_path / "telemetry" / "state.json").read_text() == "{"
