# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry status`: report what a process that starts in this environment would do, and what is on disk."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from mem0_telemetry import environment_variables as env
from mem0_telemetry.api.status import DestinationStatus, Status
from mem0_telemetry.cli.console import heading, outcome, plural, prose, row, shortened, styled
from mem0_telemetry.delivery import mailbox_name
from mem0_telemetry.delivery.reading import SpooledMailbox, history, mailboxes, unreadable
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.pipeline.destinations import DestinationConfig, Destinations
from mem0_telemetry.policy import identity, notice, state_file
from mem0_telemetry.policy.consent import DEFAULT, STORED, Consent, decide

WITHOUT_US = """\
This is about processes that use mem0-telemetry. In a process without it, Mem0's own telemetry is active: only \
MEM0_TELEMETRY=False in its environment stops that."""
_MEM0S = "(Mem0's maintainers, US)"
_NOT_CHOSEN = """\
Events for a destination that is not chosen are deleted when they are 7 days old, or by `mem0-telemetry clean`."""
_UNWRITABLE = """MEM0_DIR cannot be written: events wait in memory and end with their process, each of which has a \
random installation id; set MEM0_DIR to a directory that can be"""


def run(*, as_json: bool, check: bool) -> int:
    """Print the status; with `check`, return the exit status 1 if telemetry is off."""
    mem0_dir, resolved = state_file.mem0_dir(os.environ), destinations.resolve(os.environ)
    directory = Path(state_file.telemetry_dir(mem0_dir))
    boxes = mailboxes(directory)
    status = _status(mem0_dir, resolved, {box.name: box.events for box in boxes})
    if as_json:
        waiting = [{"mailbox": box.name, "events": box.events, "files": len(box.files)} for box in boxes]
        fields = ("time", "destination", "result", "reason", "count")
        last = [{field: send.get(field) for field in fields} for send in history(directory)]
        closed = [str(path) for path in unreadable(directory)]
        on_disk = {"on_disk": waiting, "last_sends": last, "unreadable": closed}
        print(json.dumps({**asdict(status), "mem0_dir": mem0_dir, **on_disk}, indent=2))
    else:
        _print(status, mem0_dir, resolved)
        _print_disk(directory, [box for box in boxes if box.files], resolved)
        _print_advice(status)
    return 1 if check and not status.enabled else 0


def consent_here(mem0_dir: str, resolved: Destinations) -> Consent:
    """Return the consent that a process starting now would decide. Create, load and log nothing."""
    return decide(os.environ, state=state_file.read(mem0_dir), destination_problem=resolved.reason_for_none)


def by_mailbox(resolved: Destinations) -> dict[str, DestinationConfig]:
    """Return the config of each chosen destination, by the name of its mailbox."""
    return {mailbox_name(config.name, config.fingerprint): config for config in resolved.configs}


def _status(mem0_dir: str, resolved: Destinations, waiting: Mapping[str, int]) -> Status:
    """Return the status; `waiting` is the number of unsent events in each mailbox."""
    consent, who = consent_here(mem0_dir, resolved), identity.current(mem0_dir)
    writable = not consent.enabled or _is_writable(Path(state_file.telemetry_dir(mem0_dir)))
    problems = (*resolved.problems, *resolved.remarks, *env.unusable_numbers(os.environ))
    chosen = tuple(
        DestinationStatus(name=config.name, endpoint=config.endpoint, waiting=waiting.get(mailbox, 0))
        for mailbox, config in by_mailbox(resolved).items()
    )
    return Status(
        enabled=consent.enabled,
        source=consent.source,
        reason=consent.reason,
        also_off=consent.also,
        installation_id=who.id if who and consent.enabled else None,
        destinations=chosen if consent.enabled else (),
        problems=problems if writable else (*problems, _UNWRITABLE),
        sample_rate=env.number(os.environ, env.MEM0_TELEMETRY_SAMPLE_RATE),
        waiting_earlier=sum(waiting.values()),
    )


def _is_writable(directory: Path) -> bool:
    """Return whether a process can store something in `directory`, without creating anything."""
    there = next(path for path in (directory, *directory.parents) if os.access(path, os.F_OK))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _print(status: Status, mem0_dir: str, resolved: Destinations) -> None:
    state = styled("on", "green") if status.enabled else styled("off", "red")
    print(f"Mem0 usage telemetry is {state} for a process that starts here.\n")
    row("why", _with_source(status.source, status.reason))
    for source, reason in status.also_off:
        row("off as well", _with_source(source, reason))
    if status.enabled:
        row("id", status.installation_id or "none yet; it is made at the first event")
        for config in resolved.configs:
            is_mem0s = config.is_vendor and config.api_key == destinations.VENDOR_API_KEY
            row("sends to", f"{config.name} {config.endpoint} {_MEM0S if is_mem0s else ''}".strip())
        row("sampling", f"{status.sample_rate * 100:.3g} % of Memory's frequent calls, and all other calls")
        vendor = any(config.is_vendor for config in resolved.configs)
        concerned = notice.concerns(os.environ, terminal=notice.is_terminal(sys.stderr), vendor=vendor)
        if concerned and not notice.is_shown(state_file.read(mem0_dir)):
            row("notice", "the next run at a terminal shows a notice about telemetry, and records nothing")
        if env.is_set(os.environ, env.MEM0_TELEMETRY_DEBUG):
            row("dry run", "MEM0_TELEMETRY_DEBUG is set: events are printed, and neither sent nor stored")
    for problem in status.problems:
        if problem not in status.reason:
            row("problem", problem)


def _with_source(source: str, reason: str) -> str:
    """Return the reason, with its source in front unless the reason quotes the source or is the default."""
    return reason if source == DEFAULT or reason.startswith(f"{source}=") else f"{source}: {reason}"


def _print_disk(directory: Path, waiting: Sequence[SpooledMailbox], resolved: Destinations) -> None:
    heading(f"On disk, in {shortened(directory)}")
    chosen, sends = by_mailbox(resolved), history(directory)
    for box in waiting:
        oldest = datetime.fromtimestamp(box.files[0].time_ns / 1e9, tz=timezone.utc)
        config = chosen.get(box.name)
        whom = f"{config.name} {config.endpoint}".strip() if config else f"{box.name}, not chosen here"
        row("waits", f"{plural(box.events, 'event')} for {whom}, since {oldest:%Y-%m-%d %H:%M} UTC")
    if any(box.name not in chosen for box in waiting):
        row("", _NOT_CHOSEN)
    for send in sends[-3:]:
        moment = send["time"][:16].replace("T", " ")
        row("last sends", f"{moment} UTC  {send['destination']}  {outcome(send)}  {send['count']}")
    if closed := unreadable(directory):
        row("unreadable", f"by this user: {', '.join(map(shortened, closed))}. Events may wait there.")
    elif not sends and not waiting:
        prose("nothing waits, and the history of sends is empty", indent="  ")


def _print_advice(status: Status) -> None:
    print()
    says_off = () if status.enabled else (status.source, *(source for source, _ in status.also_off))
    if env.MEM0_TELEMETRY in says_off:
        prose("MEM0_TELEMETRY also stops Mem0's own telemetry, in processes that do not use mem0-telemetry.")
    else:
        prose(WITHOUT_US)
    if status.enabled:
        prose("To switch it off: mem0-telemetry disable")
    elif STORED in says_off:
        prose("To undo `disable`: mem0-telemetry enable")
