# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry verify`: prove on the user's machine that off is off, and that only declared fields are sent.

Real Mem0 (or, without mem0ai, the drop-in alone) runs in separate processes under Python's audit hooks, with
planted texts wherever a user's text could be, and with fake servers. Nothing leaves the machine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.cli.console import heading, progress, prose, styled
from mem0_telemetry.cli.harness.planted import found_in
from mem0_telemetry.cli.harness.stage import ChildError, Program, Stage, open_stage
from mem0_telemetry.cli.harness.ways import WAYS
from mem0_telemetry.delivery._decode import decode
from mem0_telemetry.delivery.reading import history, mailboxes
from mem0_telemetry.policy.registry import EVENTS, added_attributes, envelope, select_record, select_resource
from opentelemetry.exporter.posthog.testing import CapturedRequest

_BREACHES_SHOWN = 10
_MOST_THREADS = 3
"""The writer, and one sender for each of two destinations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of checking one promise."""

    promise: str
    breaches: Collection[str] = ()
    observed: str = ""
    """A summary of the observation, for a promise that holds."""
    unchecked: str = ""
    """Why the promise could not be checked, which proves nothing for or against it."""


def run(*, seconds: float = 55.0) -> int:
    """Verify and print the verdict; return 1 if a promise is broken, 2 if one could not be checked.

    After `seconds` the programs are killed and their promises stay unchecked, so that `verify` ends within a minute.
    """
    begun = monotonic()
    subject = f"Mem0 {version('mem0ai')}" if find_spec("mem0") else "The drop-in (mem0ai is not installed)"
    prose(
        f"{subject} runs in temporary homes, with fake servers, and with planted texts wherever yours could be. "
        "Nothing leaves this machine. It takes half a minute, or two on a busy machine."
    )
    with open_stage(seconds) as stage:
        checks = list(_verify(stage))
    failed = sum(bool(check.breaches) for check in checks)
    passed = sum(not check.breaches and not check.unchecked for check in checks)
    counts = f"{passed} of {len(checks)} checks passed in {monotonic() - begun:.0f} s"
    print()
    if failed:
        prose(styled(f"NOT AS PROMISED: {counts}.", "red"))
        return 1
    if passed < len(checks):
        prose(styled(f"NOT ALL COULD BE CHECKED: {counts}.", "yellow"))
        prose("Nothing was seen that breaks a promise. If this machine is busy, try again later.")
        return 2
    prose(styled(f"As promised: {counts}.", "green"))
    return 0


def _verify(stage: Stage) -> Iterator[Check]:
    """Run all programs, and yield each check after printing it."""
    on, off = program_on(stage), [stage.program(way) for way in WAYS]
    stage.run([on, *off], progress)  # The longest program starts first.
    heading("Switched off")
    switched_off = [check_off(program) for program in off]
    requests = len(stage.unused.requests)
    switched_off.append(
        Check(
            promise="no request arrives at the fake PostHog",
            breaches=(f"{requests} requests arrived",) if requests else (),
            observed="none",
            unchecked="not all programs have ended" if any(each.unchecked for each in switched_off) else "",
        )
    )
    yield from map(_shown, switched_off)
    heading("Switched on")
    try:
        yield from map(_shown, checks_on(on, stage))
    except ChildError as error:
        yield _shown(Check(promise="only what is declared is sent", unchecked=str(error)))


def _shown(check: Check) -> Check:
    if breaches := list(check.breaches):
        print(f"  {styled('BREACH', 'red')}  {check.promise}")
        for breach in breaches[:_BREACHES_SHOWN]:
            print(f"        {breach[:200]}")
        if len(breaches) > _BREACHES_SHOWN:
            print(f"        and {len(breaches) - _BREACHES_SHOWN} more")
    else:
        mark = styled("could not be checked", "yellow") if check.unchecked else styled("ok", "green")
        print(f"  {mark}  {check.promise}\n      {styled(check.unchecked or check.observed, 'dim')}")
    return check


def check_off(program: Program) -> Check:
    """Return the check that a program that was switched off did nothing."""
    promise = program.way.shown
    try:
        breaches = program.done()
    except ChildError as error:
        return Check(promise=promise, unchecked=str(error))
    observed = "no connection, look-up, thread, process, file, hook or import of ours"
    return Check(promise=promise, breaches=breaches, observed=observed)


def program_on(stage: Stage) -> Program:
    """Return the program that uses all of Mem0, switched on, with a second destination that accepts nothing."""
    settings = {}
    if find_spec("opentelemetry.exporter.otlp") is not None:
        settings["MEM0_TELEMETRY_EXPORTER"] = "posthog,otlp"
        settings["MEM0_TELEMETRY_OTLP_ENDPOINT"] = stage.refusing.url
    return stage.program(settings=settings, thoroughly=True)


def checks_on(program: Program, stage: Stage) -> Iterator[Check]:
    """Yield the checks of a program that was switched on; raise `ChildError` if it has not ended."""
    report = program.report()
    places = list(_places(program, stage, report))
    yield _declared(program, stage, arrived=report["arrived"])
    yield Check(
        promise="no planted private text leaves the process or is stored, in any form",
        breaches=dict.fromkeys(found_in(places, stage.planted)),
        observed=f"{len(stage.planted)} planted texts, in 5 forms each, searched in {len(places)} places",
    )
    yield _network(stage, [what for kind, what in report["seen"] if kind == "network"])
    yield _rest(program, stage, report)


