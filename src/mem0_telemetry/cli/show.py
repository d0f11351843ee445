"""`mem0-telemetry show`: the lines that wait, as they lie, and the request bodies that they become."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mem0_telemetry import _state
from mem0_telemetry.cli.console import heading, outcome, plural, prose, shortened
from mem0_telemetry.delivery import history, mailbox_name, mailboxes
from mem0_telemetry.pipeline import destinations

if TYPE_CHECKING:
    from mem0_telemetry.delivery import SpooledMailbox

_NEWEST = 5
_POSTHOG = "posthog"
_A_KEY = "(the project's key)"


def run(*, everything: bool) -> int:
    """Print what waits and what was sent last; `everything`, or the newest few of each."""
    directory = Path(_state.telemetry_dir(_state.mem0_dir(os.environ)))
    waiting = [box for box in mailboxes(directory) if box.files]
    sends = history(directory)
    for box in waiting:
        _show_mailbox(box, everything=everything)
    shown = sends if everything else sends[-_NEWEST:]
    for send in shown:
        _show_send(send)
    if not waiting and not sends:
        prose(f"Nothing waits in {shortened(str(directory))}, and nothing has been sent from here.")
    elif len(shown) < len(sends):
        prose(f"{plural(len(sends) - len(shown), 'older send')} not shown: --all shows them.")
    return 0


def _show_mailbox(box: SpooledMailbox, *, everything: bool) -> None:
    heading(f"{plural(box.events, 'event')} for {box.name}, in {plural(len(box.files), 'file')}")
    shown = box.files if everything else box.files[-_NEWEST:]
    for file in shown:
        print(f"\n{shortened(str(file.path))} ({plural(file.events, 'event')}, {file.state}), as it lies:\n")
        line = file.line()
        print(line)
        if box.name.startswith(f"{_POSTHOG}-") and file.state == "waiting":
            _show_request(line, _api_key(box.name))
    if len(shown) < len(box.files):
        print(f"\n{plural(len(box.files) - len(shown), 'older file')} not shown: --all shows them.")


def _show_send(send: dict[str, Any]) -> None:
    count = plural(int(send.get("count") or 0), "event")
    heading(f"{send.get('time')}: {count} to {send.get('destination')}, {outcome(send)}")
    batch = send.get("batch")
    if batch is None:
        print("\n(too large to be kept)")
        return
    line = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
    print(f"\n{line}")
    if str(send.get("destination")).startswith(_POSTHOG):
        _show_request(line, _A_KEY)


def _show_request(line: str, api_key: str) -> None:
    from mem0_telemetry.cli.preview import posthog_request  # noqa: PLC0415  # loads the OpenTelemetry SDK

    try:
        body = json.loads(posthog_request(line.encode(), api_key=api_key))
    except ValueError:
        print("\n(it cannot be read, and will be dropped)")
        return
    print("\nas the body of the request to PostHog:\n")
    print(json.dumps(body, indent=2, ensure_ascii=False))


def _api_key(mailbox: str) -> str:
    for config in destinations.resolve(os.environ).configs:
        if mailbox == mailbox_name(config.name, config.fingerprint):
            return config.api_key
    return _A_KEY
