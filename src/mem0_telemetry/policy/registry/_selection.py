# SPDX-License-Identifier: Apache-2.0
"""Select, never scrub: a new dict is made of what the registry declares; nothing else is ever looked at."""

from __future__ import annotations

from mem0_telemetry.policy.registry import added_attributes, attributes
from mem0_telemetry.policy.registry.events import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from mem0_telemetry.policy.registry.model import Attribute, Event
    from mem0_telemetry.policy.registry.types import AttributeValue

    Take: TypeAlias = Callable[[object], AttributeValue | None]

_by_mem0_name = {event.posthog_name: event for event in EVENTS}
_by_name = {event.name: event for event in EVENTS}

# Compiled when an event is first seen: a process meets a few of them.
_from_call: dict[str, tuple[tuple[str, str, Take], ...]] = {}
_from_record: dict[str, dict[str, Take]] = {}


def event_by_mem0_name(name: object) -> Event | None:
    """Return the event that Mem0 calls `name` in its own code, or None. Never raises."""
    return _by_mem0_name.get(name) if type(name) is str else None


def select(event: Event, observed: object) -> dict[str, AttributeValue]:
    """Make an event's attributes of what is known of a call: the only way from Mem0's values to a record.

    Never raises and never runs code of the values. What is not declared for the event is left out; what is
    outside its closed type is left out or becomes the type's `other` or `custom`. Costs 3 to 5 µs.

    Args:
        event: what is recorded.
        observed: the observed values, by Mem0's own property names: a plain `dict` that nobody changes meanwhile.
            Anything else selects nothing.
    """
    if type(observed) is not dict:
        return {}
    for key in observed:
        if type(key) is not str:  # a look-up may call the `__eq__` of such a key
            return select(event, {key: value for key, value in observed.items() if type(key) is str})
    selected: dict[str, AttributeValue] = {}
    for name, key, take in _from_call.get(event.name) or _compile(event):
        given = observed.get(name)
        if given is not None:
            value = take(given)
            if value is not None:
                selected[key] = value
    if event.told_by_name and attributes.KEYS.key not in selected:
        given = [name for name in event.told_by_name if observed.get(name) is not None]
        names = attributes.KEYS.type.take(given)
        if names is not None:
            selected[attributes.KEYS.key] = names
    return selected


def _compile(event: Event) -> tuple[tuple[str, str, Take], ...]:
    plan = tuple((a.mem0_name, a.key, a.type.take) for a in event.attributes if a.mem0_name is not None)
    _from_call[event.name] = plan
    return plan


def select_record(given: Mapping[str, object], event_name: str | None) -> dict[str, AttributeValue] | None:
    """Make a record's attributes anew: before emission, and when a spooled line is read.

    Answers None for an event that the registry does not declare. Selecting twice selects the same.
    """
    event = _by_name.get(event_name) if event_name is not None else None
    if event is None:
        return None
    if event.name not in _from_record:
        _from_record[event.name] = _takes((*event.attributes, *added_attributes.OF_EVERY_RECORD))
    return _selected(given, _from_record[event.name])


def select_common(given: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Make attributes anew that any record may carry, whatever its event."""
    return _selected(given, _takes(added_attributes.OF_EVERY_RECORD))


def select_resource(given: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Make a resource's attributes anew, without what the SDK or the environment added to them."""
    return _selected(given, _takes(added_attributes.OF_THE_RESOURCE))


def _takes(declared: tuple[Attribute, ...]) -> dict[str, Take]:
    return {attribute.key: attribute.type.take for attribute in declared}


def _selected(given: Mapping[str, object], declared: dict[str, Take]) -> dict[str, AttributeValue]:
    selected: dict[str, AttributeValue] = {}
    for key, value in given.items():
        take = declared.get(key)
        taken = take(value) if take is not None else None
        if taken is not None:
            selected[key] = taken
    return selected


def posthog_event_names() -> Mapping[str, str]:
    """Return PostHog's name, which is Mem0's own, for each event name."""
    return {event.name: event.posthog_name for event in EVENTS}


def posthog_property_names() -> Mapping[str, str]:
    """Return PostHog's property name for each attribute key that Mem0 has a name of its own for."""
    every = (*(a for event in EVENTS for a in event.attributes), *added_attributes.OF_THE_RESOURCE)
    return {a.key: a.posthog_name for a in every if a.mem0_name is not None}


def dropped_attributes(counts: Mapping[str, int]) -> dict[str, AttributeValue]:
    """Make attributes of how many events were dropped, by reason; undeclared reasons are left out."""
    dropped = added_attributes.DROPPED
    return select_common(
        {dropped[reason].key: count for reason, count in counts.items() if reason in dropped}
    )
