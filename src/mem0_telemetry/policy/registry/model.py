# SPDX-License-Identifier: Apache-2.0
"""What an event and an attribute are made of; the data is in `attributes`, `added_attributes` and `events`."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from mem0_telemetry.policy.registry.types import Type

Level: TypeAlias = Literal["required", "recommended", "conditionally_required"]
"""OpenTelemetry's requirement levels, as far as they are used here: nothing is opt-in."""


class Attribute(NamedTuple):
    """One attribute that may be sent."""

    key: str
    """OpenTelemetry's key."""
    type: Type
    """The closed type of its values."""
    brief: str
    """What it says, in one sentence."""
    mem0_name: str | None = None
    """Mem0's own name of the property, which PostHog keeps; None where Mem0 has none."""
    level: Level = "recommended"
    since: str = "mem0ai 1.0.0"
    """The first release that sends it, of mem0ai or of this package."""

    @property
    def posthog_name(self) -> str:
        """The name in PostHog: Mem0's own where there is one, so that dashboards go on working."""
        return self.mem0_name or self.key


class Event(NamedTuple):
    """One event that may be sent."""

    name: str
    """OpenTelemetry's event name."""
    posthog_name: str
    """Mem0's own name, as its code passes it to `capture_event` and as PostHog knows it."""
    brief: str
    """When it is recorded."""
    question: str
    """The question that it answers for Mem0's maintainers."""
    attributes: tuple[Attribute, ...]
    """What it may carry beside what every event may carry."""
    sample_rate: float = 1.0
    """The share of `Memory`'s events that is kept by default; events of a hosted client are all kept."""
    told_by_name: tuple[str, ...] = ()
    """Mem0's properties of which the value is never sent: `keys` says, by name, which of them were given."""
    since: str = "mem0ai 1.0.0"
    """The first release that sends it, of mem0ai or of this package."""

    @property
    def hot(self) -> bool:
        """Return whether it is sampled where a `Memory` records it."""
        return self.sample_rate < 1.0
