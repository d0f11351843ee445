"""What an event and an attribute are made of; the data is in `attributes`, `events` and `hosted_events`."""

from __future__ import annotations

from mem0_telemetry.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mem0_telemetry.policy.registry.types import Type

REQUIRED = "required"
RECOMMENDED = "recommended"
CONDITIONALLY_REQUIRED = "conditionally_required"
LEVELS = (REQUIRED, RECOMMENDED, CONDITIONALLY_REQUIRED)
"""OpenTelemetry's requirement levels, as far as they are used here: nothing is opt-in."""


class Attribute(Frozen):
    """One attribute that may be sent."""

    __slots__ = ("brief", "key", "level", "mem0_name", "since", "type")
    key: str
    """OpenTelemetry's key."""
    mem0_name: str | None
    """Mem0's own name of the property, which PostHog keeps; None where Mem0 has none."""
    type: Type
    """The closed type of its values."""
    brief: str
    """What it says, in one sentence."""
    level: str
    """One of `LEVELS`."""
    since: str
    """The first release that sends it, of mem0ai or of this package."""

    def __init__(  # noqa: PLR0913  # one for each field
        self,
        key: str,
        *,
        type: Type,  # noqa: A002  # the field's name in OpenTelemetry's registries
        brief: str,
        mem0_name: str | None = None,
        level: str = RECOMMENDED,
        since: str = "mem0ai 1.0.0",
    ) -> None:
        self._freeze(key=key, mem0_name=mem0_name, type=type, brief=brief, level=level, since=since)

    @property
    def posthog_name(self) -> str:
        """The name in PostHog: Mem0's own where there is one, so that dashboards go on working."""
        return self.mem0_name or self.key


class Event(Frozen):
    """One event that may be sent."""

    __slots__ = (
        "attributes",
        "brief",
        "name",
        "posthog_name",
        "question",
        "sample_rate",
        "since",
        "told_by_name",
    )
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
    sample_rate: float
    """The share of `Memory`'s events that is kept by default; events of a hosted client are all kept."""
    told_by_name: tuple[str, ...]
    """Mem0's properties of which the value is never sent: `keys` says, by name, which of them were given."""
    since: str
    """The first release that sends it, of mem0ai or of this package."""

    def __init__(  # noqa: PLR0913  # one for each field
        self,
        name: str,
        posthog_name: str,
        *,
        brief: str,
        question: str,
        attributes: tuple[Attribute, ...],
        sample_rate: float = 1.0,
        told_by_name: tuple[str, ...] = (),
        since: str = "mem0ai 1.0.0",
    ) -> None:
        self._freeze(
            name=name,
            posthog_name=posthog_name,
            brief=brief,
            question=question,
            attributes=attributes,
            sample_rate=sample_rate,
            told_by_name=told_by_name,
            since=since,
        )

    @property
    def hot(self) -> bool:
        """Return whether it is sampled where a `Memory` records it."""
        return self.sample_rate < 1.0
