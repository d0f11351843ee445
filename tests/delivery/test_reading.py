"""The functions with which a command shows and deletes batches and history, without a pipeline or the SDK."""

from __future__ import annotations

import json
import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import delivery as package
from mem0_telemetry.base import files
from mem0_telemetry.base.clock import SystemClock
from mem0_telemetry.delivery import _history
from mem0_telemetry.delivery.reading import history, mailboxes, purge
from support import delivery as support
from support.spool import batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from support.spool import Make as Mailboxes

    Make = Callable[..., Delivery]

pytestmark = pytest.mark.posix


def test_mailboxes_lists_the_unsent_batches(make: Make, sink: support.Sink, directory: Path) -> None:
    """`mailboxes` returns the files of each destination, oldest first, with counts, times and lines."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), support.destination_to(sink.port, name="other"))
    for number in range(3):
        support.enqueue_numbers(delivery, [number])
        delivery._writer.flush(60)
    delivery.shutdown(0)
    found = mailboxes(directory)
    assert [(mailbox.name, mailbox.events) for mailbox in found] == [("loop-abc123", 3), ("other-abc123", 3)]
    files = found[0].files
    assert [(file.events, file.state, file.size) for file in files] == [
        (1, "waiting", file.path.stat().st_size) for file in files
    ]
    assert [file.time_ns for file in files] == sorted(file.time_ns for file in files)
    document = json.loads(files[2].line())
    [record] = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record["eventName"] == "test.event"
    assert {"key": "n", "value": {"intValue": "2"}} in record["attributes"]
    files[2].path.unlink()
    assert files[2].line() == ""


def test_purge_deletes_spool_and_history(
    make: Make, sink: support.Sink, directory: Path, tmp_path: Path
) -> None:
    """`purge` deletes spool and history of every destination, but no link's target and no other file."""
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [0])
    assert delivery.flush(60)
    sink.answer_all(503)
    support.enqueue_numbers(delivery, range(1, 4))
    # The history has the first of consecutive failures only, so the sender no longer writes to it.
    assert support.wait_until(lambda: len(history(directory)) == 2 and mailboxes(directory)[0].events == 3)
    delivery.shutdown(0)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (directory / "spool" / "link").symlink_to(tmp_path / "outside")
    (directory / "state.json").touch()
    assert history(directory)
    assert purge(directory) == (3, ())
    assert [path.name for path in directory.iterdir()] == ["state.json"]
    assert (tmp_path / "outside" / "file").exists()
    assert purge(directory) == (0, ())


def test_purged_under_a_running_process(make: Make, sink: support.Sink, directory: Path) -> None:
    """After another process's purge, the deleted batches are not sent, not even from memory; new events are."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=0.3))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: sink.requests)
    assert purge(directory) == (1, ())
    seen = len(sink.requests)
    sink.answer_all(200)
    support.enqueue_numbers(delivery, [2])
    assert delivery.flush(60)
    assert [event["n"] for request in sink.requests[seen:] for event in request] == [2]


def test_a_purged_history_does_not_reappear(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`purge` waits for a process that has read the old history, and deletes the history which that one writes."""
    monkeypatch.setattr(_history, "_ATTEMPTS", 1_000)  # enough on a slow machine
    directory.mkdir(parents=True)
    log = _history.History(root=directory, clock=SystemClock())
    log.add(destination="d", result="sent", count=1, line=b"{}\n")
    purging = threading.Thread(target=purge, args=[directory])
    write_all = files.write_all

    def write_while_purging(descriptor: int, content: bytes) -> None:
        if purging.ident is None:
            purging.start()
            purging.join(0.1)
        write_all(descriptor, content)

    monkeypatch.setattr(files, "write_all", write_while_purging)
    log.add(destination="d", result="sent", count=1, line=b"{}\n")
    purging.join(60)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("content", ["nothing", "a file", "a link"])
def test_reading_changes_nothing(content: str, tmp_path: Path) -> None:
    """If the directory is missing, a file, or has a link as spool, reading finds nothing and creates nothing."""
    directory = tmp_path / "telemetry"
    if content == "a file":
        directory.write_text("x")
    elif content == "a link":
        directory.mkdir()
        (directory / "spool").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert [mailbox for mailbox in mailboxes(directory) if mailbox.files] == []
    assert history(directory) == ()
    assert sorted(tmp_path.rglob("*")) == before


