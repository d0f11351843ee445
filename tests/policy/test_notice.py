"""Tests of the notice on a real pseudo-terminal: shown once, before anything is recorded, and only at a terminal."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.notice import TEXT, VERSION, admits, concerns, is_shown, is_terminal
from mem0_telemetry.policy.state_file import State
from support.terminals import what_is_seen

PROGRAM = """
import os, subprocess, sys
from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.notice import admits
directory, *further = sys.argv[1:]
state = state_file.read(directory)
print(admits(directory, os.environ, stderr=sys.stderr, vendor=True, state=state), flush=True)
if further:
    subprocess.run([sys.executable, "-c", open(further[0]).read(), directory], check=True)
"""


def start(
    directory: Path, *, terminal: bool = True, chosen: dict[str, str] | None = None, program: str = PROGRAM
) -> tuple[str, str]:
    """Run a program that calls `admits` itself and in a child; return its output and what its terminal showed."""
    script = directory.parent / "program.py"
    script.write_text(PROGRAM)
    reader, end = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(directory), str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(chosen or {})},
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
        start_new_session=True,
    )
    os.close(end)
    answers, _ = process.communicate(timeout=180)
    return answers, what_is_seen(reader)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty Mem0 directory."""
    (tmp_path / "mem0").mkdir()
    return tmp_path / "mem0"


def test_it_is_shown_once_and_that_run_records_nothing(home: Path) -> None:
    """The first run at a terminal shows the notice, and neither it nor its child records; the next run does."""
    assert start(home) == ("False\nFalse\n", TEXT)
    stored = state_file.read(str(home)).notice
    assert (stored["version"], stored["date"]) == (VERSION, time.strftime("%Y-%m-%d", time.gmtime()))
    assert start(home) == ("True\nTrue\n", "")


IN_A_CONTAINER = """
import os, sys
from mem0_telemetry.policy import state_file
# Each container has a process 1, so containers that share a directory use the same number for their runs.
state_file.update(sys.argv[1], lambda state: state._replace(notice={**state.notice, "group": os.getpgrp()}))
"""
LEFT_BEHIND = """
import os, sys
from mem0_telemetry.policy import state_file
from mem0_telemetry.policy.notice import admits
directory = sys.argv[1]
def ask():
    state = state_file.read(directory)
    os.write(1, f"{admits(directory, os.environ, stderr=sys.stderr, vendor=True, state=state)}\\n".encode())
waiting, gone = os.pipe()
done, at_end = os.pipe()
first = os.fork()
if not first:
    os.close(gone), os.close(done)
    os.setpgid(0, 0)
    ask()
    if not os.fork():
        os.read(waiting, 1)
        ask()
    os._exit(0)
os.close(at_end)
os.waitpid(first, 0)
os.close(gone)
os.read(done, 1)
"""


def test_another_container_is_another_run(home: Path) -> None:
    """The second of two containers that share a directory and use equal process numbers records events."""
    assert start(home) == ("False\nFalse\n", TEXT)
    assert start(home, program=IN_A_CONTAINER + PROGRAM) == ("True\nTrue\n", "")


def test_a_child_that_outlives_the_first_process_belongs_to_its_run(home: Path) -> None:
    """A child that outlives the process that showed the notice still records nothing."""
    assert start(home, program=LEFT_BEHIND) == ("False\nFalse\n", TEXT)


def test_without_a_terminal_there_is_no_notice(home: Path) -> None:
    """Without a terminal, nothing is shown or stored, and the run records events."""
    assert start(home, terminal=False) == ("True\nTrue\n", "")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "chosen", [{"MEM0_TELEMETRY": "true"}, {"MEM0_TELEMETRY_EXPORTER": "posthog"}], ids=["on", "exporter"]
)
def test_an_explicit_choice_needs_no_notice(home: Path, chosen: dict[str, str]) -> None:
    """A user who explicitly chose yes, or a destination, gets no notice."""
    assert start(home, chosen=chosen) == ("True\nTrue\n", "")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("empty", ["", " ", "''"])
def test_an_empty_exporter_variable_is_no_choice(home: Path, empty: str) -> None:
    """Blanks or empty quotes choose no destination, so the notice is shown."""
    assert start(home, chosen={"MEM0_TELEMETRY_EXPORTER": empty}) == ("False\nFalse\n", TEXT)


def test_without_a_stored_notice_nothing_is_recorded(home: Path) -> None:
    """If it cannot be stored that the notice was shown, the notice is never shown, and nothing is recorded."""
    (home / "telemetry").write_text("in the way")
    for _ in range(2):
        assert start(home) == ("False\nFalse\n", "")


