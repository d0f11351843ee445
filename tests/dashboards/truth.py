"""Compute the true answer of each tile from what the installations did, without a query."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from math import sqrt
from typing import TYPE_CHECKING, Any

from planted import FOREIGN_DAYS_AGO, LOSSES, NO_RATES, TODAY, Active, Row
from product import FILTERED, SCOPED

from mem0_telemetry.policy import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from product import Received

Answer = dict[tuple[Any, ...], tuple[Any, ...]]
"""The rows of a tile: the values of its leading columns, mapped to those of the other columns."""


@dataclass(slots=True)
class Calls:
    """How many calls of a kind were made, and how many of their events were kept."""

    made: int = 0
    variance: float = 0.0
    """The variance of an estimate of `made`."""
    kept: Counter[float] = field(default_factory=Counter)
    """The number of kept events by sample rate."""

    def answer(self) -> tuple[int, int, int]:
        """Return what the tile should show: the estimate, its standard error, and the number of kept events."""
        estimate = sum(kept / rate for rate, kept in self.kept.items())
        error = sqrt(sum(kept * (1 - rate) / rate**2 for rate, kept in self.kept.items()))
        return round(estimate), round(error), sum(self.kept.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The true answers of the exact tiles and of the estimated ones, by the key of the tile."""

    exact: dict[str, Answer]
    estimated: dict[str, dict[tuple[Any, ...], Calls]]


def tell(received: Sequence[Received], rows: Sequence[Row], active: Sequence[Active]) -> Truth:
    """Return the true answer of each tile."""
    exact = {**_by_week(active), **_by_component(active), **_health(received, rows, active)}
    return Truth(
        exact=exact, estimated=_calls([*_of_the_product(received), *_of_others(active, len(received))])
    )


def day(days_ago: int) -> str:
    """Return a day in the form of the tiles."""
    return str(TODAY - timedelta(days=days_ago))


def monday(days_ago: int) -> str:
    """Return the Monday of a day's week in the form of the tiles."""
    return day(days_ago + (TODAY - timedelta(days=days_ago)).weekday())


_FIRST_SHOWN = monday(12 * 7)


def _counted(active: Iterable[Active]) -> list[Active]:
    return [each for each in active if not each.ci and not each.ephemeral]


