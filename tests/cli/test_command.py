"""The command as a user runs it: in a separate process, with its own home."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.api.status import Status
from mem0_telemetry.policy import identity, state_file
from support.commands import command, output
from support.processes import clean_environ, posthog_environ

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

COMMANDS = ("status", "show", "events", "verify", "demo", "disable", "enable", "reset-id", "clean")


def status(home: Path, **settings: str) -> dict[str, Any]:
    """Return the answer of `status --json`."""
    found: dict[str, Any] = json.loads(output(home, "status", "--json", **settings))
    return found


def files(home: Path) -> list[str]:
    """Return every file and directory in `home`."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_status_show_and_events_create_nothing(tmp_path: Path) -> None:
    """`status`, `show` and `events` leave no trace on a new machine."""
    for arguments in (("status",), ("status", "--json"), ("show",), ("show", "--all"), ("events",)):
        output(tmp_path, *arguments)
    assert files(tmp_path) == []


def test_status_names_the_sources_that_decide(tmp_path: Path) -> None:
    """`status` reports on by default; if off, it names the deciding source and every other one that says off."""
    found = status(tmp_path)
    assert (found["enabled"], found["source"]) == (True, "default")
    assert [(each["name"], each["endpoint"]) for each in found["destinations"]] == [
        ("posthog", "https://us.i.posthog.com")
    ]
    found = status(tmp_path, DO_NOT_TRACK="1", MEM0_TELEMETRY="off", MEM0_TELEMETRY_EXPORTER="posthgo")
    assert (found["enabled"], found["source"]) == (False, "MEM0_TELEMETRY")
    assert [source for source, _ in found["also_off"]] == ["DO_NOT_TRACK", "destination"]
    assert "MEM0_TELEMETRY_EXPORTER" in found["problems"][0]
    assert found["destinations"] == []


def test_status_names_mem0s_maintainers_only_for_their_project(tmp_path: Path) -> None:
    """A project of the user's own on the same host of PostHog is not called Mem0's."""
    assert "https://us.i.posthog.com (Mem0's maintainers, US)" in output(tmp_path, "status")
    own = output(tmp_path, "status", MEM0_TELEMETRY_POSTHOG_API_KEY="phc_own")
    assert "https://us.i.posthog.com" in own
    assert "maintainers" not in own


def test_the_history_moves_no_cursor(tmp_path: Path) -> None:
    """An entry of the history with control characters, which this package does not write, is not shown."""
    directory = tmp_path / ".mem0" / "telemetry"
    directory.mkdir(parents=True)
    entry = {"time": "2026-11-29T00:00:00+00:00", "destination": "posthog", "result": "sent", "count": 1}
    texts = [
        {},
        {"destination": "a\x1b[2J"},
        {"result": "\x1b]0;x\x07"},
        {"reason": "\u202e"},
        {"time": "\r"},
    ]
    lines = [json.dumps({**entry, **changed, "batch": None}) for changed in texts]
    (directory / "history.jsonl").write_text("\n".join(lines) + "\n")
    for arguments in (("show",), ("status",)):
        text = output(tmp_path, *arguments)
        assert text.count("posthog  sent") + text.count("to posthog, sent") == 1
        assert all(line.isprintable() for line in text.splitlines())


def test_status_reports_an_unwritable_mem0_dir(tmp_path: Path) -> None:
    """If `MEM0_DIR` cannot be created, telemetry is on and a problem describes the effect; nothing is created."""
    (tmp_path / "file").touch()
    found = status(tmp_path, MEM0_DIR=str(tmp_path / "file" / "mem0"))
    assert found["enabled"]
    (problem,) = found["problems"]
    assert problem.startswith("MEM0_DIR cannot be written: events wait in memory")
    assert files(tmp_path) == ["file"]
    assert status(tmp_path)["problems"] == []


def test_status_as_json_has_the_fields_of_the_api(tmp_path: Path) -> None:
    """`status --json` has every field of `mem0_telemetry.status()`, by the same name."""
    assert {field.name for field in fields(Status)} <= set(status(tmp_path))


