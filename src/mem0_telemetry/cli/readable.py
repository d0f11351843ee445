"""A batch of OTLP/JSON for people: each event by name and time, and what all of them share once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.console import plural, prose, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

_UID = "log.record.uid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a batch."""

    name: str
    time: str
    uid: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The events of a batch, oldest first, and the attributes that all of them carry."""

    events: tuple[Event, ...]
    shared: Mapping[str, str]


def batch(line: str) -> Batch:
    """Read one line of OTLP/JSON.

    Raises:
        ValueError: it is not OTLP/JSON.
    """
    try:
        found = [
            (record, {**_attributes(part.get("resource", {})), **_attributes(record)})
            for part in json.loads(line)["resourceLogs"]
            for scope in part["scopeLogs"]
            for record in scope["logRecords"]
        ]
        events = [_event(record, attributes) for record, attributes in found]
    except (LookupError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise ValueError(line[:40]) from error
    first = events[0].attributes.items() if len(events) > 1 else ()
    shared = {key: value for key, value in first if all(e.attributes.get(key) == value for e in events)}
    return Batch(events=tuple(events), shared=shared)


def print_batch(shown: Batch, *, most: int | None) -> None:
    """Print a batch; of more than `most` events the newest only."""
    left_out = max(0, len(shown.events) - most) if most is not None else 0
    for event in shown.events[left_out:]:
        print(f"  {styled(event.name, 'bold')}  {event.time}")
        _print({key: value for key, value in event.attributes.items() if key not in shown.shared})
    if shown.shared:
        print("  and in each of them:")
        _print(shown.shared)
    if left_out:
        print(f"  {plural(left_out, 'older event')} of this batch not shown: --all shows them.")


def _print(attributes: Mapping[str, str]) -> None:
    prose("  ".join(f"{key}={value}" for key, value in attributes.items()), indent="    ")


def _event(record: dict[str, Any], attributes: dict[str, str]) -> Event:
    moment = datetime.fromtimestamp(int(record["timeUnixNano"]) / 1e9, tz=timezone.utc)
    uid = attributes.pop(_UID, json.dumps(record))
    return Event(
        name=str(record.get("eventName")),
        time=f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        uid=uid,
        attributes=attributes,
    )


def _attributes(holder: dict[str, Any]) -> dict[str, str]:
    return {str(each["key"]): _text(each["value"]) for each in holder.get("attributes", ())}


def _text(value: dict[str, Any]) -> str:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return ",".join(_text(each) for each in content.get("values", ()))
    text = str(content).lower() if kind == "boolValue" else str(content)
    return text if text.isprintable() else ascii(text)
