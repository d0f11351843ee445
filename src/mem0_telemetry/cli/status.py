# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry status`: what a process that starts in this environment would do, and what lies on the disk."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0_telemetry.api.status import DestinationStatus, Status
from mem0_telemetry.cli.console import fact, heading, outcome, plural, prose, shortened, styled
from mem0_telemetry.delivery import history, mailbox_name, mailboxes, unreadable
from mem0_telemetry.environment_variables import (
    MEM0_DIR,
    MEM0_TELEMETRY,
    MEM0_TELEMETRY_DEBUG,
    is_set,
    unusable_numbers,
)
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.policy import identity, notice, sampling, state_file
from mem0_telemetry.policy.consent import DEFAULT, STORED, choice_of, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mem0_telemetry.delivery import SpooledMailbox
    from mem0_telemetry.pipeline.destinations import DestinationConfig
    from mem0_telemetry.policy.consent import Consent

_GOVERNS = """\
This is about processes that use mem0-telemetry. In a process without it, Mem0's own telemetry is active: only \
MEM0_TELEMETRY=False in its environment stops that."""
_ALSO_STOPS_MEM0S = "MEM0_TELEMETRY also stops Mem0's own telemetry, in processes without mem0-telemetry."


class _Disk(NamedTuple):
    """What telemetry has stored."""

    directory: Path
    waiting: tuple[SpooledMailbox, ...]
    sends: tuple[dict[str, Any], ...]
    unreadable: tuple[Path, ...]


def run(*, as_json: bool, check: bool) -> int:
    """Print the status; with `check`, return the exit status 1 if telemetry is off."""
    mem0_dir = state_file.mem0_dir(os.environ)
    ours = Path(state_file.telemetry_dir(mem0_dir))
    disk = _Disk(ours, mailboxes(ours), history(ours), unreadable(ours))
    status = _status(os.environ, mem0_dir, disk)
    if as_json:
        print(json.dumps({**asdict(status), "mem0_dir": mem0_dir, **_for_programs(disk)}, indent=2))
    else:
        _print(status, mem0_dir)
        _print_disk(disk)
        _print_advice(status)
    return 1 if check and not status.enabled else 0


def consent_here(environ: Mapping[str, str], mem0_dir: str) -> Consent:
    """Return what a process that would start now decides: nothing is created, loaded or warned about."""
    problem = destinations.resolve(environ).reason_for_none
    return decide(environ, choice=choice_of(state_file.read(mem0_dir)), destination_problem=problem)


def chosen_mailboxes(environ: Mapping[str, str]) -> dict[str, DestinationConfig]:
    """Return the config of each chosen destination, by the name of its mailbox."""
    configs = destinations.resolve(environ).configs
    return {mailbox_name(config.name, config.fingerprint): config for config in configs}


def _status(environ: Mapping[str, str], mem0_dir: str, disk: _Disk) -> Status:
    consent, who = consent_here(environ, mem0_dir), identity.current(mem0_dir)
    chosen = destinations.resolve(environ)
    unwritable = _unwritable(disk.directory) if consent.enabled else ()
    waiting = {box.name: box.events for box in disk.waiting}
    found = tuple(
        DestinationStatus(
            name=config.name, endpoint=config.endpoint, state="idle", waiting=waiting.get(mailbox, 0)
        )
        for mailbox, config in chosen_mailboxes(environ).items()
    )
    return Status(
        enabled=consent.enabled,
        source=consent.source,
        reason=consent.reason,
        also_off=consent.also,
        installation_id=who.id if who and consent.enabled else None,
        destinations=found if consent.enabled else (),
        problems=(*chosen.problems, *chosen.remarks, *unusable_numbers(environ), *unwritable),
        sample_rate=sampling.rate_from(environ),
        waiting_earlier=sum(waiting.values()),
    )


def _unwritable(directory: Path) -> tuple[str, ...]:
    """Return a sentence if a process could not store anything in `directory`; nothing is created to find out."""
    there = next(path for path in (directory, *directory.parents) if os.access(path, os.F_OK))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return ()
    problem = (
        f"{MEM0_DIR} cannot be written: events wait in memory and end with their process, each of which has a "
        f"random installation id; set {MEM0_DIR} to a directory that can be"
    )
    return (problem,)