@pytest.mark.parametrize(("terminal", "vendor"), [(False, True), (True, False), (False, False)])
def test_the_notice_is_for_the_vendor_at_a_terminal_only(*, terminal: bool, vendor: bool) -> None:
    """The notice is needed only if events go to the vendor and stderr is a terminal."""
    assert concerns({}, terminal=True, vendor=True)
    assert not concerns({}, terminal=terminal, vendor=vendor)


def test_a_dry_run_shows_no_notice() -> None:
    """A dry run shows no notice: it creates nothing, so it could not store that the notice was shown."""
    assert not concerns({"MEM0_TELEMETRY_DEBUG": "1"}, terminal=True, vendor=True)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [({}, False), ({"version": 0}, False), ({"version": VERSION}, True), ({"version": VERSION + 1}, True)],
)
def test_a_new_text_is_shown_again(*, stored: dict[str, int], shown: bool) -> None:
    """A notice counts as shown if its version is the current one or that of a newer release."""
    assert is_shown(State(notice=stored)) == shown
    assert not is_shown(State(notice={"version": "1"}))


def test_two_programs_at_once_show_it_once(home: Path) -> None:
    """If two programs read the state before either wrote it, one shows the notice and neither records."""
    seen: list[str] = []
    for _ in range(2):
        reader, end = pty.openpty()
        with os.fdopen(end, "w") as stderr:
            assert not admits(str(home), {}, stderr=stderr, vendor=True, state=State())
        seen.append(what_is_seen(reader))
    assert seen == [TEXT, ""]


def test_the_notice_is_seen_at_once(home: Path) -> None:
    """The notice is flushed to a stream that has a buffer, so the user sees it before the program goes on."""
    reader, end = pty.openpty()
    with io.TextIOWrapper(os.fdopen(end, "wb"), line_buffering=False) as stderr:
        assert not admits(str(home), {}, stderr=stderr, vendor=True, state=State())
        seen, expected = b"", TEXT.replace("\n", "\r\n").encode()
        while seen != expected and select.select([reader], [], [], 20)[0]:
            seen += os.read(reader, 10_000)
    assert seen == expected
    os.close(reader)


def test_a_terminal_that_cannot_be_written_raises_nothing(home: Path, reported: list[str]) -> None:
    """If the notice cannot be written, nothing is raised, and nothing is recorded."""
    reader, end = pty.openpty()

    class Broken(io.StringIO):
        def fileno(self) -> int:
            return end

        def write(self, _: str) -> int:
            raise OSError("the terminal is gone")

    assert not admits(str(home), {}, stderr=Broken(), vendor=True, state=State())
    assert [report.splitlines()[0] for report in reported] == ["failed while showing the notice"]
    reported.clear()
    os.close(end)
    assert what_is_seen(reader) == ""


def test_without_process_groups_the_parent_identifies_the_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a platform without process groups or start times, only the run that showed the notice records nothing."""
    monkeypatch.delattr(os, "getpgrp")
    reader, end = pty.openpty()
    with os.fdopen(end, "w") as stderr:
        assert not admits(str(home), {}, stderr=stderr, vendor=True, state=State())
        shown = state_file.read(str(home)).notice
        assert shown["group"] == os.getppid()
        for notice, admitted in (
            (shown, False),
            ({**shown, "started": None}, False),
            ({**shown, "group": 0}, True),
        ):
            state = State(notice=notice)
            assert admits(str(home), {}, stderr=stderr, vendor=True, state=state) == admitted
    assert what_is_seen(reader) == TEXT


@pytest.mark.parametrize("stream", [None, io.StringIO(), io.BytesIO()], ids=["none", "text", "bytes"])
def test_a_stream_without_a_descriptor_is_no_terminal(stream: io.TextIOBase | None) -> None:
    """A missing stderr, or one that the application has replaced, is not a terminal."""
    assert not is_terminal(stream)  # type: ignore[arg-type]


def test_a_closed_stderr_is_no_terminal(tmp_path: Path) -> None:
    """A closed stderr is not a terminal, and the check does not raise."""
    with (tmp_path / "closed").open("w") as stream:
        pass
    assert not is_terminal(stream)


def test_the_text_fits_a_terminal() -> None:
    """Each line fits 80 columns. The text says what goes to whom, how to see it and how to stop it."""
    assert max(len(line) for line in TEXT.splitlines()) <= 80
    for word in ("PostHog", "US", "MEM0_TELEMETRY_DEBUG=1", "mem0-telemetry disable", "MEM0_TELEMETRY=False"):
        assert word in TEXT
