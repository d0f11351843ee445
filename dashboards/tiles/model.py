"""The classes of a tile and a dashboard, and HogQL that several queries share."""

from __future__ import annotations

from dataclasses import dataclass

from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes

LINES, BARS, TABLE = "ActionsLineGraph", "ActionsBar", "ActionsTable"
"""PostHog's names for the ways to display a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One question, and the query that answers it."""

    key: str
    """The name of the tile in the tests."""
    title: str
    """The name of the tile in PostHog; each tile has a different one."""
    question: str
    unit: str
    """What the numbers count."""
    reading: str
    """How to read the answer."""
    limits: str
    """What the answer cannot say."""
    query: str
    """HogQL that ends with a LIMIT: without one PostHog shows only the first 100 rows."""
    display: str = TABLE
    columns: tuple[str, ...] = ()
    """For a chart: the column of the x-axis, then the columns to draw."""
    series: str | None = None
    """For a chart: the column with a separate line for each of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Tiles that a maintainer reads together."""

    key: str
    """The name of its file, without the extension."""
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
"""The reasons for dropped events, and for each the number that an event reports; 0 if it reports none."""

WEIGHT = (
    "if(toFloat(properties.sample_rate) > 0 AND toFloat(properties.sample_rate) <= 1, "
    "1 / toFloat(properties.sample_rate), 1)"
)
"""How many calls an event represents: 1 if its sample rate is missing or invalid."""
ESTIMATE = (
    "round(sum(weight)) AS calls, round(sqrt(sum(weight * (weight - 1)))) AS standard_error, count() AS kept"
)
"""The estimated number of calls, the standard error of the estimate, and the number of events that were kept."""
CI = "toString(properties.`mem0.ci`) IN ('true', '1')"
EPHEMERAL = "toString(properties.`mem0.installation.ephemeral`) IN ('true', '1')"
"""Whether a build service sent the event, and whether the installation id could not be stored."""
LASTING = (
    "coalesce(toString(properties.`mem0.ci`), '') NOT IN ('true', '1') "
    "AND coalesce(toString(properties.`mem0.installation.ephemeral`), '') NOT IN ('true', '1')"
)
"""Whether to count the installation: neither of the two conditions above is true."""
