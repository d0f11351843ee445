"""The dashboard *Usage*: how Mem0 is used, as estimated numbers of calls."""

from __future__ import annotations

from tiles.model import BARS, ESTIMATE, EVENTS, LINES, MEMORY_EVENTS, WEIGHT, Dashboard, Tile

STANDARD_ERROR = (
    "The truth is within two standard errors in 19 of 20 cases. 0 means that every call was counted."
)
NOT_COUNTED = (
    "What is not recorded: calls where telemetry is off or the sample rate 0, and `add(infer=False)`."
)


def weighted(columns: str, where: str, group: str, order: str) -> str:
    """Return the query that estimates calls by `group`, columns of its subquery, which counts each event once."""
    return f"""SELECT {group}, {ESTIMATE}
FROM (
    SELECT {columns}, uuid, any({WEIGHT}) AS weight
    FROM events
    WHERE timestamp >= now() - INTERVAL 30 DAY
        AND {where}
    GROUP BY {group}, uuid
)
GROUP BY {group}
ORDER BY {order}
LIMIT 1000
"""


def feature(name: str, condition: str) -> str:
    """Return the HogQL of a feature's name if a search uses the feature, else of an empty text."""
    return f"if({condition}, '{name}', '')"


SEARCH_FEATURES = ",\n            ".join(
    (
        "'all searches'",
        feature("explain", "toString(properties.explain) IN ('true', '1')"),
        feature("advanced filters", "toString(properties.advanced_filters) IN ('true', '1')"),
        *(
            feature(f"by {name}", f"toString(properties.keys) LIKE '%\"{name}\"%'")
            for name in ("user_id", "agent_id", "run_id")
        ),
    )
)


DASHBOARD = Dashboard(
    key="usage",
    title="Mem0 usage",
    purpose="What is done with Mem0: true numbers of calls, with their standard errors.",
    tiles=(
        Tile(
            key="calls",
            title="Mem0 calls by event",
            question="How often is each operation called?",
            unit="calls in 30 days",
            reading=f"Each kept event stands for 1 / `sample_rate` calls, and counts once. {STANDARD_ERROR}",
            limits=NOT_COUNTED,
            query=weighted("event", f"event IN ({EVENTS})", "event", "calls DESC, event"),
            display=BARS,
            columns=("event", "calls"),
        ),
        Tile(
            key="calls_by_day",
            title="Mem0 adds and searches by day",
            question="Are memories written and read more than before?",
            unit="calls in a day",
            reading=f"By the day of the call, in the time zone of the project. {STANDARD_ERROR}",
            limits=f"The last days: an event may arrive a week late. {NOT_COUNTED}",
            query=weighted(
                "toStartOfDay(timestamp) AS day, event",
                "event IN ('mem0.add', 'mem0.search')",
                "day, event",
                "day, event",
            ),
            display=LINES,
            columns=("day", "calls"),
            series="event",
        ),
        Tile(
            key="sync_type",
            title="Mem0 calls by sync and async",
            question="Is the asynchronous class used?",
            unit="calls in 30 days",
            reading=f"Calls of `Memory` (`sync`) and `AsyncMemory` (`async`). {STANDARD_ERROR}",
            limits="The hosted clients. `not sent` is the chat proxy, and events of other senders.",
            query=weighted(
                "coalesce(nullIf(toString(properties.sync_type), ''), 'not sent') AS sync_type",
                f"event IN ({MEMORY_EVENTS})",
                "sync_type",
                "calls DESC, sync_type",
            ),
            display=BARS,
            columns=("sync_type", "calls"),
        ),
        Tile(
            key="search_features",
            title="Mem0 searches by feature",
            question="Which features of search are used?",
            unit="calls in 30 days",
            reading=f"A search counts for each feature that it uses; compare with `all searches`. {STANDARD_ERROR}",
            limits="How good the results were. Names of the caller's own filters are not sent.",
            query=weighted(
                f"arrayJoin(arrayFilter(name -> notEmpty(name), [{SEARCH_FEATURES}])) AS feature",
                "event = 'mem0.search'",
                "feature",
                "calls DESC, feature",
            ),
            display=BARS,
            columns=("feature", "calls"),
        ),
        Tile(
            key="search_limits",
            title="Mem0 searches by limit",
            question="How many memories are asked for at once?",
            unit="calls in 30 days",
            reading=f"`10` means 6 to 10 memories: the limit is rounded up to the next size. {STANDARD_ERROR}",
            limits="The exact limit: it is an upper bound, so never average it. Nor how many memories were found. "
            "Mem0's own telemetry sends exact limits.",
            query=weighted(
                "coalesce(toString(toFloat(properties.limit)), 'not sent') AS up_to",
                "event = 'mem0.search'",
                "up_to",
                "calls DESC, up_to",
            ),
            display=BARS,
            columns=("up_to", "calls"),
        ),
    ),
)
