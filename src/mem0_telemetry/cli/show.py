"""`mem0-telemetry show`: what waits and what was sent last, to be read, or byte for byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.console import heading, outcome, plural, prose, shortened
from mem0_telemetry.cli.readable import Readable
from mem0_telemetry.delivery import history, mailbox_name, mailboxes, unreadable
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.policy import state_file

if TYPE_CHECKING:
    from mem0_telemetry.delivery import SpooledMailbox
    from mem0_telemetry.pipeline.destinations import DestinationConfig

_NEWEST = 5
_POSTHOG = "posthog"
_A_KEY = "(the project's key)"


def run(*, everything: bool, raw: bool) -> int:
    """Print what waits and what was sent last.

    Args:
        everything: all of it, and not the newest few only.
        raw: the lines as they lie, and the requests that they become; else each batch once, to be read.
    """
    directory = Path(state_file.telemetry_dir(state_file.mem0_dir(os.environ)))
    waiting = [box for box in mailboxes(directory) if box.files]
    sends = history(directory)
    readable = None if raw else Readable(None if everything else _NEWEST)
    for box in waiting:
        _show_mailbox(box, readable, everything=everything)
    shown = sends if everything else sends[-_NEWEST:]
    for send in shown:
        _show_send(send, readable)
    if closed := unreadable(directory):
        prose(f"This user may not read {', '.join(shortened(str(path)) for path in closed)}.")
    elif not waiting and not sends:
        prose(f"Nothing waits in {shortened(str(directory))}, and the history of sends is empty.")
    if len(shown) < len(sends):
        print()
        prose(f"{plural(len(sends) - len(shown), 'older send')} not shown: --all shows them.")
    return 0


def _show_mailbox(box: SpooledMailbox, readable: Readable | None, *, everything: bool) -> None:
    config = _config_of(box.name)
    whom = f"{box.name} ({config.endpoint or 'no address'})" if config else f"{box.name} (not chosen here)"
    heading(f"{plural(box.events, 'event')} for {whom}, in {plural(len(box.files), 'file')}")
    shown = box.files if everything else box.files[-_NEWEST:]
    for file in shown:
        count = f"({plural(file.events, 'event')}, {file.state})"
        if readable:
            print(f"\n{file.path.name} {count}")
            readable.show(file.line())
            continue
        print(f"\n{shortened(str(file.path))} {count}, as it lies:")
        is_request = box.name.startswith(f"{_POSTHOG}-") and file.state == "waiting"
        _show_raw(file.line(), config.api_key if config else _A_KEY, is_request=is_request)
    if len(shown) < len(box.files):
        print(f"\n{plural(len(box.files) - len(shown), 'older file')} not shown: --all shows them.")


def _show_send(send: dict[str, Any], readable: Readable | None) -> None:
    count, whom = send.get("count"), str(send.get("destination"))
    count = plural(count if isinstance(count, int) else 0, "event")
    heading(f"{send.get('time')}: {count} to {whom}, ", outcome(send))
    batch = send.get("batch")
    if batch is None:
        print("\n(too large to be kept)")
        return
    line = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
    if readable:
        readable.show(line)
    else:
        _show_raw(line, _A_KEY, is_request=whom.startswith(_POSTHOG))


def _show_raw(line: str, api_key: str, *, is_request: bool) -> None:
    """Print a batch byte for byte, and the request to PostHog that it becomes."""
    print(f"\n{line}")
    if not is_request:
        return
    from mem0_telemetry.cli.preview import posthog_request  # noqa: PLC0415  # loads the OpenTelemetry SDK

    try:
        body = json.loads(posthog_request(line.encode(), api_key=api_key))
    except ValueError:
        print("\n(it cannot be read, and will be dropped)")
        return
    print("\nas the body of the request to PostHog:\n")
    print(json.dumps(body, indent=2, ensure_ascii=False))


def _config_of(mailbox: str) -> DestinationConfig | None:
    for config in destinations.resolve(os.environ).configs:
        if mailbox == mailbox_name(config.name, config.fingerprint):
            return config
    return None
