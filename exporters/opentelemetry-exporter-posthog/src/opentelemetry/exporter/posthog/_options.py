"""How records become events: what the caller chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._identity import process_distinct_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_DISTINCT_ID_ATTRIBUTES: Final = ("posthog.distinct_id", "user.id", "app.installation.id")
"""The attributes that say whose event it is; the first usable one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """How records become events: what `PostHogLogExporter` says of the arguments with these names."""

    event_names: Mapping[str, str] = field(default_factory=dict)
    property_names: Mapping[str, str] = field(default_factory=dict)
    distinct_id_attributes: Sequence[str] = DEFAULT_DISTINCT_ID_ATTRIBUTES
    baggage_keys: Sequence[str] = ()
    fallback_distinct_id: str = field(default_factory=process_distinct_id)
    """The `distinct_id` of events that nothing gives one, neither a session nor a trace."""
    group_attributes: Mapping[str, str] = field(default_factory=dict)
    person_profiles: bool = False
    geoip: bool = False
    ip: bool = False
    trace_context: bool = False
    conventions: bool = True
    exceptions: bool = False
    redact: bool = True
    events: Sequence[str] = ()
    before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None

    def __post_init__(self) -> None:
        """Take a text for the one attribute that it names, and not for its letters."""
        for name in ("distinct_id_attributes", "baggage_keys", "events"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, (value,))