def _by_week(active: Sequence[Active]) -> dict[str, Answer]:
    weeks: dict[str, set[int]] = defaultdict(set)
    for each in _counted(active):
        if each.day_ago < 26 * 7:
            weeks[each.id].add((each.day_ago + 6 - TODAY.weekday()) // 7)  # the number of Mondays since
    answers: dict[str, Answer] = {"installations": {}, "retention": {}}
    for ago in range(13):
        here = [its for its in weeks.values() if ago in its]
        first = [its for its in here if max(its) == ago]
        if here:
            answers["installations"][monday(7 * ago),] = (len(here), len(first))
        if first:
            back = tuple(sum(ago - later in its for its in first) for later in (1, 2, 4, 8))
            answers["retention"][monday(7 * ago),] = (len(first), *back)
    senders = [each for each in _counted(active) if monday(each.day_ago) >= _FIRST_SHOWN]
    answers["move"] = _ids(senders, lambda each: (monday(each.day_ago), each.sender))
    return answers


def _by_component(active: Sequence[Active]) -> dict[str, Answer]:
    recent = [each for each in _counted(active) if each.day_ago <= 30]
    names = ("vector_store", "llm", "embedding_model", "mem0_version", "python_version", "os", "machine")
    return {name: _ids(recent, lambda each, name=name: (each.shown[name],)) for name in names}


def _ids(active: Iterable[Active], group: Callable[[Active], tuple[Any, ...]]) -> Answer:
    """Return the number of installations in each group, without hosted clients, which build no memory."""
    ids: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for each in active:
        if each.event == "mem0.init":
            ids[group(each)].add(each.id)
    return {key: (len(found),) for key, found in ids.items()}


def _health(received: Sequence[Received], rows: Sequence[Row], active: Sequence[Active]) -> dict[str, Answer]:
    weeks: dict[str, list[Active]] = defaultdict(list)
    for each in active:
        weeks[monday(each.day_ago)].append(each)
    declared = {event.posthog_name for event in registry.EVENTS}
    recent = [row for row in rows if row["event"] in declared and row["timestamp"] >= day(30)]
    once = list({row["uuid"]: row for row in recent}.values())
    by_day = Counter(row["timestamp"][:10] for row in recent)
    repeats = {day(each.installation.days_ago): each.repeats for each in received if each.repeats}
    late = sum(len(each.events) for each in received if each.installation.delay > 86400)
    unknown = sum(each.installation.unknown for each in received)
    return {
        "left_out": {
            (week,): (len(its), sum(each.ci for each in its), sum(each.ephemeral for each in its))
            for week, its in weeks.items()
            if week >= _FIRST_SHOWN
        },
        "losses": {(reason,): (lost,) for reason, lost in {**LOSSES, "unknown_event": unknown}.items()},
        "unknown_events": {(version("mem0ai"),): (unknown,)},
        "late": {("1: within a minute",): (len(once) - late,), ("4: within a week",): (late,)},
        "duplicates": {(on,): (number, repeats.get(on, 0)) for on, number in by_day.items()},
        "rates": {
            (rate,): (CALLS_EACH.get(rate, 1), number) for rate, number in Counter(map(_rate, once)).items()
        },
    }


CALLS_EACH = {"0.5": 2, "0.1": 10}
"""How many calls an event represents, by the planned sample rates; any other event represents one."""


def _rate(row: Row) -> str:
    """Return the sample rate of a row in the form of the tile."""
    rate = row["properties"].get("sample_rate")
    a_number = isinstance(rate, int | float) and not isinstance(rate, bool)
    return f"{rate:g}" if a_number else "not sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Calls of one kind that one installation made."""

    event: str
    day_ago: int
    number: int
    kept: int
    rate: float = 1.0
    sync: str = "sync"
    up_to: str = ""
    """For a search: the limit that the tiles show."""
    features: tuple[str, ...] = ()
    """For a search: the features that it uses."""


def _of_the_product(received: Iterable[Received]) -> Iterator[Made]:
    for each in received:
        plan = each.installation
        once = {event["uuid"]: event for event in each.events}.values()
        if plan.cls == "MemoryClient":
            for name in ("client.init", "client.search"):
                yield Made(event=name, day_ago=plan.days_ago, number=1, kept=1)
            continue
        for name, number, given in (("init", 1, {}), ("add", plan.adds, {}), *plan.calls):
            up_to, features = _search(given, exact=plan.native) if name == "search" else (None, ())
            event = f"mem0.{name}"
            found = [one for one in once if one["event"] == event and one["properties"].get("limit") == up_to]
            yield Made(
                event=event,
                day_ago=plan.days_ago,
                number=number,
                kept=len(found),
                rate=1.0 if name == "init" else plan.rate,
                sync="async" if plan.cls == "AsyncMemory" else "sync",
                up_to=str(up_to),
                features=("all searches", *features) if name == "search" else (),
            )


def _search(given: Mapping[str, Any], *, exact: bool) -> tuple[int, tuple[str, ...]]:
    """Return the limit that the event of a search has, and the features that the search uses."""
    if given == SCOPED:
        return 10, ("by user_id", "by agent_id", "explain")
    if given == FILTERED:
        return 100, ("by user_id", "by run_id", "advanced filters")
    return (given["top_k"] if exact else 20), ("by user_id",)


def _of_others(active: Sequence[Active], real: int) -> Iterator[Made]:
    for each in active[real:]:
        if each.sender != "other":
            yield Made(event="mem0.init", day_ago=each.day_ago, number=1, kept=1)
    for event, number in {"mem0.init": 1, "mem0.reset": 1, "mem0.get": len(NO_RATES)}.items():
        yield Made(event=event, day_ago=FOREIGN_DAYS_AGO, number=number, kept=number, sync="not sent")
    yield Made(
        event="mem0.search",
        day_ago=FOREIGN_DAYS_AGO,
        number=1,
        kept=1,
        sync="not sent",
        up_to="not sent",
        features=("all searches",),
    )


def _calls(made: Iterable[Made]) -> dict[str, dict[tuple[Any, ...], Calls]]:
    tiles: dict[str, dict[tuple[Any, ...], Calls]] = defaultdict(lambda: defaultdict(Calls))
    for each in made:
        if each.day_ago > 30:
            continue
        groups: list[tuple[str, tuple[Any, ...]]] = [("calls", (each.event,))]
        if each.event in {"mem0.add", "mem0.search"}:
            groups.append(("calls_by_day", (day(each.day_ago), each.event)))
        if each.event.startswith("mem0."):
            groups.append(("sync_type", (each.sync,)))
        if each.event == "mem0.search":
            groups.append(("search_limits", (each.up_to,)))
        groups += [("search_features", (feature,)) for feature in each.features]
        for tile, group in groups:
            calls = tiles[tile][group]
            calls.made += each.number
            calls.kept[each.rate] += each.kept
            calls.variance += each.number * (1 - each.rate) / each.rate
    return tiles
