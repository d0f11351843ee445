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
    """How records become events."""

    event_names: Mapping[str, str] = field(default_factory=dict)
    """Name of an OTel event or span to the name of the PostHog event. Names not in it stay as they are;
    those beginning with `$` are PostHog's own and become events only through this mapping."""
    property_names: Mapping[str, str] = field(default_factory=dict)
    """Attribute key to property name. Keys not in it stay as they are; those beginning with `$` become
    properties only through this mapping. An empty name leaves the attribute out."""
    distinct_id_attributes: Sequence[str] = DEFAULT_DISTINCT_ID_ATTRIBUTES
    """Where an event's `distinct_id` comes from: the first of them that holds an id PostHog accepts."""
    baggage_keys: Sequence[str] = ()
    """Baggage keys that may give the `distinct_id` where no attribute does."""
    fallback_distinct_id: str = field(default_factory=process_distinct_id)
    """The `distinct_id` of events that nothing gives one, neither a session nor a trace."""
    group_attributes: Mapping[str, str] = field(default_factory=dict)
    """PostHog group type to the attribute that holds the group."""
    person_profiles: bool = False
    """Let PostHog keep a person for each `distinct_id`."""
    geoip: bool = False
    """Let PostHog look up the place of the address that an event came from."""
    ip: bool = False
    """Let PostHog keep the address that an event came from."""
    trace_context: bool = False
    """Send trace and span ids."""
    conventions: bool = True
    """Let `session.id`, `posthog.group.*`, `posthog.set.*` and `posthog.set_once.*` mean what their names say."""
    exceptions: bool = False
    """Send exceptions to error tracking, with messages and stack traces."""
    redact: bool = True
    """Leave out or clean what often holds secrets or says who called: see the README."""
    events: Sequence[str] = ()
    """Globs on names; a record that matches none becomes no event. Empty: all match."""
    before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    """Sees each finished event, and may change or drop it."""

    def __post_init__(self) -> None:
        """Take a text for the one attribute that it names, and not for its letters."""
        for name in ("distinct_id_attributes", "baggage_keys", "events"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, (value,))
