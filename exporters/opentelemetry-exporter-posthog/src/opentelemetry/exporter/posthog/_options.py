"""How records become events: what the caller chooses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_DISTINCT_ID_ATTRIBUTES: Final = ("posthog.distinct_id", "user.id", "app.installation.id")
"""The attributes that say whose event it is; the first usable one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """How records become events."""

    event_names: Mapping[str, str] = field(default_factory=dict)
    """Name of an OTel event or span to the name of the PostHog event. Names not in it stay as they are;
    those beginning with `$` are PostHog's own and become events only through this mapping."""
    property_names: Mapping[str, str] = field(default_factory=dict)
    """Attribute key to property name. Keys not in it stay as they are; those beginning with `$` become
    properties only through this mapping. An empty name leaves the attribute out."""
    distinct_id_attributes: Sequence[str] = DEFAULT_DISTINCT_ID_ATTRIBUTES
    """Where an event's `distinct_id` comes from: the first of them that holds an id PostHog accepts."""
    fallback_distinct_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The `distinct_id` of events that none of them gives one."""
    person_profiles: bool = False
    """Let PostHog keep a person for each `distinct_id`."""
    geoip: bool = False
    """Let PostHog look up the place of the address that an event came from."""
    ip: bool = False
    """Let PostHog keep the address that an event came from."""
    trace_context: bool = False
    """Send trace and span ids."""

    def __post_init__(self) -> None:
        """Take a text for the one attribute that it names, and not for its letters."""
        if isinstance(self.distinct_id_attributes, str):
            object.__setattr__(self, "distinct_id_attributes", (self.distinct_id_attributes,))
