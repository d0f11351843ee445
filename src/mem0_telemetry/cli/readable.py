"""A batch of OTLP/JSON for people: each event by name and time, and what all of them carry once."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0_telemetry.cli.console import plural, prose, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

_UID = "log.record.uid"


class _Event(NamedTuple):
    name: str
    time: str
    uid: str
    attributes: Mapping[str, str]


class Readable:
    """Prints batches; a batch whose events were all printed before is only mentioned."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._printed: set[str] = set()

    def show(self, line: str) -> None:
        """Print one line of OTLP/JSON; of more than `most` events the newest only."""
        try:
            events = _events(line)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
            print("  (it cannot be read, and will be dropped)")
            return
        uids = {event.uid for event in events}
        if uids and uids <= self._printed:
            print("  (the events above)")
            return
        self._printed |= uids
        first = events[0].attributes.items() if len(events) > 1 else ()
        shared = {key: value for key, value in first if all(e.attributes.get(key) == value for e in events)}
        left_out = max(0, len(events) - self._most) if self._most is not None else 0
        for event in events[left_out:]:
            print(f"  {styled(event.name, 'bold')}  {event.time}")
            _print({key: value for key, value in event.attributes.items() if key not in shared})
        if shared:
            print("  and in each of them:")
            _print(shared)
        if left_out:
            print(f"  {plural(left_out, 'older event')} of this batch not shown: --all shows them.")


def _print(attributes: Mapping[str, str]) -> None:
    prose("  ".join(f"{key}={value}" for key, value in attributes.items()), indent="    ")


def _events(line: str) -> list[_Event]:
    return [
        _event(record, {**_attributes(part.get("resource", {})), **_attributes(record)})
        for part in json.loads(line)["resourceLogs"]
        for scope in part["scopeLogs"]
        for record in scope["logRecords"]
    ]


def _event(record: dict[str, Any], attributes: dict[str, str]) -> _Event:
    moment = datetime.fromtimestamp(int(record["timeUnixNano"]) / 1e9, tz=timezone.utc)
    uid = attributes.pop(_UID, json.dumps(record))
    return _Event(_printable(record["eventName"]), f"{moment:%Y-%m-%d %H:%M:%S} UTC", uid, attributes)


def _attributes(holder: dict[str, Any]) -> dict[str, str]:
    return {_printable(each["key"]): _text(each["value"]) for each in holder.get("attributes", ())}


def _text(value: dict[str, Any]) -> str:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return ",".join(_text(each) for each in content.get("values", ()))
    return _printable(str(content).lower() if kind == "boolValue" else content)


def _printable(found: object) -> str:
    """Return text that moves no terminal's cursor: whoever can write to the disk can write anything there."""
    text = str(found)
    return text if text.isprintable() else ascii(text)
