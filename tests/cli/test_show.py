"""`show` prints unsent and sent batches as they are stored, and the requests that they become."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.delivery.reading import mailboxes
from opentelemetry.exporter.posthog.testing import Answer
from support.processes import clean_environ, posthog_environ, run_python
from support.terminals import what_is_seen

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

RECORD = """
import mem0_telemetry
from mem0_telemetry import telemetry
class Memory: pass
memory = Memory()
memory.api_version = "v1.1"
for n in range(3):
    telemetry.capture_event("mem0.search", memory, {"keys": ["user_id", "secret"], "limit": n, "sync_type": "sync"})
telemetry.capture_client_event("client.add", memory, {"keys": [], "sync_type": "async"})
"""
SENT = "assert mem0_telemetry.flush(60)"
REFUSED = """
import pathlib, time
history = pathlib.Path.home() / ".mem0" / "telemetry" / "history.jsonl"
deadline = time.monotonic() + 60
while not (history.exists() and history.stat().st_size) and time.monotonic() < deadline:
    time.sleep(0.01)
"""


def record(home: Path, server: CaptureServer, *, refused: bool = False) -> None:
    """Record four events in a separate process, which sends them; with `refused`, the server refuses them."""
    server.answer_always(Answer(status=503) if refused else Answer())
    result = run_python(RECORD + (REFUSED if refused else SENT), posthog_environ(home, server.url))
    assert result.returncode == 0, result.stderr


def show(home: Path, server: CaptureServer, *arguments: str) -> str:
    """Return the output of `show`."""
    return subprocess.check_output(
        [sys.executable, "-m", "mem0_telemetry", "show", *arguments],
        env=posthog_environ(home, server.url),
        text=True,
        timeout=180,
    )


def requests_in(text: str) -> list[dict[str, Any]]:
    """Return the request bodies in the output of `show`."""
    parts = text.split("The body of the request to PostHog:\n\n")[1:]
    return [json.JSONDecoder().raw_decode(part)[0] for part in parts]


def test_unsent_batches_are_shown_as_stored_and_as_sent(tmp_path: Path, server: CaptureServer) -> None:
    """`show` prints the stored lines unchanged, and each request as PostHog receives it later."""
    record(tmp_path, server, refused=True)
    (mailbox,) = mailboxes(tmp_path / ".mem0" / "telemetry")
    assert mailbox.events == 4
    refused = len(server.requests)
    text = show(tmp_path, server, "--all")
    assert len(server.requests) == refused
    for file in mailbox.files:
        assert f"\n{file.line()}\n" in text
    shown = {event["uuid"]: event for request in requests_in(text) for event in request["batch"]}
    keys = [request["api_key"] for request in requests_in(text)]
    assert keys[: len(mailbox.files)] == ["phc_test"] * len(mailbox.files)
    assert len(shown) == 4
    record(tmp_path, server)
    arrived = {event["uuid"]: event for event in server.events[-8:]}
    assert {uuid: arrived[uuid] for uuid in shown} == shown


def test_the_last_sends_are_shown(tmp_path: Path, server: CaptureServer) -> None:
    """After a send, `show` prints the batch with time, destination and result, and the request."""
    record(tmp_path, server)
    text = show(tmp_path, server)
    sent = [event["uuid"] for request in requests_in(text) for event in request["batch"]]
    assert sorted(sent) == sorted(event["uuid"] for event in server.events)
    assert "to posthog, sent" in text


def test_status_counts_unsent_events_and_lists_sends(tmp_path: Path, server: CaptureServer) -> None:
    """`status` counts unsent events by destination, as text and as JSON, and lists the last sends."""
    record(tmp_path, server, refused=True)
    command = [sys.executable, "-m", "mem0_telemetry", "status"]
    environ = posthog_environ(tmp_path, server.url)
    found = json.loads(subprocess.check_output([*command, "--json"], env=environ, text=True))
    assert (
        found["waiting_earlier"] == found["destinations"][0]["waiting"] == found["on_disk"][0]["events"] == 4
    )
    text = subprocess.check_output(command, env=environ, text=True)
    assert f"4 events for posthog {server.url}, since " in " ".join(text.split())
    assert "failed (HTTP 503)" in text
    assert "posthog  failed" in text
    record(tmp_path, server)
    text = subprocess.check_output(command, env=environ, text=True)
    assert "posthog  sent" in text
    assert "events for" not in text


def test_only_the_newest_sends_are_shown_without_all(tmp_path: Path) -> None:
    """`show` prints the last five sends, and how to see the others."""
    ours = tmp_path / ".mem0" / "telemetry"
    ours.mkdir(parents=True)
    entries = [
        {
            "time": f"2026-01-01T00:00:{n:02}",
            "destination": "console",
            "result": "sent",
            "count": 1,
            "batch": {},
        }
        for n in range(8)
    ]
    (ours / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    command = [sys.executable, "-m", "mem0_telemetry", "show"]
    few = subprocess.check_output(command, env=clean_environ(tmp_path), text=True)
    assert few.count("1 event to console, sent") == 5
    assert "3 older sends not shown" in few
    every = subprocess.check_output([*command, "--all"], env=clean_environ(tmp_path), text=True)
    assert every.count("1 event to console, sent") == 8


def test_a_batch_that_was_too_large_to_keep_is_mentioned(tmp_path: Path) -> None:
    """If the history does not have the batch of a send, `show` prints the rest of the send."""
    ours = tmp_path / ".mem0" / "telemetry"
    ours.mkdir(parents=True)
    entry = {
        "time": "2026-01-01T00:00:00",
        "destination": "otlp",
        "result": "sent",
        "count": 500,
        "batch": None,
    }
    (ours / "history.jsonl").write_text(json.dumps(entry) + "\n")
    command = [sys.executable, "-m", "mem0_telemetry", "show"]
    text = subprocess.check_output(command, env=clean_environ(tmp_path), text=True)
    assert "500 events to otlp, sent" in text
    assert "too large" in text


def test_a_damaged_line_is_shown_as_stored(tmp_path: Path, server: CaptureServer) -> None:
    """`show` prints a line that is not OTLP/JSON as it is stored, and that it will be dropped."""
    record(tmp_path, server, refused=True)
    (mailbox,) = mailboxes(tmp_path / ".mem0" / "telemetry")
    mailbox.files[0].path.write_text("not JSON\n")
    text = show(tmp_path, server, "--all")
    assert "\nnot JSON\n" in text
    assert "cannot be read" in text


def test_a_line_that_was_tampered_with_is_selected_again(tmp_path: Path, server: CaptureServer) -> None:
    """An attribute that was added to a stored line is shown in the line, but is not in the request."""
    record(tmp_path, server, refused=True)
    (mailbox,) = mailboxes(tmp_path / ".mem0" / "telemetry")
    for file in mailbox.files:
        line = file.line().replace(
            '"attributes":[', '"attributes":[{"key":"planted","value":{"stringValue":"x"}},'
        )
        file.path.write_text(line + "\n")
    text = show(tmp_path, server, "--all")
    waiting = requests_in(text)[: len(mailbox.files)]
    assert text.count('"planted"') >= 4
    assert len([event for request in waiting for event in request["batch"]]) == 4
    assert "planted" not in json.dumps(waiting)


def test_output_at_a_terminal_is_formatted(tmp_path: Path, server: CaptureServer) -> None:
    """At a terminal each batch is shown once, with its address, in 80 columns; `--raw` prints the bytes."""
    record(tmp_path, server, refused=True)
    seen = at_terminal(tmp_path, server, "show")
    (mailbox,) = mailboxes(tmp_path / ".mem0" / "telemetry")
    assert f"4 events for {mailbox.name} ({server.url}), in 1 file" in seen
    assert seen.count(f"~/.mem0/telemetry/spool/{mailbox.name}") == 1
    assert seen.count("mem0.search\x1b") == 3
    assert seen.count("(the events above)") == 1
    assert seen.count("\x1b[33mfailed (HTTP 503)\x1b[0m") == 1
    for text in ("mem0.limit=1", "mem0.parameters=user_id", "in each of them", "service.name=mem0"):
        assert text in seen
    assert "resourceLogs" not in seen
    assert max(len(re.sub("\x1b[^m]*m", "", line)) for line in seen.splitlines()) <= 80
    raw = at_terminal(tmp_path, server, "show", "--raw")
    assert f"\n{mailbox.files[0].line()}\n" in raw


def test_a_refusal_is_red(tmp_path: Path, server: CaptureServer) -> None:
    """`status` and `show` print a refused send in red at a terminal, and do not call it sent."""
    server.answer_always(Answer(status=401))
    run_python(RECORD + SENT, posthog_environ(tmp_path, server.url), listening=False)
    for command in ("status", "show"):
        seen = at_terminal(tmp_path, server, command)
        assert "\x1b[31mrefused (HTTP 401)\x1b[0m" in seen
        assert "sent  4" not in seen


@pytest.mark.parametrize(
    "line", ['{"resourceLogs":[{}]}', "[]", "[" * 100_000, '{"resourceLogs":1}', "not JSON"]
)
def test_a_damaged_line_is_reported_at_a_terminal(line: str, tmp_path: Path, server: CaptureServer) -> None:
    """`show` reports a line that is not OTLP/JSON and continues."""
    record(tmp_path, server, refused=True)
    (mailbox,) = mailboxes(tmp_path / ".mem0" / "telemetry")
    mailbox.files[0].path.write_text(f"{line}\n")
    assert "(it cannot be read, and will be dropped)" in at_terminal(tmp_path, server, "show")


def at_terminal(home: Path, server: CaptureServer, *arguments: str) -> str:
    """Return the output of the command at a terminal."""
    reader, end = pty.openpty()
    environ = {**posthog_environ(home, server.url), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "mem0_telemetry", *arguments], env=environ, stdout=end
    ) as process:
        os.close(end)
        seen = what_is_seen(reader)
        assert process.wait(180) == 0
    return seen


def test_reset_id_deletes_unsent_events(tmp_path: Path, server: CaptureServer) -> None:
    """`reset-id` deletes unsent events and the history: events with the old id would link it to the new one."""
    record(tmp_path, server, refused=True)
    before = len(server.requests)
    command = [sys.executable, "-m", "mem0_telemetry", "reset-id"]
    text = subprocess.check_output(command, env=posthog_environ(tmp_path, server.url), text=True)
    assert "Deleted: 4 events that waited" in text
    assert not list((tmp_path / ".mem0" / "telemetry").rglob("spool/*/*"))
    assert not (tmp_path / ".mem0" / "telemetry" / "history.jsonl").exists()
    record(tmp_path, server)
    fresh = text.splitlines()[1]
    sent = [event for request in server.requests[before:] for event in request.json()["batch"]]
    assert {event["distinct_id"] for event in sent if event["event"] == "mem0.search"} == {fresh}


@pytest.mark.parametrize("choice", ["disable", "clean"])
def test_disable_and_clean_delete_unsent_events(tmp_path: Path, server: CaptureServer, choice: str) -> None:
    """`disable` and `clean` delete unsent events and the history, and print how many events that were."""
    record(tmp_path, server, refused=True)
    ours = tmp_path / ".mem0" / "telemetry"
    assert (ours / "history.jsonl").exists()
    command = [sys.executable, "-m", "mem0_telemetry", choice]
    text = subprocess.check_output(command, env=posthog_environ(tmp_path, server.url), text=True)
    assert "4 events that waited" in " ".join(text.split())
    assert sorted(path.name for path in ours.iterdir()) == ["state.json", "state.lock"]
