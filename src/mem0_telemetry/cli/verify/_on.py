# SPDX-License-Identifier: Apache-2.0
"""Check that, switched on, only what is declared arrives, and no planted text, in any form, anywhere."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mem0_telemetry.cli.harness.stage import ChildError, Program, Stage
from mem0_telemetry.policy.registry import EVENTS, added_attributes, envelope, select_record, select_resource
from mem0_telemetry.policy.registry.types import Type
from opentelemetry.exporter.posthog.testing import CapturedRequest

_MOST_THREADS = 3
"""One writes, and one sends for each of two destinations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and what was seen that breaks it."""

    promise: str
    breaches: Collection[str] = ()
    observed: str = ""
    """What was seen, in a few words, if nothing breaks the promise."""
    unchecked: str = ""
    """Why it could not be checked. That proves nothing, for or against."""


def program(stage: Stage) -> Program:
    """Return the program that uses all of Mem0, switched on, with a second destination that takes nothing."""
    settings = {"MEM0_TELEMETRY": "true"}
    if find_spec("opentelemetry.exporter.otlp") is not None:
        settings |= {
            "MEM0_TELEMETRY_EXPORTER": "posthog,otlp",
            "MEM0_TELEMETRY_OTLP_ENDPOINT": stage.refusing.url,
        }
    return stage.program(settings=settings, thoroughly=True)


def checks(program: Program, stage: Stage) -> Iterator[Check]:
    """Yield what arrived from a program that has run, what lies on the disk and what else was done.

    Raises:
        ChildError: if the program has not come to its end.
    """
    report = program.report()
    ports = (stage.receiver.port, stage.refusing.port)
    places = list(_places(program, stage, report))  # Before the rest: `show` and `status` must leave no file.
    yield _declared(program, stage, arrived=report["arrived"])
    yield Check(
        promise="no planted private text leaves the process or is stored, in any form",
        breaches=dict.fromkeys(stage.planted.found_in(places)),
        observed=f"{len(stage.planted.texts)} planted texts, in 5 forms each, searched in {len(places)} places",
    )
    yield _network([what for kind, what in report["seen"] if kind == "network"], ports)
    yield _rest(program, stage, report)


def _places(program: Program, stage: Stage, report: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield everything that left the process or can be read later, by name."""
    shown, status = (
        stage.start(program, "mem0_telemetry", *arguments)
        for arguments in (("show", "--all"), ("status", "--json"))
    )
    if shown is None or status is None:
        raise ChildError("`mem0-telemetry show` or `status` did not end within a minute, or failed")
    for request in (*stage.receiver.requests, *stage.refusing.requests):
        yield f"the body of a request to {request.path}", request.body
        head = f"{request.path}\n{json.dumps(dict(request.headers))}"
        yield f"the head of a request to {request.path}", head.encode()
    for path in program.ours.rglob("*"):
        if path.is_file():
            yield f"the file {path.name}", path.read_bytes()
    yield "the output of `show`", shown.encode()
    yield "the output of `status --json`", status.replace(str(program.home), "~").encode()
    yield "a log record", "\n".join(report["logged"]).encode()


def _declared(program: Program, stage: Stage, *, arrived: bool) -> Check:
    events = stage.receiver.events
    breaches = [breach for event in events for breach in _undeclared_in_event(event)]
    breaches += [breach for request in stage.receiver.requests for breach in _undeclared_in_request(request)]
    breaches += [breach for line in _lines(program.ours) for breach in _undeclared_in_line(line)]
    missing = {event.posthog_name for event in EVENTS} - {event["event"] for event in events}
    unchecked = ""
    if missing and not arrived:
        unchecked = "what was recorded had not arrived after 40 s"  # A slow machine breaks no promise.
    else:
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
    types: dict[str, Type] = {known.posthog_name: known.type for known in (*declared.attributes, *added)}
    types |= envelope.PROPERTIES
    for name, value in event["properties"].items():
        selected = types[name].take(value) if name in types else None
        if (tuple(value) if isinstance(value, list) else value) != selected:
            yield f"the property {name} of {event['event']}, or its value, is not declared"


def _undeclared_in_request(request: CapturedRequest) -> Iterator[str]:
    for name in sorted(set(request.headers).difference(map(str.lower, envelope.HEADERS))):
        yield f"the header {name} of a request is not declared"
    for name in sorted(set(request.json()).difference(envelope.REQUEST)):
        yield f"the field {name} of a request is not declared"


def _lines(ours: Path) -> Iterator[str]:
    """Yield the OTLP/JSON that waits in the spool, or that the history has as sent."""
    from mem0_telemetry.delivery import history, mailboxes  # noqa: PLC0415

    for mailbox in mailboxes(ours):
        yield from (file.line() for file in mailbox.files)
    yield from (json.dumps(entry["batch"]) for entry in history(ours) if entry.get("batch"))


def _undeclared_in_line(line: str) -> Iterator[str]:
    from mem0_telemetry.delivery._decode import decode  # noqa: PLC0415  # It loads the OpenTelemetry SDK.

    for record in decode(f"{line}\n".encode()):
        log = record.log_record
        if select_record(log.attributes or {}, log.event_name) != dict(log.attributes or {}):
            yield f"a record of {log.event_name} on the disk has undeclared attributes"
        if select_resource(record.resource.attributes) != dict(record.resource.attributes):
            yield "a resource on the disk has undeclared attributes"
        if log.trace_id or log.span_id:
            yield "a record on the disk has the ids of a span"


def _network(seen: Iterable[str], ports: Iterable[int]) -> Check:
    allowed = [f"('127.0.0.1', {port})" for port in ports]
    connections = [what for what in seen if "connect" in what or "sendto" in what]
    breaches = [what for what in connections if not any(end in what for end in allowed)]
    breaches += [
        what for what in seen if "get" in what and "127.0.0.1" not in what
    ]  # names that were looked up
    return Check(
        promise="it connects to the chosen destinations, and to nobody else",
        breaches=dict.fromkeys(breaches),
        observed="no other address, no name looked up",
    )


def _rest(program: Program, stage: Stage, report: dict[str, Any]) -> Check:
    threads = report["threads"]
    breaches = [what for kind, what in report["seen"] if kind == "process"]
    known = {".netrc", ".mem0", stage.planted["directory"]}
    mem0s = program.ours.parent
    strange = {path.name for path in program.home.iterdir()} - known
    strange |= {
        f".mem0/{path.name}" for path in mem0s.iterdir() if path.name not in {"telemetry", "config.json"}
    }
    # Early releases of mem0ai make the directory of their telemetry store themselves; nothing may be in it.
    strange -= {f".mem0/{path.name}" for path in mem0s.glob("migrations_*") if not any(path.iterdir())}
    breaches += [f"the file {name} was made" for name in sorted(strange)]
    if len(threads) > _MOST_THREADS:
        breaches.append(f"{len(threads)} threads run: {', '.join(threads)}")
    return Check(
        promise="it starts no process, few threads, and keeps its files in its own directory",
        breaches=dict.fromkeys(breaches),
        observed=f"{len(threads)} threads, none but for writing and sending",
    )
