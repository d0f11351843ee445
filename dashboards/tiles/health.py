"""The dashboard *Health of the data*: which events the other dashboards miss or count wrongly, and how many."""

from __future__ import annotations

from tiles.model import CI, DROP_COUNTS, DROP_REASONS, EPHEMERAL, EVENTS, LINES, WEIGHT, Dashboard, Tile

OURS = "toString(properties.$lib) = 'opentelemetry-exporter-posthog'"
UNKNOWN = "toFloat(properties.`mem0.telemetry.dropped.unknown_event`)"

DASHBOARD = Dashboard(
    key="health",
    title="Mem0 health of the data",
    purpose="What is missing or counted wrongly in the other dashboards, and how much.",
    tiles=(
        Tile(
            key="left_out",
            title="Mem0 installations that are left out",
            question="How many ids belong to build services, or could not be stored?",
            unit="ids in a week",
            reading="The tiles of *Adoption* leave both out. An id that could not be stored is one process's only.",
            limits="How many people are behind them.",
            query=f"""SELECT
    toMonday(timestamp) AS week,
    count(DISTINCT distinct_id) AS ids,
    count(DISTINCT if({CI}, distinct_id, NULL)) AS build_services,
    count(DISTINCT if({EPHEMERAL}, distinct_id, NULL)) AS not_stored
FROM events
WHERE timestamp >= toMonday(now() - INTERVAL 12 WEEK)
    AND event IN ('mem0.init', 'client.init')
GROUP BY week
ORDER BY week
LIMIT 100
""",
            display=LINES,
            columns=("week", "ids", "build_services", "not_stored"),
        ),
        Tile(
            key="losses",
            title="Mem0 events lost by reason",
            question="How many events were lost, and why?",
            unit="events in 30 days",
            reading="Each process counts what it drops and says so on its next event; `TELEMETRY.md` has the reasons. "
            "`unknown_event` was never meant to be sent.",
            limits="Losses that nobody was left to count: a process that was killed within 0.2 s of the event, a disk "
            "that ended with its container. These are kept events: a sampled one counts once.",
            query=f"""SELECT
    tupleElement(loss, 1) AS reason,
    sum(tupleElement(loss, 2)) AS lost
FROM (
    SELECT arrayJoin(arrayZip([{DROP_REASONS}], counts)) AS loss
    FROM (
        SELECT uuid, any([{DROP_COUNTS}]) AS counts
        FROM events
        WHERE timestamp >= now() - INTERVAL 30 DAY
            AND {OURS}
        GROUP BY uuid
    )
)
GROUP BY reason
HAVING lost > 0
ORDER BY lost DESC, reason
LIMIT 100
""",
        ),
        Tile(
            key="unknown_events",
            title="Mem0 unknown events by version",
            question="Which releases of Mem0 have events that the registry does not declare yet?",
            unit="events in 30 days",
            reading="Above 0, that release needs an entry in the registry.",
            limits="The names of these events: they are not sent. The version is that of the event that tells the "
            "count, so after an upgrade a few may be under the new one.",
            query=f"""SELECT version, sum(unknown) AS unknown_events
FROM (
    SELECT
        uuid,
        any(coalesce(nullIf(toString(properties.client_version), ''), 'not sent')) AS version,
        any(coalesce({UNKNOWN}, 0)) AS unknown
    FROM events
    WHERE timestamp >= now() - INTERVAL 30 DAY
        AND {OURS}
    GROUP BY uuid
)
GROUP BY version
HAVING unknown_events > 0
ORDER BY unknown_events DESC, version
LIMIT 100
""",
        ),
        Tile(
            key="late",
            title="Mem0 events by delay",
            question="How late do events arrive?",
            unit="events in 30 days",
            reading="From the call to PostHog. What a process could not send, a later one sends, within 7 days. So "
            "numbers of the last days still grow.",
            limits="What never arrived. Times are corrected by the difference of the clocks.",
            query=f"""SELECT
    multiIf(
        seconds < 60, '1: within a minute',
        seconds < 3600, '2: within an hour',
        seconds < 86400, '3: within a day',
        seconds < 604800, '4: within a week',
        '5: later'
    ) AS delay,
    count() AS arrived
FROM (
    SELECT uuid, min(dateDiff('second', timestamp, created_at)) AS seconds
    FROM events
    WHERE timestamp >= now() - INTERVAL 30 DAY
        AND event IN ({EVENTS})
    GROUP BY uuid
)
GROUP BY delay
ORDER BY delay
LIMIT 100
""",
        ),
        Tile(
            key="duplicates",
            title="Mem0 events that arrived twice",
            question="How many events were sent again?",
            unit="rows in a day",
            reading="A repeat has the `uuid` of the event. It is normal where an answer was lost; the other tiles "
            "count each once.",
            limits="How many repeats PostHog has already merged: this is a lower bound.",
            query=f"""SELECT
    toStartOfDay(timestamp) AS day,
    count() AS events,
    count() - count(DISTINCT uuid) AS repeats
FROM events
WHERE timestamp >= now() - INTERVAL 30 DAY
    AND event IN ({EVENTS})
GROUP BY day
ORDER BY day
LIMIT 100
""",
            display=LINES,
            columns=("day", "events", "repeats"),
        ),
        Tile(
            key="rates",
            title="Mem0 events by sample rate",
            question="Which sample rates are used, and are all of them rates?",
            unit="events in 30 days",
            reading="`calls_each` is what one such event stands for in *Usage*: 1 where it is no rate. `not sent` is "
            "right for hosted clients, and for Mem0 1.x without this package; values that are no number are there too.",
            limits="How many installations set a rate of 0: they send no sampled event.",
            query=f"""SELECT rate, min(weight) AS calls_each, count() AS kept
FROM (
    SELECT
        uuid,
        any(coalesce(toString(toFloat(properties.sample_rate)), 'not sent')) AS rate,
        any({WEIGHT}) AS weight
    FROM events
    WHERE timestamp >= now() - INTERVAL 30 DAY
        AND event IN ({EVENTS})
    GROUP BY uuid
)
GROUP BY rate
ORDER BY kept DESC, rate
LIMIT 100
""",
        ),
    ),
)
