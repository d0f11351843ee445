"""`mem0-telemetry status`: what a process that starts in this environment would do, and what lies on the disk."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mem0_telemetry.api.status import DestinationStatus, Status
from mem0_telemetry.cli.console import fact, heading, outcome, plural, prose, shortened, styled
from mem0_telemetry.delivery import history, mailbox_name, mailboxes, unreadable
from mem0_telemetry.environment_variables import (
    MEM0_TELEMETRY,
    MEM0_TELEMETRY_DEBUG,
    is_set,
    unusable_numbers,
)
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.policy import identity, notice, sampling, state_file
from mem0_telemetry.policy.consent import DEFAULT, STORED, choice_of, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mem0_telemetry.delivery import SpooledMailbox
    from mem0_telemetry.pipeline.destinations import Destinations

_GOVERNS = """\
This is about processes that use mem0-telemetry. In a process without it, Mem0's own telemetry is at work: only \
MEM0_TELEMETRY=False in its environment stops that."""
_ALSO_STOPS_MEM0S = "MEM0_TELEMETRY also stops Mem0's own telemetry, in processes without mem0-telemetry."
_STOP = "To switch it off: mem0-telemetry disable"
_WITHDRAW = "To withdraw `disable`: mem0-telemetry enable"


def run(*, as_json: bool, check: bool) -> int:
    """Print the status; where `check` is set, the exit status is 1 where telemetry is off."""
    directory = state_file.mem0_dir(os.environ)
    waiting = mailboxes(Path(state_file.telemetry_dir(directory)))
    found = status_here(os.environ, directory, waiting)
    if as_json:
        print(json.dumps({**asdict(found), "mem0_dir": directory, **_disk(directory, waiting)}, indent=2))
    else:
        _print(found, directory, waiting)
    return 1 if check and not found.enabled else 0


def _disk(directory: str, waiting: Sequence[SpooledMailbox]) -> dict[str, Any]:
    """Return what lies on the disk, for programs."""
    ours = Path(state_file.telemetry_dir(directory))
    told = ("time", "destination", "result", "reason", "count")
    return {
        "on_disk": [{"mailbox": box.name, "events": box.events, "files": len(box.files)} for box in waiting],
        "last_sends": [{name: send.get(name) for name in told} for send in history(ours)],
        "unreadable": [str(path) for path in unreadable(ours)],
    }


def status_here(environ: Mapping[str, str], directory: str, waiting: Sequence[SpooledMailbox]) -> Status:
    """Answer the status of a process that would start now: nothing is created, loaded or warned about."""
    state = state_file.read(directory)
    chosen = destinations.resolve(environ)
    consent = decide(environ, choice=choice_of(state), destination_problem=chosen.reason_for_none)
    who = identity.current(directory)
    return Status(
        enabled=consent.enabled,
        source=consent.source,
        reason=consent.reason,
        also_off=consent.also,
        installation_id=who.id if who and consent.enabled else None,
        destinations=_destinations(chosen, waiting) if consent.enabled else (),
        problems=(*chosen.problems, *unusable_numbers(environ)),
        sample_rate=sampling.rate_from(environ),
        waiting_earlier=sum(box.events for box in waiting),
    )


def _destinations(chosen: Destinations, waiting: Sequence[SpooledMailbox]) -> tuple[DestinationStatus, ...]:
    events = {box.name: box.events for box in waiting}
    return tuple(
        DestinationStatus(
            name=config.name,
            endpoint=config.endpoint,
            state="idle",
            waiting=events.get(mailbox_name(config.name, config.fingerprint), 0),
        )
        for config in chosen.configs
    )


def _print(found: Status, directory: str, waiting: Sequence[SpooledMailbox]) -> None:
    state = styled("on", "green") if found.enabled else styled("off", "red")
    print(f"Mem0 usage telemetry is {state} for a process that starts here.")
    print()
    fact("decided by", _said(found.source, found.reason))
    for source, reason in found.also_off:
        fact("off as well", _said(source, reason))
    if found.enabled:
        fact("id", found.installation_id or "none yet; it is made at the first event")
        for destination in found.destinations:
            fact("sends to", f"{destination.name} {destination.endpoint} {_whose(destination)}".strip())
        fact("sampling", f"{found.sample_rate * 100:.3g} % of Memory's frequent calls, and all others")
        _print_notice(directory)
        if is_set(os.environ, MEM0_TELEMETRY_DEBUG):
            fact("dry run", f"{MEM0_TELEMETRY_DEBUG} is set: events are printed, and neither sent nor stored")
    for problem in found.problems:
        if problem not in found.reason:
            fact("problem", problem)
    _print_disk(directory, waiting)
    print()
    says_off = () if found.enabled else (found.source, *(source for source, _ in found.also_off))
    prose(_ALSO_STOPS_MEM0S if MEM0_TELEMETRY in says_off else _GOVERNS)
    if found.enabled:
        prose(_STOP)
    elif STORED in says_off:
        prose(_WITHDRAW)


def _said(source: str, reason: str) -> str:
    """Who says it, once: a reason that is a variable's setting names it already."""
    return reason if source == DEFAULT or reason.startswith(f"{source}=") else f"{source}: {reason}"


def _whose(destination: DestinationStatus) -> str:
    return (
        "(Mem0's maintainers, US)" if destinations.is_vendor(destination.name, destination.endpoint) else ""
    )


def _print_notice(directory: str) -> None:
    vendor = any(config.is_vendor for config in destinations.resolve(os.environ).configs)
    due = notice.concerns(os.environ, terminal=notice.is_terminal(sys.stderr), vendor=vendor)
    if due and not notice.is_shown(state_file.read(directory)):
        fact("notice", "the next run at a terminal shows it, and records nothing")


def _print_disk(directory: str, waiting: Sequence[SpooledMailbox]) -> None:
    ours = state_file.telemetry_dir(directory)
    heading(f"On the disk, in {shortened(ours)}")
    sends = history(Path(ours))
    chosen = {
        mailbox_name(config.name, config.fingerprint): config
        for config in destinations.resolve(os.environ).configs
    }
    for box in waiting:
        if box.files:
            oldest = datetime.fromtimestamp(box.files[0].time_ns / 1e9, tz=timezone.utc)
            config = chosen.get(box.name)
            whom = (
                f"{config.name} {config.endpoint}".strip()
                if config
                else f"{box.name}, which is not chosen here"
            )
            fact("waits", f"{plural(box.events, 'event')} for {whom}, since {oldest:%Y-%m-%d %H:%M} UTC")
    if any(box.files and box.name not in chosen for box in waiting):
        fact(
            "",
            "What is not for a chosen destination is deleted when it is 7 days old, or by `mem0-telemetry clean`.",
        )
    for send in sends[-3:]:
        moment, count = str(send.get("time"))[:16].replace("T", " "), send.get("count")
        fact("last sends", f"{moment} UTC  {send.get('destination')}  {outcome(send)}  {count}")
    if closed := unreadable(Path(ours)):
        names = ", ".join(shortened(str(path)) for path in closed)
        fact("cannot look", f"{names}: this user may not read it, so events may wait there")
    elif not sends and not any(box.files for box in waiting):
        prose("  nothing waits, and the history of sends is empty")
