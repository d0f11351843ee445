"""The rows of PostHog's table: the events of the real product, moved to planned days, and planted events."""

from __future__ import annotations

import platform
import sys
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mem0_telemetry.policy.registry import added_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from product import Received

NOW = datetime(2026, 1, 14, 12, tzinfo=timezone.utc)
"""The time at which the tiles are read: a Wednesday, so that no week ends while the proof runs."""
TODAY = NOW.date()
LOSSES = {
    reason: number for number, reason in enumerate(added_attributes.DROPPED, 1) if reason != "unknown_event"
}
"""How many lost events are reported, by reason; the real product itself reports `unknown_event`."""
NO_RATES = (0, -3, 2, None, "often", [0.1], {"a": 1}, True)
"""Values of `sample_rate` that are not valid rates."""
FOREIGN_DAYS_AGO = 4

_PYTHON = ".".join(map(str, sys.version_info[:2]))
_MACHINE = platform.machine().lower()
_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(_MACHINE, _MACHINE)
_OS = {"win32": "windows"}.get(sys.platform, sys.platform)
REAL = {
    "vector_store": "Qdrant",
    "mem0_version": version("mem0ai"),
    "python_version": _PYTHON,
    "os": _OS,
    "machine": _MACHINE,
}
OURS = {**REAL, "llm": "custom", "embedding_model": "custom"}
NATIVE = {**REAL, "llm": "EchoLLM", "embedding_model": "HashEmbedder"}
MISSING = dict.fromkeys(OURS, "not sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Installations like the real ones, with other ids and components."""

    size: int
    weeks_ago: tuple[int, ...]
    """The weeks in which each installation was active."""
    vector_store: str
    llm: str
    embedding_model: str
    mem0_version: str = "2.1.0"
    python_version: str = "3.12"
    os: str = "linux"

    def properties(self) -> dict[str, str]:
        """Return the properties of its `mem0.init` that differ from the real one's."""
        return {
            "vector_store": f"mem0.vector_stores.{self.vector_store}",
            "llm": f"mem0.llms.{self.llm}",
            "embedding_model": f"mem0.embeddings.{self.embedding_model}",
            "client_version": self.mem0_version,
            "python_version": f"{self.python_version}.1",
            "os": self.os,
        }

    def shown(self) -> dict[str, str]:
        """Return the values that the tiles should show for it."""
        paths = (self.vector_store, self.llm, self.embedding_model)
        names = zip(("vector_store", "llm", "embedding_model"), paths, strict=True)
        return {
            **{name: path.rpartition(".")[2] for name, path in names},
            "mem0_version": self.mem0_version,
            "python_version": self.python_version,
            "os": self.os,
            "machine": _MACHINE,
        }


_OPENAI = {"llm": "openai.OpenAILLM", "embedding_model": "openai.OpenAIEmbedding"}
_OLLAMA = {"llm": "ollama.OllamaLLM", "embedding_model": "ollama.OllamaEmbedding"}
FLEETS = (
    Fleet(size=4, weeks_ago=(9, 8, 7, 5, 1), vector_store="chroma.ChromaDB", **_OPENAI, os="darwin"),
    Fleet(size=3, weeks_ago=(9,), vector_store="faiss.FAISS", **_OLLAMA, mem0_version="1.0.11"),
    Fleet(size=2, weeks_ago=(3, 2), vector_store="pgvector.PGVector", **_OPENAI, os="windows"),
    Fleet(size=5, weeks_ago=(1, 0), vector_store="qdrant.Qdrant", **_OPENAI),
    Fleet(size=6, weeks_ago=(0,), vector_store="pgvector.PGVector", **_OLLAMA, python_version="3.13"),
    Fleet(size=1, weeks_ago=(20, 1), vector_store="redis.RedisDB", **_OPENAI),
    Fleet(size=1, weeks_ago=(40, 0), vector_store="redis.RedisDB", **_OPENAI),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """An installation built a memory or a client on a day, as the tiles should show."""

    id: str
    day_ago: int
    event: str = "mem0.init"
    sender: str = "mem0-telemetry"
    ci: bool = False
    ephemeral: bool = False
    shown: dict[str, str]


Row = dict[str, Any]


def row(  # noqa: PLR0913  # Most are keywords.
    name: str,
    distinct_id: str,
    properties: dict[str, Any],
    *,
    at: datetime,
    delay: int = 2,
    uid: str | None = None,
) -> Row:
    """Return a row of PostHog's table."""
    form = "%Y-%m-%d %H:%M:%S.%f"
    # PostHog's JavaScript writes the number 1.0 as 1.
    properties = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in properties.items()
    }
    return {
        "uuid": uid or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {distinct_id} {at} {properties}")),
        "event": name,
        "properties": properties,
        "timestamp": at.strftime(form),
        "distinct_id": distinct_id,
        "created_at": (at + timedelta(seconds=delay)).strftime(form),
    }


def real(received: Sequence[Received]) -> tuple[list[Row], list[Active]]:
    """Return the real product's events on the planned days, and the active installations."""
    rows, active = [], []
    for each in received:
        plan = each.installation
        (installation,) = {event["distinct_id"] for event in each.events}
        moments = [datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")) for event in each.events]
        for event, moment in zip(each.events, moments, strict=True):
            at = NOW - timedelta(days=plan.days_ago) + (moment - min(moments))
            rows.append(
                row(
                    event["event"],
                    installation,
                    event["properties"],
                    at=at,
                    delay=plan.delay,
                    uid=event["uuid"],
                )
            )
        active.append(
            Active(
                id=installation,
                day_ago=plan.days_ago,
                event="client.init" if plan.cls == "MemoryClient" else "mem0.init",
                sender="posthog-python" if plan.native else "mem0-telemetry",
                ci=bool(plan.settings.get("CI")),
                ephemeral=plan.unreadable,
                shown=NATIVE if plan.native else OURS,
            )
        )
    assert len({each.id for each in active}) == len(active), "each run is to have an id of its own"
    return rows, active


def fleets(rows: Sequence[Row]) -> tuple[list[Row], list[Active]]:
    """Return `mem0.init` events of the fleets, copied from a real one, and the active installations."""
    template = next(row["properties"] for row in rows if row["event"] == "mem0.init")
    found, active = [], []
    for number, fleet in enumerate(FLEETS):
        for member in range(fleet.size):
            identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"fleet {number} {member}"))
            for weeks in fleet.weeks_ago:
                at = NOW - timedelta(weeks=weeks)
                found.append(row("mem0.init", identifier, {**template, **fleet.properties()}, at=at))
                active.append(Active(id=identifier, day_ago=7 * weeks, shown=fleet.shown()))
    return found, active