def _for_programs(disk: _Disk) -> dict[str, Any]:
    names = ("time", "destination", "result", "reason", "count")
    return {
        "on_disk": [
            {"mailbox": box.name, "events": box.events, "files": len(box.files)} for box in disk.waiting
        ],
        "last_sends": [{name: send.get(name) for name in names} for send in disk.sends],
        "unreadable": [str(path) for path in disk.unreadable],
    }


def _print(status: Status, mem0_dir: str) -> None:
    state = styled("on", "green") if status.enabled else styled("off", "red")
    print(f"Mem0 usage telemetry is {state} for a process that starts here.\n")
    fact("decided by", _said(status.source, status.reason))
    for source, reason in status.also_off:
        fact("off as well", _said(source, reason))
    if status.enabled:
        fact("id", status.installation_id or "none yet; it is made at the first event")
        for destination in status.destinations:
            is_vendor = destinations.is_vendor(destination.name, destination.endpoint)
            whose = "(Mem0's maintainers, US)" if is_vendor else ""
            fact("sends to", f"{destination.name} {destination.endpoint} {whose}".strip())
        fact("sampling", f"{status.sample_rate * 100:.3g} % of Memory's frequent calls, and all others")
        if _is_notice_due(mem0_dir):
            fact("notice", "the next run at a terminal shows it, and records nothing")
        if is_set(os.environ, MEM0_TELEMETRY_DEBUG):
            fact("dry run", f"{MEM0_TELEMETRY_DEBUG} is set: events are printed, and neither sent nor stored")
    for problem in status.problems:
        if problem not in status.reason:
            fact("problem", problem)


def _said(source: str, reason: str) -> str:
    """Return the source once: a reason that quotes a variable names it already."""
    return reason if source == DEFAULT or reason.startswith(f"{source}=") else f"{source}: {reason}"


def _is_notice_due(mem0_dir: str) -> bool:
    vendor = any(config.is_vendor for config in chosen_mailboxes(os.environ).values())
    concerns = notice.concerns(os.environ, terminal=notice.is_terminal(sys.stderr), vendor=vendor)
    return concerns and not notice.is_shown(state_file.read(mem0_dir))


def _print_disk(disk: _Disk) -> None:
    heading(f"On the disk, in {shortened(disk.directory)}")
    chosen = chosen_mailboxes(os.environ)
    waiting = [box for box in disk.waiting if box.files]
    for box in waiting:
        oldest = datetime.fromtimestamp(box.files[0].time_ns / 1e9, tz=timezone.utc)
        config = chosen.get(box.name)
        whom = (
            f"{config.name} {config.endpoint}".strip() if config else f"{box.name}, which is not chosen here"
        )
        fact("waits", f"{plural(box.events, 'event')} for {whom}, since {oldest:%Y-%m-%d %H:%M} UTC")
    if any(box.name not in chosen for box in waiting):
        fact("", "Events for a destination that is not chosen are deleted when they are 7 days old, or by "
                 "`mem0-telemetry clean`.")  # fmt: skip
    for send in disk.sends[-3:]:
        moment = send["time"][:16].replace("T", " ")
        fact("last sends", f"{moment} UTC  {send['destination']}  {outcome(send)}  {send['count']}")
    if disk.unreadable:
        names = ", ".join(map(shortened, disk.unreadable))
        fact("cannot look", f"{names}: this user may not read it, so events may wait there")
    elif not disk.sends and not waiting:
        prose("nothing waits, and the history of sends is empty", indent="  ")


def _print_advice(status: Status) -> None:
    print()
    says_off = () if status.enabled else (status.source, *(source for source, _ in status.also_off))
    prose(_ALSO_STOPS_MEM0S if MEM0_TELEMETRY in says_off else _GOVERNS)
    if status.enabled:
        prose("To switch it off: mem0-telemetry disable")
    elif STORED in says_off:
        prose("To withdraw `disable`: mem0-telemetry enable")
