"""Opted in, only what is declared arrives, and nothing that was planted, in any form, anywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.harness.stage import ChildError, Program
from mem0_telemetry.policy.registry import EVENTS, added_attributes, envelope, select_record, select_resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage
    from mem0_telemetry.policy.registry.types import Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and what was seen that breaks it."""

    promise: str
    breaches: tuple[str, ...] = ()
    observed: str = ""
    """What was seen, in a few words, where nothing breaks it."""
    unchecked: str = ""
    """Why it could not be checked, where it could not: that proves nothing, for or against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What an opted-in session left, wherever anything could be."""

    report: dict[str, Any]
    events: list[dict[str, Any]]
    """As PostHog received them."""
    requests: list[Any]
    """As they arrived where PostHog would be."""
    lines: list[str]
    """OTLP/JSON that waits in the spool, or was noted as sent."""
    places: list[tuple[str, bytes]]
    """Everything else that left the process or could be read later, by name."""
    strange: list[str]
    """Files in the home of the session that are neither its own nor Mem0's nor ours."""


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
        ChildError: where it has not come to its end.
    """
    seen = _look(program, stage)
    yield _declared(seen)
    yield _planted(stage, seen)
    yield _network(seen, (stage.receiver.port, stage.refusing.port))
    yield _rest(seen)


def _look(program: Program, stage: Stage) -> _Seen:
    report, home = program.report(), program.home
    shown, status = (
        stage.start(home, stage.environ(program), "mem0_telemetry", *arguments)
        for arguments in (("show", "--all"), ("status", "--json"))
    )
    if shown is None or status is None:
        raise ChildError("`mem0-telemetry show` or `status` did not end within a minute, or failed")
    ours = home / ".mem0" / "telemetry"
    requests = [*stage.receiver.requests, *stage.refusing.requests]
    return _Seen(
        report=report,
        events=stage.receiver.events,
        requests=stage.receiver.requests,
        lines=list(_lines(ours)),
        places=[
            *((f"the body of a request to {request.path}", request.body) for request in requests),
            *((f"the head of a request to {request.path}", _head(request)) for request in requests),
            *((f"the file {path.name}", path.read_bytes()) for path in ours.rglob("*") if path.is_file()),
            ("the output of `show`", shown.encode()),
            ("the output of `status --json`", status.replace(str(home), "~").encode()),
            ("a log record", "\n".join(report["logged"]).encode()),
        ],
        strange=sorted(_strange(home, stage.planted["directory"])),
    )


def _strange(home: Path, mem0s: str) -> Iterator[str]:
    for path in home.iterdir():
        if path.name not in {".netrc", ".mem0", mem0s}:
            yield path.name
    for path in (home / ".mem0").iterdir():
        # Early releases of mem0ai make the directory of their telemetry store themselves; nothing may be in it.
        is_left_empty = path.name.startswith("migrations_") and not any(path.iterdir())
        if path.name not in {"telemetry", "config.json"} and not is_left_empty:
            yield f".mem0/{path.name}"


def _head(request: Any) -> bytes:
    return f"{request.path}\n{json.dumps(dict(request.headers))}".encode()


def _lines(ours: Path) -> Iterator[str]:
    from mem0_telemetry.delivery import history, mailboxes  # noqa: PLC0415

    for mailbox in mailboxes(ours):
        yield from (file.line() for file in mailbox.files)
    yield from (json.dumps(entry["batch"]) for entry in history(ours) if entry.get("batch"))


def _declared(seen: _Seen) -> Check:
    breaches = [breach for event in seen.events for breach in _undeclared_in_event(event)]
    breaches += [
        f"the {part} {name} of a request is not declared"
        for request in seen.requests
        for part, names, declared in (
            ("header", request.headers, map(str.lower, envelope.HEADERS)),
            ("field", json.loads(request.body), envelope.REQUEST),
        )
        for name in sorted(set(names).difference(declared))
    ]
    breaches += [breach for line in seen.lines for breach in _undeclared_in_line(line)]
    missing = {event.posthog_name for event in EVENTS} - {event["event"] for event in seen.events}
    unchecked = ""
    if missing and not seen.report["arrived"]:
        unchecked = "what was recorded had not arrived after 40 s"  # a slow machine breaks no promise
    else:
        breaches += [f"{name} was recorded and did not arrive" for name in sorted(missing)]
    return Check(
        promise="each field that arrives is declared in the registry, with a declared value",
        breaches=tuple(dict.fromkeys(breaches)),
        unchecked=unchecked,
        observed=f"{len(seen.events)} events of {len(EVENTS)} kinds",
    )


def _undeclared_in_event(event: dict[str, Any]) -> Iterator[str]:
    declared = next((known for known in EVENTS if known.posthog_name == event["event"]), None)
    if declared is None:
        yield f"the event {event['event']} is not declared"
        return
    yield from (
        f"the field {name} of a PostHog event is not declared"
        for name in event
        if name not in envelope.FIELDS
    )
    of_process = (*added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE)
    types: dict[str, Type] = {known.posthog_name: known.type for known in (*declared.attributes, *of_process)}
    types |= envelope.PROPERTIES
    for name, value in event["properties"].items():
        taken = types[name].take(value) if name in types else None
        if (tuple(value) if isinstance(value, list) else value) != taken:
            yield f"the property {name} of {event['event']} is not declared so"


def _undeclared_in_line(line: str) -> Iterator[str]:
    from mem0_telemetry.delivery._decode import decode  # noqa: PLC0415  # loads the OpenTelemetry SDK

    for record in decode(f"{line}\n".encode()):
        log = record.log_record
        if select_record(log.attributes or {}, log.event_name) != dict(log.attributes or {}):
            yield f"a record of {log.event_name} on the disk has undeclared attributes"
        if select_resource(record.resource.attributes) != dict(record.resource.attributes):
            yield "a resource on the disk has undeclared attributes"
        if log.trace_id or log.span_id:
            yield "a record on the disk has the ids of a span"


def _planted(stage: Stage, seen: _Seen) -> Check:
    count = len(stage.planted.texts)
    return Check(
        promise="no planted private text leaves the process or is stored, in any form",
        breaches=tuple(dict.fromkeys(stage.planted.found_in(seen.places))),
        observed=f"{count} planted texts, in 5 forms each, searched in {len(seen.places)} places",
    )


def _network(seen: _Seen, ports: Iterable[int]) -> Check:
    allowed = tuple(f"('127.0.0.1', {port})" for port in ports)
    breaches = [
        what
        for kind, what in seen.report["seen"]
        if kind == "network"
        and ("connect" in what or "sendto" in what)
        and not any(end in what for end in allowed)
    ]
    looked_up = [
        what
        for kind, what in seen.report["seen"]
        if kind == "network" and "get" in what and "127.0.0.1" not in what
    ]
    return Check(
        promise="it connects to the chosen destinations, and to nobody else",
        breaches=tuple(dict.fromkeys((*breaches, *looked_up))),
        observed="no other address, no name looked up",
    )


def _rest(seen: _Seen) -> Check:
    threads = seen.report["threads"]
    breaches = [what for kind, what in seen.report["seen"] if kind == "process"]
    breaches += [f"the file {name} was made" for name in seen.strange]
    if len(threads) > 3:  # noqa: PLR2004  # one writes, and one sends for each of two destinations
        breaches.append(f"{len(threads)} threads run: {', '.join(threads)}")
    return Check(
        promise="it starts no process, few threads, and keeps its files in its own directory",
        breaches=tuple(dict.fromkeys(breaches)),
        observed=f"{len(threads)} threads, none but for writing and sending",
    )