def test_status_for_people(tmp_path: Path) -> None:
    """`status` prints state, reason, id, destination, and what `disable` does not stop, in 80 columns."""
    identifier = identity.reset(str(tmp_path / ".mem0")).id
    text = output(tmp_path, "status")
    assert "Mem0 usage telemetry is on" in text
    for word in (
        "nothing says off",
        identifier,
        "https://us.i.posthog.com",
        "~/.mem0/telemetry",
        "without it",
    ):
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= 80
    text = output(tmp_path, "status", MEM0_TELEMETRY="no", DO_NOT_TRACK="1")
    assert "Mem0 usage telemetry is off" in text
    assert "off as well" in text
    assert identifier not in text


@pytest.mark.parametrize(
    ("settings", "said", "unsaid"),
    [
        ({}, ["without it, Mem0's own telemetry", "mem0-telemetry disable"], ["enable"]),
        ({"DO_NOT_TRACK": "1"}, ["only MEM0_TELEMETRY=False"], ["disable", "enable"]),
        (
            {"MEM0_TELEMETRY": "0"},
            ["also stops Mem0's own"],
            ["only MEM0_TELEMETRY=False", "disable", "enable"],
        ),
    ],
    ids=str,
)
def test_the_footer_fits_the_state(
    settings: dict[str, str], said: list[str], unsaid: list[str], tmp_path: Path
) -> None:
    """`status` ends with the possible next commands and the state of Mem0's own telemetry."""
    footer = " ".join(output(tmp_path, "status", **settings).rpartition("\n\n")[2].split())
    assert [text for text in said if text not in footer] == []
    assert [text for text in unsaid if text in footer] == []


def test_an_id_of_mem0s_stays_and_is_reported(tmp_path: Path) -> None:
    """`disable`, `clean` and `reset-id` leave the id in Mem0's own `config.json`, and print so."""
    (tmp_path / ".mem0").mkdir()
    config = tmp_path / ".mem0" / "config.json"
    config.write_text('{"user_id": "0b9c6a2e-30f1-4b3a-8f65-6d1fa0d5a8a1"}')
    for choice in ("reset-id", "disable", "clean"):
        assert "Mem0's own id stays in ~/.mem0/config.json" in output(tmp_path, choice)
    config.write_text('{"user_id": ""}')
    assert "Mem0's own id" not in output(tmp_path, "clean")


def test_status_warns_about_a_typo_itself(tmp_path: Path) -> None:
    """`status` itself reports a destination that cannot be used, instead of logging it."""
    assert "MEM0_TELEMETRY_EXPORTER" in output(tmp_path, "status", MEM0_TELEMETRY_EXPORTER="posthgo")


@pytest.mark.parametrize(("settings", "code"), [({}, 0), ({"MEM0_TELEMETRY": "False"}, 1)], ids=["on", "off"])
def test_status_check_sets_the_exit_status(tmp_path: Path, settings: dict[str, str], code: int) -> None:
    """`status --check` exits with 1 if telemetry is off; `status` alone exits with 0 either way."""
    assert command(tmp_path, "status", "--check", **settings).returncode == code
    assert command(tmp_path, "status", **settings).returncode == 0


def test_disable_and_enable(tmp_path: Path) -> None:
    """`disable` is stored, deletes the id and prints what it does not stop; `enable` undoes only `disable`."""
    before = identity.establish(str(tmp_path / ".mem0"))
    text = output(tmp_path, "disable")
    assert "MEM0_TELEMETRY=False" in text
    assert "with the MEM0_DIR ~/.mem0 until" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    found = status(tmp_path)
    assert (found["enabled"], found["source"], found["installation_id"]) == (False, "state.json", None)
    text = output(tmp_path, "enable", DO_NOT_TRACK="1", OTEL_SDK_DISABLED="true")
    assert "DO_NOT_TRACK" in text
    assert "OTEL_SDK_DISABLED" in text
    assert status(tmp_path)["enabled"]
    assert identity.establish(str(tmp_path / ".mem0")).id != before.id


def test_an_unreadable_choice_is_off_until_enable(tmp_path: Path) -> None:
    """An unreadable `state.json` means off; `enable` rewrites it, and the next id is a new one."""
    state = tmp_path / ".mem0" / "telemetry" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    assert status(tmp_path)["source"] == "state.json"
    assert "enable" in output(tmp_path, "status")
    output(tmp_path, "enable")
    assert status(tmp_path)["enabled"]
    assert state_file.read(str(tmp_path / ".mem0")).fresh_id


