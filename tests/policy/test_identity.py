"""Tests of the installation id: one random id for each installation, and Mem0's `config.json` is never changed."""

import uuid
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from mem0_telemetry.policy import identity, state_file
from mem0_telemetry.policy.identity import Identity, current, establish, forget, reset
from support.identities import MEM0S, is_random, write_config

pytestmark = pytest.mark.usefixtures("new_process")


def test_mem0s_id_is_kept(tmp_path: Path) -> None:
    """A UUID that Mem0 has stored becomes the installation id, so that unique counts continue."""
    before = write_config(tmp_path, {"user_id": MEM0S})
    assert establish(str(tmp_path)) == Identity(id=MEM0S) == current(str(tmp_path))
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize("account_linked", [False, True], ids=["memory", "hosted client"])
def test_a_missing_config_is_not_made(tmp_path: Path, *, account_linked: bool) -> None:
    """Without a `config.json` only our own state contains the id, so `disable` and `clean` remove it completely."""
    made = establish(str(tmp_path), account_linked=account_linked)
    assert is_random(made.id)
    assert not made.ephemeral
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry"]
    assert establish(str(tmp_path)) == made == current(str(tmp_path))
    state_file.update(str(tmp_path), forget)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and made.id in path.read_text()] == []


def test_a_config_that_comes_later_does_not_change_the_id(tmp_path: Path) -> None:
    """If Mem0 stores its id after ours was created, ours stays, so the installation is counted once."""
    made = establish(str(tmp_path))
    write_config(tmp_path, {"user_id": MEM0S})
    assert establish(str(tmp_path)) == made == current(str(tmp_path))


def test_nothing_exists_before_the_first_event(tmp_path: Path) -> None:
    """Reading the current id creates none, and returns None even if Mem0 has one."""
    write_config(tmp_path, {"user_id": MEM0S})
    assert current(str(tmp_path)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_mem0s_id_is_remembered_when_a_tool_drops_it(tmp_path: Path) -> None:
    """The id stays the same after one of Mem0's tools rewrites `config.json` with a fixed schema, without the id."""
    write_config(tmp_path, {"user_id": MEM0S})
    establish(str(tmp_path))
    write_config(tmp_path, {"telemetry": {"anonymous_id": "cli-1"}, "defaults": {}})
    assert establish(str(tmp_path)) == Identity(id=MEM0S)


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "anonymous_user",
        7,
        None,
        [],
        MEM0S.upper(),
        f"{MEM0S}\n",
        "me@example.com",
        str(uuid.uuid1()),
        str(uuid.UUID(int=0)),
    ],
    ids=range(10),
)
def test_only_a_random_uuid_is_taken_over(tmp_path: Path, user_id: object) -> None:
    """A `user_id` that is not a random UUID (version 1 contains the MAC address) is neither used nor changed."""
    before = write_config(tmp_path, {"user_id": user_id})
    made = establish(str(tmp_path))
    assert is_random(made.id)
    assert made.id != user_id
    assert not made.ephemeral
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    "account",
    [
        {
            "telemetry": {
                "aliased_pairs": ["5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"]
            }
        },
        {"platform": {"user_email": "me@example.com"}},
        {"platform": {"api_key": "m0-secret"}},
    ],
    ids=["aliased", "e-mail", "api key"],
)
@pytest.mark.parametrize("when", ["before the first event", "later"])
def test_an_id_that_belongs_to_an_account_is_not_used(
    tmp_path: Path, account: dict[str, Any], when: str
) -> None:
    """If `config.json` shows an account, a fresh id replaces Mem0's id at the next event, permanently."""
    if when == "later":
        write_config(tmp_path, {"user_id": MEM0S})
        assert establish(str(tmp_path)).id == MEM0S
    before = write_config(tmp_path, {"user_id": MEM0S, **account})
    made = establish(str(tmp_path))
    assert is_random(made.id)
    assert made.id != MEM0S
    assert (tmp_path / "config.json").read_bytes() == before
    write_config(tmp_path, {"user_id": MEM0S})
    assert establish(str(tmp_path)) == made


@pytest.mark.parametrize(
    "harmless", [{"telemetry": {"aliased_pairs": []}}, {"platform": {}}, {"platform": "x"}]
)
def test_empty_account_fields_show_no_account(tmp_path: Path, harmless: dict[str, Any]) -> None:
    """The empty fields that Mem0's tools write do not show an account."""
    write_config(tmp_path, {"user_id": MEM0S, **harmless})
    assert establish(str(tmp_path)).id == MEM0S


def test_a_hosted_client_replaces_a_shared_id_once(tmp_path: Path) -> None:
    """Building a hosted client replaces Mem0's id with a fresh one, which is not replaced again."""
    write_config(tmp_path, {"user_id": MEM0S})
    assert establish(str(tmp_path)).id == MEM0S
    made = establish(str(tmp_path), account_linked=True)
    assert made.id != MEM0S
    assert establish(str(tmp_path), account_linked=True) == made == establish(str(tmp_path))


def test_a_hosted_client_never_takes_over_mem0s_id(tmp_path: Path) -> None:
    """If the first event comes from a hosted client, the id is a fresh one, although `config.json` shows no account."""
    write_config(tmp_path, {"user_id": MEM0S})
    made = establish(str(tmp_path), account_linked=True)
    assert made.id != MEM0S
    assert establish(str(tmp_path)) == made