def test_every_send_is_in_the_history(make: Make, sink: support.Sink, directory: Path) -> None:
    """The history has each send's time, destination, result, count and exact content."""
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)
    sink.answer_all(503)
    support.enqueue_numbers(delivery, [2])
    assert support.wait_until(lambda: len(sink.requests) >= 4)
    sink.answer_all(200)
    assert delivery.flush(60)
    entries = history(directory)
    assert [(entry["destination"], entry["result"], entry["count"]) for entry in entries] == [
        ("loop", "sent", 1),
        ("loop", "failed", 1),
        ("loop", "sent", 1),
    ]
    bodies = [entry["batch"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"] for entry in entries]
    assert [record["attributes"][0]["value"]["intValue"] for [record] in bodies] == ["1", "2", "2"]
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert (directory / "history.jsonl").stat().st_mode & 0o777 == 0o600


def add(directory: Path, number: int, size: int = 10) -> None:
    """Add one entry with a batch of `size` characters."""
    directory.mkdir(parents=True, exist_ok=True)
    log = _history.History(root=directory, clock=SystemClock())
    log.add(destination="d", result="sent", count=number, line=json.dumps("x" * size).encode() + b"\n")


def test_the_history_is_bounded(directory: Path) -> None:
    """The history keeps the last 50 sends and 1 MB; a batch that is too large is entered without its line."""
    for number in range(60):
        add(directory, number)
    assert [entry["count"] for entry in history(directory)] == list(range(10, 60))
    for number in range(10):
        add(directory, number, 300_000)
    assert [entry["count"] for entry in history(directory)] == [7, 8, 9]
    assert (directory / "history.jsonl").stat().st_size <= 1024 * 1024
    add(directory, 77, 2_000_000)
    assert history(directory)[-1]["batch"] is None
    assert history(directory)[-1]["count"] == 77


def test_processes_share_the_history(directory: Path, sink: support.Sink) -> None:
    """All sends of several concurrent processes are in the history."""
    code = """
from mem0_telemetry.delivery import _history
_history._ATTEMPTS = 1000  # on a busy machine too
d = to_sink(D, P)
for number in range(5): enqueue_numbers(d, [number]); assert d.flush(60)
"""
    processes = [support.start(code, directory, sink.port) for _ in range(4)]
    assert {process.communicate(timeout=180) for process in processes} == {("", "")}
    assert sum(entry["count"] for entry in history(directory)) == 20


def test_a_damaged_history_is_read_without_its_invalid_lines(directory: Path) -> None:
    """Invalid lines of a damaged history are skipped, and the next send replaces them."""
    add(directory, 1)
    with (directory / "history.jsonl").open("ab") as file:
        file.write(b"[1]\n\xff\xfe\n{torn")
    assert [entry["count"] for entry in history(directory)] == [1]
    add(directory, 2)
    assert [entry["count"] for entry in history(directory)] == [1, 2]


ENTRY = {"time": "2026-01-01T00:00:00+00:00", "destination": "d", "result": "sent", "count": 1, "batch": {}}


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        "1" * 5_000,
        "null",
        "{}",
        *(json.dumps({**ENTRY, key: [value]}) for key, value in ENTRY.items() if key != "batch"),
        json.dumps({**ENTRY, "count": True}),
        json.dumps({**ENTRY, "count": "many"}),
        json.dumps({**ENTRY, "reason": 5}),
    ],
)
def test_an_invalid_line_of_the_history_is_left_out(directory: Path, line: str) -> None:
    """An invalid line of any content does not raise, and the entries around it are returned."""
    directory.mkdir(parents=True)
    good = json.dumps(ENTRY)
    (directory / "history.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    assert history(directory) == (ENTRY, ENTRY)


def test_an_oversized_history_is_replaced(directory: Path) -> None:
    """An oversized history is not read into memory, and the next send replaces it."""
    add(directory, 1)
    with (directory / "history.jsonl").open("ab") as file:
        file.truncate(2**33)
    assert history(directory) == ()
    add(directory, 2)
    assert [entry["count"] for entry in history(directory)] == [2]


def test_an_oversized_batch_is_listed_and_not_read(mailbox: Mailboxes, directory: Path) -> None:
    """An oversized spool file is listed with its size, and its line is not read into memory."""
    mailbox().spool(batch(1, count=3))
    [file] = mailboxes(directory)[0].files
    os.truncate(file.path, 2**33)
    [file] = mailboxes(directory)[0].files
    assert (file.events, file.size, file.line()) == (3, 2**33, "")


@pytest.mark.parametrize("level", ["telemetry", "telemetry/spool", "telemetry/spool/loop-abc123"])
def test_a_link_on_the_way_to_a_batch_is_not_followed(
    mailbox: Mailboxes, directory: Path, tmp_path: Path, level: str
) -> None:
    """Neither reading nor deleting goes through a link below Mem0's directory."""
    mailbox().spool(batch(1))
    add(directory, 1)
    [file] = mailboxes(directory)[0].files
    real = tmp_path / "elsewhere"
    link = directory.parent / level
    link.rename(real)
    link.symlink_to(real)
    before = sorted(real.rglob("*"))
    assert file.line() == ""
    assert [found for found in mailboxes(directory) if found.files] == []
    assert purge(directory) == (0, (directory,) if level == "telemetry" else ())
    assert sorted(real.rglob("*")) == before
    assert bool(history(directory)) is False


def test_a_mailbox_with_an_unprintable_name_is_left_out(mailbox: Mailboxes, directory: Path) -> None:
    """A directory with undecodable bytes or terminal escapes in its name is not listed, but is deleted by `purge`."""
    mailbox().spool(batch(1))
    parent = os.fsencode(directory / "spool")
    for name in (b"half-\xff", b"\x1b[2J"):
        shutil.copytree(parent + b"/loop-abc123", parent + b"/" + name)
    assert [found.name for found in mailboxes(directory)] == ["loop-abc123"]
    assert purge(directory) == (1, ())
    assert list(directory.iterdir()) == []


def test_reading_loads_no_sdk(directory: Path) -> None:
    """Reading does not import the SDK, so the command starts fast."""
    code = """
from mem0_telemetry.delivery.reading import mailboxes, history, purge
mailboxes(Path(D)), history(Path(D)), purge(Path(D))
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    assert support.run(code, directory, 0).out == "[]\n"


def test_exported_names_exist() -> None:
    """Every name in `__all__` can be imported; any other name raises `AttributeError`."""
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        _ = package.no_such_name  # type: ignore[attr-defined]
