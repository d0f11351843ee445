# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry show`: print the unsent events and the last sends, formatted for people or byte for byte."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord

from mem0_telemetry.cli.console import heading, outcome, plural, prose, shortened, styled
from mem0_telemetry.cli.status import by_mailbox
from mem0_telemetry.delivery._decode import decode
from mem0_telemetry.delivery.reading import history, mailboxes, unreadable
from mem0_telemetry.pipeline.destinations import resolve
from mem0_telemetry.pipeline.exporters import posthog_mapping
from mem0_telemetry.pipeline.selection import Selection
from mem0_telemetry.policy import state_file
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events

_A_KEY = "(the project's key)"
_UNREADABLE = "(it cannot be read, and will be dropped)"


def run(*, everything: bool, raw: bool) -> int:
    """Print the unsent events and the last sends: the newest, or `everything`; formatted at a terminal unless `raw`."""
    directory = Path(state_file.telemetry_dir(state_file.mem0_dir(os.environ)))
    most = None if everything else 5
    show_batch = _show_raw if raw or not sys.stdout.isatty() else _Readable(most).show
    waiting, chosen = [box for box in mailboxes(directory) if box.files], by_mailbox(resolve(os.environ))
    for box in waiting:
        config = chosen.get(box.name)
        where = (config.endpoint or "no address") if config else "not chosen here"
        files = plural(len(box.files), "file")
        heading(f"{plural(box.events, 'event')} for {box.name} ({where}), in {files}")
        print(shortened(box.files[0].path.parent))
        for file in _newest(box.files, most, "older file"):
            print(f"\n{file.path.name} ({plural(file.events, 'event')}, {file.state})")
            is_request = box.name.startswith("posthog-") and file.state == "waiting"
            show_batch(file.line(), (config.api_key if config else _A_KEY) if is_request else None)
    sends = history(directory)
    for send in _newest(sends, most, "older send"):
        whom, batch = send["destination"], send.get("batch")
        heading(f"{send['time']}: {plural(send['count'], 'event')} to {whom}, ", outcome(send))
        if batch is None:
            print("\n(the batch was too large to keep)")
        else:
            line = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
            show_batch(line, _A_KEY if whom == "posthog" else None)
    if closed := unreadable(directory):
        prose(f"This user may not read {', '.join(map(shortened, closed))}.")
    elif not waiting and not sends:
        prose(f"Nothing waits in {shortened(directory)}, and the history of sends is empty.")
    return 0


def _newest(found: Sequence[Any], most: int | None, noun: str, indent: str = "\n") -> Iterator[Any]:
    """Yield the newest `most` of `found`, or all if it is None; then print how many are left out."""
    left_out = max(0, len(found) - most) if most else 0
    yield from found[left_out:]
    if left_out:
        print(f"{indent}{plural(left_out, noun)} not shown: --all shows them.")


def _records(line: str) -> tuple[ReadableLogRecord, ...]:
    """Return the records of one line of OTLP/JSON, or an empty tuple if the line is something else."""
    try:
        return decode(f"{line}\n".encode())
    except ValueError:
        return ()


def _show_raw(line: str, api_key: str | None) -> None:
    """Print a batch byte for byte and, if there is a key, the PostHog request that it becomes."""
    print(f"\n{line}")
    if api_key is None:
        return
    if not (records := _records(line)):
        print(f"\n{_UNREADABLE}")
        return
    # The sender does the same: it selects the records again, then maps them.
    selected = [record for record in map(Selection(), records) if record is not None]
    events = log_events(selected, MappingOptions(**posthog_mapping())).events
    request = body(events, api_key=api_key, sent_at="(when it is sent)")
    print("\nThe body of the request to PostHog:\n")
    print(json.dumps(json.loads(request), indent=2, ensure_ascii=False))


class _Readable:
    """Formats batches for people; a batch whose events were all printed before is only mentioned."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._printed: set[str] = set()

    def show(self, line: str, _: str | None) -> None:
        """Print each event with name, time and attributes; print attributes that all events share only once."""
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
        shared = dict(item for item in first if all(item in event.items() for event in events))
        for record, event in _newest([*zip(records, events, strict=True)], self._most, "older event", "  "):
            moment = datetime.fromtimestamp((record.log_record.timestamp or 0) / 1e9, tz=timezone.utc)
            name = styled(_printable(record.log_record.event_name), "bold")
            print(f"  {name}  {moment:%Y-%m-%d %H:%M:%S} UTC")
            _print({name: value for name, value in event.items() if name not in shared})
        if shared:
            print("  and in each of them:")
            _print(shared)


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
    """Return the text, escaped if it could control the terminal: another program may have written the file."""
    text = str(found)
    return text if text.isprintable() else ascii(text)