def test_reset_id_and_clean(tmp_path: Path) -> None:
    """`reset-id` prints the new id that it stores; `clean` deletes the id and keeps the choice and the notice."""
    directory = str(tmp_path / ".mem0")
    before = identity.establish(directory).id
    assert status(tmp_path)["installation_id"] == before
    printed = output(tmp_path, "reset-id")
    stored = status(tmp_path)["installation_id"]
    assert stored != before
    assert stored in printed.split()
    state_file.update(directory, lambda state: state._replace(notice={"version": 1}))
    output(tmp_path, "clean")
    assert status(tmp_path)["installation_id"] is None
    assert state_file.read(directory) == state_file.State(notice={"version": 1}, fresh_id=True)


def test_clean_on_a_new_machine_creates_nothing(tmp_path: Path) -> None:
    """`clean` on a new machine creates no file."""
    output(tmp_path, "clean")
    assert files(tmp_path) == []


@pytest.mark.parametrize("settings", [{"MEM0_TELEMETRY": "False"}, {"DO_NOT_TRACK": "1"}], ids=str)
def test_no_id_is_created_while_telemetry_is_off(tmp_path: Path, settings: dict[str, str]) -> None:
    """If telemetry is off, `reset-id` and `clean` create no file and no id, and delete an existing id."""
    for choice in ("reset-id", "clean", "enable"):
        assert command(tmp_path, choice, **settings).returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert command(tmp_path, "reset-id").returncode == 0
    state = tmp_path / ".mem0" / "telemetry" / "state.json"
    assert json.loads(state.read_text())["installation_id"]
    assert "so no id is made" in " ".join(command(tmp_path, "reset-id", **settings).stdout.split())
    assert json.loads(state.read_text())["installation_id"] is None


@pytest.mark.parametrize("choice", ["disable", "reset-id"])
def test_a_choice_that_cannot_be_stored_fails_with_the_remedy(tmp_path: Path, choice: str) -> None:
    """If nothing can be stored, the exit status is 1 and the message names another way to switch off."""
    result = command(tmp_path, choice, MEM0_DIR="/dev/null/mem0")
    assert result.returncode == 1
    assert "MEM0_TELEMETRY=False" in " ".join(result.stderr.split())
    assert result.stdout == ""


WAITING = """
import mem0_telemetry
from mem0_telemetry import telemetry
def record():
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
    return mem0_telemetry.flush(60)
print(record(), flush=True)
input()
record()
print(mem0_telemetry.status().dropped, flush=True)
"""


def test_disable_stops_a_running_process(tmp_path: Path, server: CaptureServer) -> None:
    """A running process stops at its next batch after `disable`: it discards the batch instead of sending it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        env=posthog_environ(tmp_path, server.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    output(tmp_path, "disable")
    answers, _ = process.communicate("\n", timeout=180)
    assert "discarded" in answers
    assert len(server.events) == 1
    assert not list((tmp_path / ".mem0" / "telemetry").rglob("spool/*/*"))


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)], ids=["", *COMMANDS])
def test_each_command_has_help_in_80_columns(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Each command has a help text that fits into 80 columns."""
    text = output(tmp_path, *arguments, "--help", COLUMNS="80")
    assert max(len(line) for line in text.splitlines()) <= 80
    if not arguments:
        for name in COMMANDS:
            assert f"\n    {name} " in text


@pytest.mark.parametrize("arguments", [("nonsense",), ("stat",), ("status", "--nonsense"), ()])
def test_an_unknown_command_exits_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An unknown command or option, or no command, prints the usage and exits with 2."""
    result = command(tmp_path, *arguments)
    assert result.returncode == 2
    assert "usage: mem0-telemetry" in result.stderr


def test_a_pipe_into_head_is_no_error(tmp_path: Path) -> None:
    """The command ends without a message if the reader closes the pipe early."""
    script = f"{sys.executable} -m mem0_telemetry events --markdown | head -1"
    result = subprocess.run(  # noqa: S602  # The test is about a pipe of the shell.
        script,
        shell=True,
        env=clean_environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