def _places(program: Program, stage: Stage, report: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of everything that left the process or can be read later."""
    for arguments in (["show", "--all"], ["status", "--json"]):  # Run first: `_rest` looks for their files.
        printed = stage.start(program, "mem0_telemetry", *arguments)
        if printed is None:
            raise ChildError(f"`mem0-telemetry {arguments[0]}` did not end within a minute, or failed")
        yield f"the output of `{arguments[0]}`", printed.replace(str(program.home), "~").encode()
    for request in (*stage.receiver.requests, *stage.refusing.requests):
        yield f"the body of a request to {request.path}", request.body
        head = f"{request.path}\n{json.dumps(dict(request.headers))}"
        yield f"the head of a request to {request.path}", head.encode()
    for path in program.ours.rglob("*"):
        if path.is_file():
            yield f"the file {path.name}", path.read_bytes()
    yield "a log record", "\n".join(report["logged"]).encode()


def _declared(program: Program, stage: Stage, *, arrived: bool) -> Check:
    events = stage.receiver.events
    breaches = [breach for event in events for breach in _undeclared_in_event(event)]
    breaches += [breach for request in stage.receiver.requests for breach in _undeclared_in_request(request)]
    breaches += _undeclared_on_disk(program.ours)
    missing = {event.posthog_name for event in EVENTS} - {event["event"] for event in events}
    # A slow machine breaks no promise.
    unchecked = "what was recorded had not arrived after 40 s" if missing and not arrived else ""
    if not unchecked:
        breaches += [f"{name} was recorded and did not arrive" for name in sorted(missing)]
    return Check(
        promise="each field that arrives is declared in the registry, with a declared value",
        breaches=dict.fromkeys(breaches),
        unchecked=unchecked,
        observed=f"{len(events)} events of {len(EVENTS)} kinds",
    )


def _undeclared_in_event(event: dict[str, Any]) -> Iterator[str]:
    declared = next((known for known in EVENTS if known.posthog_name == event["event"]), None)
    if declared is None:
        yield f"the event {event['event']} is not declared"
        return
    for name in set(event).difference(envelope.FIELDS):
        yield f"the field {name} of a PostHog event is not declared"
    added = (*added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE)
    types = {known.posthog_name: known.type for known in (*declared.attributes, *added)}
    types |= envelope.PROPERTIES
    for name, value in event["properties"].items():
        selected = types[name].select(value) if name in types else None
        if (tuple(value) if isinstance(value, list) else value) != selected:
            yield f"the property {name} of {event['event']}, or its value, is not declared"


def _undeclared_in_request(request: CapturedRequest) -> Iterator[str]:
    for name in sorted(set(request.headers).difference(map(str.lower, envelope.HEADERS))):
        yield f"the header {name} of a request is not declared"
    for name in sorted(set(request.json()).difference(envelope.REQUEST)):
        yield f"the field {name} of a request is not declared"


def _undeclared_on_disk(ours: Path) -> Iterator[str]:
    """Yield each undeclared part of the unsent batches in the spool and of the sent batches in the history."""
    lines = [file.line() for mailbox in mailboxes(ours) for file in mailbox.files]
    lines += [json.dumps(entry["batch"]) for entry in history(ours) if entry.get("batch")]
    for record in (record for line in lines for record in decode(f"{line}\n".encode())):
        log = record.log_record
        if select_record(log.attributes or {}, log.event_name) != dict(log.attributes or {}):
            yield f"a record of {log.event_name} on disk has undeclared attributes"
        if select_resource(record.resource.attributes) != dict(record.resource.attributes):
            yield "a resource on disk has undeclared attributes"
        if log.trace_id or log.span_id:
            yield "a record on disk has the ids of a span"


def _network(stage: Stage, seen: Iterable[str]) -> Check:
    allowed = [f"('127.0.0.1', {port})" for port in (stage.receiver.port, stage.refusing.port)]
    breaches = [
        what
        for what in seen
        if (("connect" in what or "sendto" in what) and not any(end in what for end in allowed))
        or ("get" in what and "127.0.0.1" not in what)  # the look-up of a host name
    ]
    return Check(
        promise="it connects to the chosen destinations, and to nothing else",
        breaches=dict.fromkeys(breaches),
        observed="no other address, no name looked up",
    )


def _rest(program: Program, stage: Stage, report: dict[str, Any]) -> Check:
    breaches = [what for kind, what in report["seen"] if kind == "process"]
    known = {".netrc", ".mem0", stage.planted["directory"], ".mem0/telemetry", ".mem0/config.json"}
    for path in sorted([*program.home.iterdir(), *program.ours.parent.iterdir()]):
        name = str(path.relative_to(program.home))
        # Early releases of mem0ai create the directory of their telemetry store; it must stay empty.
        if name not in known and not (path.match("migrations_*") and not any(path.iterdir())):
            breaches.append(f"the file {name} was made")
    threads = report["threads"]
    if len(threads) > _MOST_THREADS:
        breaches.append(f"{len(threads)} threads run: {', '.join(threads)}")
    return Check(
        promise=f"it starts no process and at most {_MOST_THREADS} threads, and keeps its files in its own directory",
        breaches=dict.fromkeys(breaches),
        observed=f"{len(threads)} threads, all for writing and sending",
    )
