# SPDX-License-Identifier: Apache-2.0
"""Select, never scrub: build a new dict of the values that the registry declares, and read no others."""

from __future__ import annotations

from mem0_telemetry.policy.registry import added_attributes, attributes
from mem0_telemetry.policy.registry.events import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from mem0_telemetry.policy.registry.model import Attribute, Event
    from mem0_telemetry.policy.registry.types import AttributeValue

    Declared: TypeAlias = dict[str, tuple[str, Callable[[object], AttributeValue | None]]]
    """For each name of a given value: the attribute's key, and the `select` of its type."""

_by_mem0_name = {event.posthog_name: event for event in EVENTS}


def _by_key(attributes: Iterable[Attribute]) -> Declared:
    return {attribute.key: (attribute.key, attribute.type.select) for attribute in attributes}


_of_calls: dict[str, Declared] = {
    event.name: {a.mem0_name: (a.key, a.type.select) for a in event.attributes if a.mem0_name is not None}
    for event in EVENTS
}
_of_records = {
    event.name: _by_key((*event.attributes, *added_attributes.OF_EVERY_RECORD)) for event in EVENTS
}
_of_every_record = _by_key(added_attributes.OF_EVERY_RECORD)
_of_the_resource = _by_key(added_attributes.OF_THE_RESOURCE)


def event_by_mem0_name(name: object) -> Event | None:
    """Return the event that is called `name` in Mem0's own code, or None. Never raises."""
    return _by_mem0_name.get(name) if type(name) is str else None


def select(event: Event, observed: object) -> dict[str, AttributeValue]:
    """Build an event's attributes from the observed values of a call. No other code copies Mem0's values into a record.

    Never raises and never runs code of the values. A value that is not declared for the event is left out; a value
    outside its closed type is left out or becomes the type's `other` or `custom`. Costs 3 to 5 µs.

    Args:
        event: the event that is recorded.
        observed: the observed values, by Mem0's own property names: a plain `dict` that no other thread changes.
            From any other object, nothing is selected.
    """
    if type(observed) is not dict:
        return {}
    selected = _selected(observed, _of_calls[event.name])
    if event.names_only and attributes.KEYS.key not in selected:
        given = {name for name, value in observed.items() if type(name) is str and value is not None}
        names = attributes.KEYS.type.select([name for name in event.names_only if name in given])
        if names is not None:
            selected[attributes.KEYS.key] = names
    return selected


def select_record(given: Mapping[str, object], event_name: str | None) -> dict[str, AttributeValue] | None:
    """Select a record's attributes again: before it is spooled, and when it is read from the spool.

    Returns None for an event that the registry does not declare. Selecting twice gives the same result.
    """
    declared = _of_records.get(event_name or "")
    return _selected(given, declared) if declared is not None else None


def select_common(given: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Select the attributes that any record may carry, whatever its event."""
    return _selected(given, _of_every_record)


def select_resource(given: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Select a resource's attributes, without those that the SDK or the environment added."""
    return _selected(given, _of_the_resource)


def _selected(given: Mapping[str, object], declared: Declared) -> dict[str, AttributeValue]:
    selected: dict[str, AttributeValue] = {}
    for name, value in given.items():
        if type(name) is str and name in declared:  # looking up any other type may run its `__eq__`
            key, select_value = declared[name]
            sent = select_value(value)
            if sent is not None:
                selected[key] = sent
    return selected


def posthog_event_names() -> Mapping[str, str]:
    """Return PostHog's name, which is Mem0's own, for each event name."""
    return {event.name: event.posthog_name for event in EVENTS}


def posthog_property_names() -> Mapping[str, str]:
    """Return PostHog's property name for each attribute key for which Mem0 has its own name."""
    every = (*(a for event in EVENTS for a in event.attributes), *added_attributes.OF_THE_RESOURCE)
    return {a.key: a.posthog_name for a in every if a.mem0_name is not None}


def dropped_attributes(counts: Mapping[str, int]) -> dict[str, AttributeValue]:
    """Convert the counts of dropped events, by reason, to attributes. Undeclared reasons are left out."""
    dropped = added_attributes.DROPPED
    return select_common(
        {dropped[reason].key: count for reason, count in counts.items() if reason in dropped}
    )