def test_an_id_that_was_stored_meanwhile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process stores an id after this one has found none, both use that id."""
    stored, read, before = reset(str(tmp_path)), state_file.read, [state_file.State()]
    monkeypatch.setattr(state_file, "read", lambda directory: before.pop() if before else read(directory))
    assert establish(str(tmp_path)) == stored
    assert before == []


def test_an_id_that_is_about_to_be_replaced_is_not_current(tmp_path: Path) -> None:
    """The current id is the id of the next event: None if `config.json` shows an account or cannot be parsed."""
    write_config(tmp_path, {"user_id": MEM0S})
    establish(str(tmp_path))
    assert current(str(tmp_path)) == Identity(id=MEM0S)
    for changed in ({"user_id": MEM0S, "platform": {"api_key": "m0-x"}}, "{"):
        write_config(tmp_path, changed)
        assert current(str(tmp_path)) is None


def test_an_empty_object_is_a_config_without_an_id(tmp_path: Path) -> None:
    """With `{}` as `config.json`, the id is a fresh one in our own state, and the file stays unchanged."""
    write_config(tmp_path, "{}")
    assert not establish(str(tmp_path)).ephemeral
    assert (tmp_path / "config.json").read_text() == "{}"


def test_our_own_id_does_not_depend_on_the_config(tmp_path: Path) -> None:
    """An id that never came from Mem0 stays, whatever happens to `config.json`."""
    made = establish(str(tmp_path), account_linked=True)
    write_config(tmp_path, "{")
    assert establish(str(tmp_path)) == made


@pytest.mark.parametrize("stored", ["not a uuid", str(uuid.uuid1()), ""], ids=["text", "version 1", "empty"])
def test_a_stored_id_that_is_no_random_uuid_is_replaced(tmp_path: Path, stored: str) -> None:
    """A stored id in `state.json` is used only if it is a random UUID. What replaces it is never Mem0's id."""
    write_config(tmp_path, {"user_id": MEM0S})
    state_file.update(str(tmp_path), lambda state: state._replace(installation_id=stored))
    assert current(str(tmp_path)) is None
    made = establish(str(tmp_path)).id
    assert is_random(made)
    assert made != MEM0S


def test_the_id_is_asked_for_again_if_another_process_keeps_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that cannot get the lock in time uses the id that the holder of the lock has stored meanwhile."""
    stored: list[str] = []

    def held(*_: object, **__: object) -> state_file.State:
        monkeypatch.undo()
        stored.append(reset(str(tmp_path)).id)
        raise TimeoutError

    monkeypatch.setattr(state_file, "update", held)
    assert [establish(str(tmp_path)).id] == stored


def test_a_config_that_is_being_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one of Mem0's tools is just writing `config.json`, the id is read from it once it is complete."""

    class Tool(Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout
            write_config(tmp_path, {"user_id": MEM0S})
            return False

    write_config(tmp_path, "{")
    monkeypatch.setattr(identity, "Event", Tool)
    assert establish(str(tmp_path)) == Identity(id=MEM0S)


def test_reset_gives_a_fresh_id(tmp_path: Path) -> None:
    """After `reset` the id is a different one, and stays the same from then on."""
    before = write_config(tmp_path, {"user_id": MEM0S})
    establish(str(tmp_path))
    fresh = reset(str(tmp_path))
    assert fresh.id != MEM0S
    assert establish(str(tmp_path)) == fresh == current(str(tmp_path))
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_forgotten_id_does_not_come_back(tmp_path: Path) -> None:
    """After `disable` or `clean` the next id is a fresh one, although `config.json` still contains the old one."""
    write_config(tmp_path, {"user_id": MEM0S})
    establish(str(tmp_path))
    state_file.update(str(tmp_path), forget)
    assert current(str(tmp_path)) is None
    assert establish(str(tmp_path)).id != MEM0S


def test_no_id_is_stored_after_a_disable(tmp_path: Path) -> None:
    """If another process runs `disable` before the first event, the id is this process's only and is not stored."""
    state_file.update(str(tmp_path), lambda state: forget(state)._replace(disabled=True))
    assert establish(str(tmp_path)).ephemeral
    assert state_file.read(str(tmp_path)) == state_file.State(disabled=True, fresh_id=True)


def test_an_api_key_in_the_config_survives_byte_for_byte(tmp_path: Path) -> None:
    """A `config.json` with an API key keeps its content, mode and inode through every operation."""
    path = tmp_path / "config.json"
    path.write_text(f'{{"platform":{{"api_key":"m0-secret"}},\n\t"user_id" : "{MEM0S}"}}\n')
    path.chmod(0o640)
    before, status = path.read_bytes(), path.stat()
    establish(str(tmp_path))
    establish(str(tmp_path), account_linked=True)
    reset(str(tmp_path))
    state_file.update(str(tmp_path), forget)
    state_file.update(str(tmp_path), lambda state: state._replace(disabled=True))
    establish(str(tmp_path))
    assert path.read_bytes() == before
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode) == (
        status.st_ino,
        status.st_mtime_ns,
        status.st_mode,
    )
