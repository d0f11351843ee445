# SPDX-License-Identifier: Apache-2.0
"""The classes of events and attributes; the data is in `attributes`, `added_attributes` and `events`."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from mem0_telemetry.policy.registry.types import Type

Level: TypeAlias = Literal["required", "recommended", "conditionally_required"]
"""OpenTelemetry's requirement levels, except `opt_in`, which no attribute here has."""


class Attribute(NamedTuple):
    """One attribute that may be sent."""

    key: str
    """The key in OpenTelemetry."""
    type: Type
    """The closed type of its values."""
    brief: str
    """Its meaning, in one sentence."""
    mem0_name: str | None = None
    """Mem0's own name of the property, which PostHog keeps; None if Mem0 has no such property."""
    level: Level = "recommended"
    since: str = "mem0ai 1.0.0"
    """The first release that sends it, of mem0ai or of this package."""

    @property
    def posthog_name(self) -> str:
        """The name in PostHog: Mem0's own if there is one, so that existing dashboards continue to work."""
        return self.mem0_name or self.key


class Event(NamedTuple):
    """One event that may be sent."""

    name: str
    """The event name in OpenTelemetry."""
    posthog_name: str
    """The name that Mem0's code passes to `capture_event`, and the name in PostHog."""
    brief: str
    """The condition under which it is recorded."""
    question: str
    """The question that it answers for Mem0's maintainers."""
    attributes: tuple[Attribute, ...]
    """The attributes that it may carry in addition to those of every event."""
    sample_rate: float = 1.0
    """The share of `Memory`'s events that is kept by default; events of a hosted client are all kept."""
    names_only: tuple[str, ...] = ()
    """Mem0's properties whose values are never sent: `keys` contains the names of those that were given."""
    since: str = "mem0ai 1.0.0"
    """The first release that sends it, of mem0ai or of this package."""

    @property
    def hot(self) -> bool:
        """Return whether the event is sampled when a `Memory` records it."""
        return self.sample_rate < 1.0
