"""The choices of a user, if the unsent events have filled the disk."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.base import files
from mem0_telemetry.cli import choices
from mem0_telemetry.policy import identity, state_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("choice", ["disable", "reset-id", "clean"])
def test_unsent_events_that_fill_the_disk_do_not_stop_a_choice(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the choice cannot be stored, the command deletes the unsent events first and then stores it."""
    monkeypatch.setenv("MEM0_DIR", str(tmp_path))
    monkeypatch.setenv("MEM0_TELEMETRY", "true")
    before = identity.establish(str(tmp_path)).id
    spool = tmp_path / "telemetry" / "spool"
    waiting = spool / "posthog-0123456789ab" / f"{1:020d}-00000000-7.v1.jsonl"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(b"x")
    write_all = files.write_all

    def write_if_there_is_space(descriptor: int, content: bytes) -> None:
        if spool.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, content)
        waiting.parent.mkdir(parents=True)  # a running process writes one more batch

    monkeypatch.setattr(files, "write_all", write_if_there_is_space)
    assert choices.run(choice) == 0
    printed = capsys.readouterr()
    assert printed.out.count("Deleted: 7 events") == 1
    assert printed.err == ""
    state = state_file.read(str(tmp_path))
    assert state.disabled == (choice == "disable")
    assert state.installation_id != before
    assert not spool.exists()
