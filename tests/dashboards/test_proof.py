"""The tiles are right: PostHog's parser parses each, ClickHouse runs it, and the result is compared with the truth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hogql
import planted
import product
import pytest
import truth
from tiles import TILES, model

from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.dashboards


class Proof:
    """PostHog's table, and the true answers."""

    def __init__(self, clickhouse: hogql.ClickHouse, true: truth.Truth) -> None:
        self._clickhouse = clickhouse
        self.true = true

    def answer(self, query: str, table: str = "text", *, typed: bool = False) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        now = planted.NOW.strftime("%Y-%m-%d %H:%M:%S")
        return self._clickhouse.run(query, table=table, typed=typed, now=now)

    def differences(self, key: str, rows: list[dict[str, Any]]) -> list[str]:
        """Return where an answer differs from the truth; an estimate may differ by up to three standard errors."""
        values = [list(row.values()) for row in rows]
        if key in self.true.exact:
            expected = self.true.exact[key]
            width = len(next(iter(expected)))
            found = {tuple(map(_shown, row[:width])): tuple(row[width:]) for row in values}
            return [
                f"{group}: {found.get(group)}, but it is {expected.get(group)}"
                for group in sorted({*found, *expected})
                if found.get(group) != expected.get(group)
            ]
        estimated = self.true.estimated[key]
        estimates = {tuple(map(_shown, row[:-3])): tuple(row[-3:]) for row in values}
        wrong = [f"{group} is too much" for group in set(estimates) - set(estimated)]
        for group, calls in estimated.items():
            estimate = estimates.get(group, (0, 0, 0))
            if estimate != calls.answer():
                wrong.append(f"{group}: {estimate}, but the kept events say {calls.answer()}")
            if abs((estimate[0] or 0) - calls.made) > 3 * calls.variance**0.5:
                wrong.append(f"{group}: {estimate[0]} calls, but there were {calls.made}")
        return wrong


def _shown(value: Any) -> Any:
    """Return a value of a row in the form of the truth: a time becomes its day."""
    return (
        value.removesuffix(" 00:00:00.000000").removesuffix(" 00:00:00") if isinstance(value, str) else value
    )


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """Run the real product; load the events that PostHog received and the planted ones."""
    directory = tmp_path_factory.mktemp("proof")
    received = product.run_all(directory)
    rows, active = planted.real(received)
    for more_rows, more_active in (planted.fleets(rows), planted.foreign()):
        rows += more_rows
        active += more_active
    planted.plant_losses(rows)
    clickhouse = hogql.ClickHouse(rows, directory / "clickhouse")
    proof = Proof(clickhouse, truth.tell(received, rows, active))
    if "DASHBOARDS_RESULTS" in os.environ:  # for the picture
        results = {
            key: {
                "rows": proof.answer(TILES[key].query),
                "made": [[*group, calls.made] for group, calls in estimated.items()],
            }
            for key, estimated in proof.true.estimated.items()
        }
        Path(os.environ["DASHBOARDS_RESULTS"]).write_text(json.dumps(results, indent=2))
    yield proof
    clickhouse.close()


@pytest.mark.parametrize("typed", [False, True], ids=["as text", "typed"])
@pytest.mark.parametrize("table", hogql.TABLES)
@pytest.mark.parametrize("key", TILES)
def test_a_tile_returns_the_truth(proof: Proof, key: str, table: str, typed: bool) -> None:  # noqa: FBT001
    """Each tile returns the truth, in both ways that PostHog stores properties, with inferred types or without."""
    assert proof.differences(key, proof.answer(TILES[key].query, table, typed=typed)) == []


def test_every_truth_has_a_tile(proof: Proof) -> None:
    """Each tile has a true answer, and each true answer has a tile."""
    assert {*proof.true.exact, *proof.true.estimated} == set(TILES)
    assert not set(proof.true.exact) & set(proof.true.estimated)


@pytest.mark.parametrize("key", ["calls", "calls_by_day", "sync_type", "search_features", "search_limits"])
@pytest.mark.parametrize("weight", ["10", "1", f"2 * {model.WEIGHT}"])
def test_a_wrong_weight_is_noticed(proof: Proof, key: str, weight: str) -> None:
    """If every event counts ten times, or once, or for twice its calls, the answer differs from the truth."""
    query = TILES[key].query.replace(model.WEIGHT, weight)
    assert query != TILES[key].query
    assert proof.differences(key, proof.answer(query)) != []


def test_a_repeat_that_counts_twice_is_noticed(proof: Proof) -> None:
    """If a repeated event counts twice, the answer differs from the truth."""
    query = TILES["calls"].query.replace("any(", "sum(")
    assert proof.differences("calls", proof.answer(query)) != []


PROPERTIES = {
    *envelope.PROPERTIES,
    *(attribute.posthog_name for event in registry.EVENTS for attribute in event.attributes),
    *(attribute.posthog_name for attribute in added_attributes.OF_EVERY_RECORD),
    *(attribute.posthog_name for attribute in added_attributes.OF_THE_RESOURCE),
}


def undeclared(query: str) -> set[str]:
    """Return the events and properties in a query that the registry does not declare."""
    tree = hogql.parse(query)
    events = {event.posthog_name for event in registry.EVENTS}
    return (hogql.properties(tree) - PROPERTIES) | (hogql.events(tree) - events)


@pytest.mark.parametrize("key", TILES)
def test_a_tile_reads_only_declared_names(key: str) -> None:
    """Each event and property of a tile is in the registry, and its query has a LIMIT."""
    query = TILES[key].query
    assert undeclared(query) == set()
    assert hogql.parse(query)["limit"]["value"] <= 1000


@pytest.mark.parametrize(
    ("key", "name", "other"),
    [
        ("installations", "'client.init'", "'client.started'"),
        ("calls", "'mem0.add'", "'mem0.added'"),
        ("vector_store", "event = 'mem0.init'", "event = 'mem0.started'"),
        ("calls", "properties.sample_rate", "properties.rate"),
        ("losses", "dropped.expired", "dropped.forgotten"),
    ],
)
def test_a_name_outside_the_registry_is_noticed(key: str, name: str, other: str) -> None:
    """A tile that names an undeclared event or property is detected."""
    query = TILES[key].query.replace(name, other)
    assert len(undeclared(query)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count() FROM events WHERE properties.os != 'linux' LIMIT 1",
        "SELECT count() FROM events WHERE NOT properties.os = 'linux' LIMIT 1",
        "SELECT count() FROM events WHERE {filters} LIMIT 1",
        "SELECT person_properties.email, sessionize(uuid) FROM events LIMIT 1",
        "SELECT count() FROM events JOIN persons ON persons.id = events.person_id LIMIT 1",
    ],
)
def test_a_query_that_clickhouse_interprets_otherwise_is_rejected(query: str) -> None:
    """A query that PostHog and ClickHouse would interpret differently is rejected."""
    with pytest.raises(ValueError, match="not translated"):
        hogql.translate(query, read=str, now="2026-01-14 12:00:00")
