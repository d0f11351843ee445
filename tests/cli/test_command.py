"""The command as a user runs it: in a process of its own, with a home of its own."""

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
    """Answer `status --json`."""
    found: dict[str, Any] = json.loads(output(home, "status", "--json", **settings))
    return found


def files(home: Path) -> list[str]:
    """Return every file and directory in `home`."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_looking_creates_nothing(tmp_path: Path) -> None:
    """`status`, `show` and `events` leave no trace on a new machine."""
    for arguments in (("status",), ("status", "--json"), ("show",), ("show", "--all"), ("events",)):
        output(tmp_path, *arguments)
    assert files(tmp_path) == []


def test_status_says_who_decides(tmp_path: Path) -> None:
    """Switched on by default; one variable, and every other source that says off, is told."""
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


def test_status_says_that_nothing_can_be_stored(tmp_path: Path) -> None:
    """Where `MEM0_DIR` cannot be made, telemetry is on, and a problem says what that means; nothing is made."""
    (tmp_path / "file").touch()
    found = status(tmp_path, MEM0_DIR=str(tmp_path / "file" / "mem0"))
    assert found["enabled"]
    (problem,) = found["problems"]
    assert problem.startswith("MEM0_DIR cannot be written: events wait in memory")
    assert files(tmp_path) == ["file"]
    assert status(tmp_path)["problems"] == []


def test_status_for_programs_has_the_fields_of_the_api(tmp_path: Path) -> None:
    """`status --json` speaks of what `mem0_telemetry.status()` speaks of, by the same names."""
    assert {field.name for field in fields(Status)} <= set(status(tmp_path))


def test_status_for_people(tmp_path: Path) -> None:
    """State, reason, id, destination, and what `disable` would not govern, in 80 columns."""
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
    """`status` ends with what can be done next, and with what holds for Mem0's own telemetry here."""
    footer = " ".join(output(tmp_path, "status", **settings).rpartition("\n\n")[2].split())
    assert [text for text in said if text not in footer] == []
    assert [text for text in unsaid if text in footer] == []


def test_what_of_mem0s_stays_is_said(tmp_path: Path) -> None:
    """An id in Mem0's own `config.json` stays there, and `disable`, `clean` and `reset-id` say so."""
    (tmp_path / ".mem0").mkdir()
    config = tmp_path / ".mem0" / "config.json"
    config.write_text('{"user_id": "0b9c6a2e-30f1-4b3a-8f65-6d1fa0d5a8a1"}')
    for choice in ("reset-id", "disable", "clean"):
        assert "Mem0's own id stays in ~/.mem0/config.json" in output(tmp_path, choice)
    config.write_text('{"user_id": ""}')
    assert "Mem0's own id" not in output(tmp_path, "clean")


def test_status_warns_about_a_typo_itself(tmp_path: Path) -> None:
    """A destination that cannot be used is part of the answer, and not a log line beside it."""
    assert "MEM0_TELEMETRY_EXPORTER" in output(tmp_path, "status", MEM0_TELEMETRY_EXPORTER="posthgo")


@pytest.mark.parametrize(("settings", "code"), [({}, 0), ({"MEM0_TELEMETRY": "False"}, 1)], ids=["on", "off"])
def test_scripts_can_check(tmp_path: Path, settings: dict[str, str], code: int) -> None:
    """`status --check` exits with 1 where telemetry is off; without it `status` has done its work either way."""
    assert command(tmp_path, "status", "--check", **settings).returncode == code
    assert command(tmp_path, "status", **settings).returncode == 0


def test_disable_and_enable(tmp_path: Path) -> None:
    """`disable` is stored, deletes the id, says what it does not govern; `enable` undoes it and nothing else."""
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
    """A `state.json` that cannot be read is off; `enable` writes it anew, and the next id is a fresh one."""
    state = tmp_path / ".mem0" / "telemetry" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    assert status(tmp_path)["source"] == "state.json"
    assert "enable" in output(tmp_path, "status")
    output(tmp_path, "enable")
    assert status(tmp_path)["enabled"]
    assert state_file.read(str(tmp_path / ".mem0")).fresh_id


def test_reset_id_and_clean(tmp_path: Path) -> None:
    """`reset-id` prints the fresh id that is stored; `clean` deletes it, and keeps the choice and the notice."""
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


def test_cleaning_what_is_not_there_creates_nothing(tmp_path: Path) -> None:
    """`clean` on a new machine has nothing to do."""
    output(tmp_path, "clean")
    assert files(tmp_path) == []


@pytest.mark.parametrize("settings", [{"MEM0_TELEMETRY": "False"}, {"DO_NOT_TRACK": "1"}], ids=str)
def test_no_id_is_made_where_it_is_off(tmp_path: Path, settings: dict[str, str]) -> None:
    """`reset-id` and `clean` make no file and no id where telemetry is off, and an id that there was is gone."""
    for choice in ("reset-id", "clean", "enable"):
        assert command(tmp_path, choice, **settings).returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert command(tmp_path, "reset-id").returncode == 0
    state = tmp_path / ".mem0" / "telemetry" / "state.json"
    assert json.loads(state.read_text())["installation_id"]
    assert "so no id is made" in " ".join(command(tmp_path, "reset-id", **settings).stdout.split())
    assert json.loads(state.read_text())["installation_id"] is None


@pytest.mark.parametrize("choice", ["disable", "reset-id"])
def test_what_cannot_be_stored_fails_with_the_remedy(tmp_path: Path, choice: str) -> None:
    """Where nothing can be stored the exit status is 1, and the other way to switch off is named."""
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


def test_disable_reaches_a_process_that_runs(tmp_path: Path, server: CaptureServer) -> None:
    """A process that records goes on until its next batch, and no further: that one is deleted and not sent."""
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
def test_help_reads_well(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Each command explains itself, in 80 columns."""
    text = output(tmp_path, *arguments, "--help", COLUMNS="80")
    assert max(len(line) for line in text.splitlines()) <= 80
    if not arguments:
        for name in COMMANDS:
            assert f"\n    {name} " in text


@pytest.mark.parametrize("arguments", [("nonsense",), ("stat",), ("status", "--nonsense"), ()])
def test_what_is_not_understood_exits_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A command that does not exist, or none, is answered with the usage and exit status 2."""
    result = command(tmp_path, *arguments)
    assert result.returncode == 2
    assert "usage: mem0-telemetry" in result.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """Output into a pipe that is closed early ends the command quietly."""
    script = f"{sys.executable} -m mem0_telemetry events --markdown | head -1"
    result = subprocess.run(  # noqa: S602  # a pipe of the shell is what this is about
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
