# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry show`: what waits and what was sent last, for people or byte for byte."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord

from mem0_telemetry.cli.console import heading, outcome, plural, prose, shortened, styled
from mem0_telemetry.cli.status import chosen_mailboxes
from mem0_telemetry.delivery import history, mailboxes, unreadable
from mem0_telemetry.delivery._decode import decode
from mem0_telemetry.pipeline.exporters import posthog_mapping
from mem0_telemetry.pipeline.selection import Selection
from mem0_telemetry.policy import state_file
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events

_NEWEST = 5
_A_KEY = "(the project's key)"
_UNREADABLE = "(it cannot be read, and will be dropped)"


def run(*, everything: bool, raw: bool) -> int:
    """Print what waits and what was sent last.

    Args:
        everything: print all of it, and not the newest few only.
        raw: print the lines as they are stored, and the requests that they become, as outside a terminal.
    """
    directory = Path(state_file.telemetry_dir(state_file.mem0_dir(os.environ)))
    newest = None if everything else _NEWEST
    printer = _Raw() if raw or not sys.stdout.isatty() else _Readable(newest)
    waiting = [box for box in mailboxes(directory) if box.files]
    chosen = chosen_mailboxes()
    for box in waiting:
        config = chosen.get(box.name)
        where = (config.endpoint or "no address") if config else "not chosen here"
        heading(
            f"{plural(box.events, 'event')} for {box.name} ({where}), in {plural(len(box.files), 'file')}"
        )
        shown = box.files[-newest:] if newest else box.files
        for file in shown:
            print(f"\n{printer.title(file.path)} ({plural(file.events, 'event')}, {file.state})")
            is_request = box.name.startswith("posthog-") and file.state == "waiting"
            printer.batch(file.line(), (config.api_key if config else _A_KEY) if is_request else None)
        _tell_left_out(len(box.files) - len(shown), "older file")
    sends = history(directory)
    shown_sends = sends[-newest:] if newest else sends
    for send in shown_sends:
        whom, batch = send["destination"], send.get("batch")
        heading(f"{send['time']}: {plural(send['count'], 'event')} to {whom}, ", outcome(send))
        if batch is None:
            print("\n(the batch was too large to keep)")
        else:
            line = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
            printer.batch(line, _A_KEY if whom == "posthog" else None)
    _tell_left_out(len(sends) - len(shown_sends), "older send")
    if closed := unreadable(directory):
        prose(f"This user may not read {', '.join(map(shortened, closed))}.")
    elif not waiting and not sends:
        prose(f"Nothing waits in {shortened(directory)}, and the history of sends is empty.")
    return 0


def _tell_left_out(count: int, noun: str) -> None:
    if count:
        print(f"\n{plural(count, noun)} not shown: --all shows them.")


def _records(line: str) -> tuple[ReadableLogRecord, ...]:
    """Return the records of one line of OTLP/JSON; none if it is something else."""
    try:
        return decode(f"{line}\n".encode())
    except ValueError:
        return ()


class _Raw:
    """Prints batches byte for byte, and the requests to PostHog that they become."""

    title = staticmethod(shortened)

    def batch(self, line: str, api_key: str | None) -> None:
        """Print a batch; with a key also its request: select the records again and map them, as the sender does."""
        print(f"\n{line}")
        if api_key is None:
            return
        if not (records := _records(line)):
            print(f"\n{_UNREADABLE}")
            return
        selected = [record for record in map(Selection(), records) if record is not None]
        events = log_events(selected, MappingOptions(**posthog_mapping())).events
        request = body(events, api_key=api_key, sent_at="(when it is sent)")
        print("\nThe body of the request to PostHog:\n")
        print(json.dumps(json.loads(request), indent=2, ensure_ascii=False))


class _Readable:
    """Prints batches for people; a batch whose events were all printed before is only mentioned."""

    def __init__(self, newest: int | None) -> None:
        self._newest = newest
        self._printed: set[str] = set()

    def title(self, path: Path) -> str:
        """Return the name of the file: its directory is in the heading."""
        return path.name

    def batch(self, line: str, _: str | None) -> None:
        """Print each event by name and time, and what all of them carry once."""
        records = _records(line)
        events = [_attributes(record) for record in records]
        uids = {event.pop("log.record.uid", "") for event in events}
        if not events:
            print(f"  {_UNREADABLE}")
            return
        if uids <= self._printed:
            print("  (the events above)")
            return
        self._printed |= uids - {""}
        first = events[0].items() if len(events) > 1 else ()
        shared = {name: value for name, value in first if all(e.get(name) == value for e in events)}
        left_out = max(0, len(events) - self._newest) if self._newest else 0
        for record, event in list(zip(records, events, strict=True))[left_out:]:
            moment = datetime.fromtimestamp((record.log_record.timestamp or 0) / 1e9, tz=timezone.utc)
            name = styled(_printable(record.log_record.event_name), "bold")
            print(f"  {name}  {moment:%Y-%m-%d %H:%M:%S} UTC")
            _print({name: value for name, value in event.items() if name not in shared})
        if shared:
            print("  and in each of them:")
            _print(shared)
        if left_out:
            print(f"  {plural(left_out, 'older event')} of this batch not shown: --all shows them.")


def _print(attributes: Mapping[str, str]) -> None:
    if attributes:
        prose("  ".join(f"{name}={value}" for name, value in attributes.items()), indent="    ")


def _attributes(record: ReadableLogRecord) -> dict[str, str]:
    """Return the attributes of a record and of its resource, as text."""
    found = {**record.resource.attributes, **(record.log_record.attributes or {})}
    return {_printable(name): _text(value) for name, value in found.items()}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return _printable(str(value).lower() if isinstance(value, bool) else value)


def _printable(found: object) -> str:
    """Return text that moves no terminal's cursor: others may be able to write to the disk."""
    text = str(found)
    return text if text.isprintable() else ascii(text)
