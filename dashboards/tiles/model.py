"""What a tile is made of, and what several queries share."""

from __future__ import annotations

from dataclasses import dataclass

from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes

LINES, BARS, TABLE = "ActionsLineGraph", "ActionsBar", "ActionsTable"
"""PostHog's names of the ways to draw a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One question, and the query that answers it."""

    key: str
    """Its name in the tests."""
    title: str
    """Its name in PostHog, unlike that of any other tile."""
    question: str
    unit: str
    """What the numbers count."""
    reading: str
    """How to read the answer."""
    limits: str
    """What the answer cannot say."""
    query: str
    """HogQL. It ends with a LIMIT: without one PostHog shows the first 100 rows."""
    display: str = TABLE
    columns: tuple[str, ...] = ()
    """Of a chart: the column of the x-axis, and those that are drawn."""
    series: str | None = None
    """Of a chart: the column whose values become a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """The tiles that are read together."""

    key: str
    """The name of its file."""
    title: str
    purpose: str
    tiles: tuple[Tile, ...]


def quoted(names: list[str]) -> str:
    """Return the names as the items of a list in HogQL."""
    return ", ".join(f"'{name}'" for name in names)


EVENTS = quoted([event.posthog_name for event in registry.EVENTS])
"""The names of all events in PostHog."""
MEMORY_EVENTS = quoted(
    [event.posthog_name for event in registry.EVENTS if not event.posthog_name.startswith("client.")]
)
"""The names of the events of `Memory` and `AsyncMemory`."""
DROP_REASONS = quoted(list(added_attributes.DROPPED))
DROP_COUNTS = ", ".join(
    f"coalesce(toFloat(properties.`{attribute.posthog_name}`), 0)"
    for attribute in added_attributes.DROPPED.values()
)
"""Why events were dropped, and for each reason how many an event says; 0 where it says no number."""

WEIGHT = (
    "if(toFloat(properties.sample_rate) > 0 AND toFloat(properties.sample_rate) <= 1, "
    "1 / toFloat(properties.sample_rate), 1)"
)
"""How many calls an event stands for: 1 where its rate is missing or is no rate."""
ESTIMATE = (
    "round(sum(weight)) AS calls, round(sqrt(sum(weight * (weight - 1)))) AS standard_error, count() AS kept"
)
"""The calls that weighted events stand for, how far the truth is from it, typically, and how many events these are."""
CI = "toString(properties.`mem0.ci`) IN ('true', '1')"
EPHEMERAL = "toString(properties.`mem0.installation.ephemeral`) IN ('true', '1')"
"""Whether a build service sent it, and whether its id could not be stored."""
LASTING = (
    "coalesce(toString(properties.`mem0.ci`), '') NOT IN ('true', '1') "
    "AND coalesce(toString(properties.`mem0.installation.ephemeral`), '') NOT IN ('true', '1')"
)
"""Whether it comes from an installation that is to be counted: neither of the two."""
