"""The dashboard *Adoption*: who uses Mem0, with what, since when."""

from __future__ import annotations

from tiles.model import BARS, LASTING, LINES, Dashboard, Tile

WEEKS_OF_INSTALLATIONS = f"""SELECT distinct_id, groupUniqArray(toMonday(timestamp)) AS weeks
        FROM events
        WHERE timestamp >= now() - INTERVAL 26 WEEK
            AND event IN ('mem0.init', 'client.init')
            AND {LASTING}
        GROUP BY distinct_id"""

ONE_INSTALLATION = (
    "How many people: an id is one home directory. After a reset, and in a container without a lasting volume, it "
    "is a new one. Build services and ids that could not be stored are left out."
)


def by_property(key: str, name: str, value: str, reading: str, limits: str = "") -> Tile:
    """Return the tile that counts installations by a property of `mem0.init`."""
    return Tile(
        key=key,
        title=f"Mem0 installations by {name}",
        question=f"How many installations use each {name}?",
        unit="installations in 30 days",
        reading=reading,
        limits=limits or "How many use nothing else: an installation that used two counts for both.",
        query=f"""SELECT
    coalesce(nullIf({value}, ''), 'not sent') AS value,
    count(DISTINCT distinct_id) AS installations
FROM events
WHERE timestamp >= now() - INTERVAL 30 DAY
    AND event = 'mem0.init'
    AND {LASTING}
GROUP BY value
ORDER BY installations DESC, value
LIMIT 50
""",
        display=BARS,
        columns=("value", "installations"),
    )


def component(key: str, name: str) -> Tile:
    """Return the tile that counts installations by the class of a component."""
    value = f"extract(toString(properties.{key}), '[^.]+$')"
    return by_property(key, name, value, "By class. `custom` is any class that is not Mem0's own.")


DASHBOARD = Dashboard(
    key="adoption",
    title="Mem0 adoption",
    purpose="Who uses Mem0, with what, and since when.",
    tiles=(
        Tile(
            key="installations",
            title="Mem0 installations by week",
            question="How many installations are active, and how many of them are new?",
            unit="installations in a week",
            reading="Active: built a `Memory` or a client in that week. New: for the first time in 26 weeks. "
            "The last week is not over.",
            limits=ONE_INSTALLATION,
            query=f"""SELECT week, count() AS active, countIf(week = first_week) AS new
FROM (
    SELECT arrayJoin(weeks) AS week, arrayMin(weeks) AS first_week
    FROM (
        {WEEKS_OF_INSTALLATIONS}
    )
)
WHERE week >= toMonday(now() - INTERVAL 12 WEEK)
GROUP BY week
ORDER BY week
LIMIT 100
""",
            display=LINES,
            columns=("week", "active", "new"),
        ),
        Tile(
            key="retention",
            title="Mem0 retention of installations by week",
            question="How many installations come back?",
            unit="installations",
            reading="A row: the installations that were first seen in that week, and how many were active 1, 2, 4 and "
            "8 weeks later: 0 for a week to come.",
            limits=f"{ONE_INSTALLATION} So it is a lower bound.",
            query=f"""SELECT
    first_week,
    count() AS installations,
    countIf(has(weeks, addWeeks(first_week, 1))) AS week_1,
    countIf(has(weeks, addWeeks(first_week, 2))) AS week_2,
    countIf(has(weeks, addWeeks(first_week, 4))) AS week_4,
    countIf(has(weeks, addWeeks(first_week, 8))) AS week_8
FROM (
    SELECT weeks, arrayMin(weeks) AS first_week
    FROM (
        {WEEKS_OF_INSTALLATIONS}
    )
)
WHERE first_week >= toMonday(now() - INTERVAL 12 WEEK)
GROUP BY first_week
ORDER BY first_week
LIMIT 100
""",
        ),
        component("vector_store", "vector store"),
        component("llm", "language model class"),
        component("embedding_model", "embedder"),
        by_property(
            "mem0_version",
            "version of Mem0",
            "toString(properties.client_version)",
            "The installed release of mem0ai.",
        ),
        by_property(
            "python_version",
            "version of Python",
            "extract(toString(properties.python_version), '^[0-9]+[.][0-9]+')",
            "Major and minor version, of both this package's events and Mem0's own, which send more.",
        ),
        by_property(
            "os",
            "operating system",
            "if(toString(properties.os) = 'win32', 'windows', toString(properties.os))",
            "Mem0's own `win32` is counted as `windows`.",
            "Which Linux it is: that is not sent. A container counts as the system of its image.",
        ),
        by_property(
            "machine",
            "processor architecture",
            "multiIf(toString(properties.machine) IN ('x86_64', 'AMD64'), 'amd64', "
            "toString(properties.machine) = 'aarch64', 'arm64', toString(properties.machine))",
            "Mem0's own `x86_64` and `AMD64` are counted as `amd64`, `aarch64` as `arm64`.",
        ),
        Tile(
            key="move",
            title="Mem0 installations by sender",
            question="How far has the move from Mem0's own telemetry come?",
            unit="installations in a week",
            reading="`mem0-telemetry` is this package, `posthog-python` Mem0's own telemetry.",
            limits="Which installation moved: its id stays, so in the week of the move it counts for both. A hosted "
            "client gets a new id with the move.",
            query=f"""SELECT
    toMonday(timestamp) AS week,
    multiIf(
        toString(properties.$lib) = 'opentelemetry-exporter-posthog', 'mem0-telemetry',
        toString(properties.$lib) = 'posthog-python', 'posthog-python',
        'other'
    ) AS sender,
    count(DISTINCT distinct_id) AS installations
FROM events
WHERE timestamp >= toMonday(now() - INTERVAL 12 WEEK)
    AND event = 'mem0.init'
    AND {LASTING}
GROUP BY week, sender
ORDER BY week, sender
LIMIT 100
""",
            display=LINES,
            columns=("week", "installations"),
            series="sender",
        ),
    ),
)
