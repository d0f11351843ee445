# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry events` and the page `TELEMETRY.md`: describe the registry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from mem0_telemetry.policy.registry import EVENTS, Attribute, Event, added_attributes, envelope, events
from mem0_telemetry.policy.registry.deviations import CHANGED, NOT_SENT

_LONGEST_CELL = 110
_OF_CALLS = tuple({attribute.key: attribute for event in EVENTS for attribute in event.attributes}.values())
_EVERY = (*_OF_CALLS, *added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE)


def run(*, markdown: bool, as_json: bool) -> int:
    """Print everything that may be sent: as the whole page, as JSON, or as two lists of names."""
    print(page() if markdown else json.dumps(_data(), indent=2) if as_json else _names())
    return 0


def page() -> str:
    """Return `TELEMETRY.md`: the template next to this module, filled with the registry's tables."""
    template = files(__package__).joinpath("telemetry.md").read_text(encoding="utf-8")
    lists = [f"**`{each.posthog_name}`** is {each.type.words}." for each in _OF_CALLS if _is_long(each)]
    always = {name: type_.words for name, type_ in envelope.PROPERTIES.items()}
    return template.format(
        events=len(EVENTS),
        attributes=len({attribute.key for attribute in _EVERY}),
        memory=_events(events.OF_MEMORY),
        hosted=_events(events.OF_HOSTED_CLIENTS),
        calls=_attributes(_OF_CALLS),
        records=_attributes(added_attributes.OF_EVERY_RECORD),
        process=_attributes(added_attributes.OF_THE_RESOURCE),
        lists="\n\n".join(lists),
        posthog=_named("Property", "Always", always),
        request=_named("In a request", "Is", {**envelope.REQUEST, **envelope.HEADERS}),
        not_sent=_table(
            ("Not sent", "Mem0's names", "What that costs"),
            ((given.what, _code(given.properties), given.cost) for given in NOT_SENT),
        ),
        changed=_named("Property", "Its value here", CHANGED),
    ).removesuffix("\n")


def _events(declared: tuple[Event, ...]) -> str:
    common = [each for each in declared[0].attributes if all(each in event.attributes for event in declared)]
    head = ("Event", "In PostHog", "Recorded when", "Answers", "Kept", "May also carry", "Since")
    rows = []
    for event in declared:
        kept = "1 in 10" if event.hot else "all"
        more = _code(each.posthog_name for each in event.attributes if each not in common)
        names = (f"`{event.name}`", f"`{event.posthog_name}`")
        rows.append((*names, event.brief, event.question, kept, more, event.since))
    return f"Each may carry {_code(each.posthog_name for each in common)}, and:\n\n{_table(head, rows)}"


def _attributes(attributes: Iterable[Attribute]) -> str:
    rows = []
    for each in attributes:
        values = "listed below" if _is_long(each) else each.type.words
        names = (f"`{each.key}`", f"`{each.posthog_name}`")
        rows.append((*names, each.brief, values, each.level.replace("_", " "), each.since))
    return _table(("Attribute", "In PostHog", "Says", "Values", "Level", "Since"), rows)


def _is_long(attribute: Attribute) -> bool:
    """Return whether the list of values is too long for a table cell, and is printed below the table instead."""
    return len(attribute.type.words) > _LONGEST_CELL


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _named(name: str, what: str, rows: Mapping[str, str]) -> str:
    return _table((name, what), ((f"`{key}`", text) for key, text in rows.items()))


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _data() -> dict[str, Any]:
    """Return the registry as data for other tools."""
    fields = ("name", "posthog_name", "brief", "question", "sample_rate", "since")
    return {
        "events": [
            {field: getattr(event, field) for field in fields}
            | {"attributes": [attribute.key for attribute in event.attributes]}
            for event in EVENTS
        ],
        "attributes": _as_data(_OF_CALLS),
        "record_attributes": _as_data(added_attributes.OF_EVERY_RECORD),
        "resource_attributes": _as_data(added_attributes.OF_THE_RESOURCE),
    }


def _as_data(attributes: Iterable[Attribute]) -> list[dict[str, str]]:
    return [
        {
            "key": attribute.key,
            "posthog_name": attribute.posthog_name,
            "brief": attribute.brief,
            "type": attribute.type.words,
            "requirement_level": attribute.level,
            "since": attribute.since,
        }
        for attribute in attributes
    ]


def _names() -> str:
    """Return the names of all events and attributes, for a terminal of 80 columns."""
    names = sorted({attribute.posthog_name for attribute in _EVERY})
    return "\n".join(
        (
            f"Only these {len(EVENTS)} events may be sent. --markdown explains each.\n",
            *(f"  {event.posthog_name:<30} {event.brief.replace('`', '')}" for event in EVENTS),
            f"\nThey may carry these {len(names)} attributes, and no others:\n",
            *(f"  {name}" for name in names),
        )
    )