def foreign() -> tuple[list[Row], list[Active]]:
    """Return events that others may send to the same project: none is as the registry declares it."""
    at = NOW - timedelta(days=FOREIGN_DAYS_AGO)
    sender = {"$lib": "posthog-node"}
    rows = [
        row("mem0.init", "somebody", sender, at=at),
        row("checkout", "somebody", {**sender, "sample_rate": 0.001}, at=at),
        row(
            "mem0.search",
            "somebody",
            {**sender, "limit": "many", "explain": "perhaps", "keys": "user_id"},
            at=at,
        ),
        row("mem0.reset", "somebody", {"$lib": _LIB, "mem0.telemetry.dropped.expired": "three"}, at=at),
        *(row("mem0.get", "somebody", {**sender, "sample_rate": rate}, at=at) for rate in NO_RATES),
    ]
    return rows, [Active(id="somebody", day_ago=FOREIGN_DAYS_AGO, sender="other", shown=MISSING)]


_LIB = "opentelemetry-exporter-posthog"


def plant_losses(rows: Sequence[Row]) -> None:
    """Make events of the first installation report losses; a repeated event reports the same as the original."""
    uids = list(dict.fromkeys(row["uuid"] for row in rows if row["distinct_id"] == rows[0]["distinct_id"]))
    for uid, (reason, lost) in zip(uids, LOSSES.items(), strict=False):
        for each in rows:
            if each["uuid"] == uid:
                each["properties"][f"mem0.telemetry.dropped.{reason}"] = lost
