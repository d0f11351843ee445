"""Run one session with Mem0's own telemetry and with ours: ours sends the same data, or lists it as not sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from mem0_telemetry.cli.harness.planted import new_texts
from mem0_telemetry.policy.registry import EVENTS, added_attributes
from mem0_telemetry.policy.registry.deviations import CHANGED, NOT_SENT
from opentelemetry.exporter.posthog.testing import CaptureServer
from support.processes import posthog_environ, run_python

SESSION = """
import asyncio, json, os, sys
from pathlib import Path
NATIVE, URL, PLATFORM, TEXTS = {native!r}, {url!r}, {platform!r}, json.loads({texts!r})
if NATIVE:
    import posthog
    build = posthog.Posthog.__init__
    def redirected(self, *arguments, **named):
        build(self, *arguments, **{{**named, "host": URL}})
    posthog.Posthog.__init__ = redirected
else:
    import mem0_telemetry
    mem0_telemetry.instrument()
from mem0_telemetry.cli.harness.use import use_mem0
asyncio.run(use_mem0(TEXTS, directory=Path(os.environ["HOME"], "stores"), platform_url=PLATFORM, thoroughly=True))
if not NATIVE:
    assert mem0_telemetry.flush(60)
"""


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Return the events that PostHog received from one session, by `native` and `ours`."""
    texts = json.dumps(new_texts())
    received = {}
    for name in ("native", "ours"):
        home = tmp_path_factory.mktemp(name)
        with CaptureServer() as server, FakePlatform() as platform:
            code = SESSION.format(native=name == "native", url=server.url, platform=platform.url, texts=texts)
            environ = posthog_environ(home, server.url, MEM0_DIR=str(home / ".mem0"))
            result = run_python(code, environ, timeout=180, listening=name == "ours")
            assert result.returncode == 0, result.stderr
            received[name] = [
                event for event in server.events if isinstance(event, dict) and "event" in event
            ]
    return received


def by_name(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the events by name, oldest first."""
    names: dict[str, list[dict[str, Any]]] = {}
    for event in sorted(events, key=lambda event: str(event["timestamp"])):
        names.setdefault(event["event"], []).append(event)
    return names


WHOLE_EVENTS = {"$identify", "mem0.notice_displayed", "$feature_flag_called"}
LISTED = {name for given in NOT_SENT for name in given.properties} | set(CHANGED)
TYPES = {
    (event.posthog_name, attribute.posthog_name): attribute.type
    for event in EVENTS
    for attribute in (*event.attributes, *added_attributes.OF_THE_RESOURCE)
}


def test_every_event_is_sent_or_listed(sessions: dict[str, list[dict[str, Any]]]) -> None:
    """We send each event of Mem0 equally often, except those listed as not sent."""
    native, ours = by_name(sessions["native"]), by_name(sessions["ours"])
    assert len(native) > 30
    counts = {name: len(events) for name, events in native.items() if name not in WHOLE_EVENTS}
    assert counts == {name: len(events) for name, events in ours.items()}
    assert set(native) & WHOLE_EVENTS <= LISTED


KEPT = {
    "client_source",
    "client_version",
    "os",
    "function",
    "sync_type",
    "vector_store",
    "history_store",
    "sample_rate",
    "version",
    "keys",
    "limit",
    "explain",
    "advanced_filters",
    "delete_linked",
    "feedback",
    "role",
}
"""Properties that keep their value for a user of Mem0's own classes and parameters."""


def test_every_property_is_sent_or_listed(sessions: dict[str, list[dict[str, Any]]]) -> None:
    """Each property of Mem0 keeps its name and value, or is listed. A value that its type declares always stays."""
    native, ours = by_name(sessions["native"]), by_name(sessions["ours"])
    unlisted, changed, kept = set(), set(), set()
    for name, events in ours.items():
        for theirs, here in zip(native[name], events, strict=True):
            for key, value in theirs["properties"].items():
                sent = here["properties"].get(key)
                if sent == value is not None:
                    kept.add(key)
                if sent != value and key not in LISTED:
                    unlisted.add((name, key))
                kind = TYPES.get((name, key))
                selected = kind.select(value) if kind is not None else None
                if (
                    list(selected) if isinstance(selected, tuple) else selected
                ) == value != sent and value is not None:
                    changed.add((name, key, value, sent))
    assert unlisted == set()
    assert changed == set()
    assert kept >= KEPT


def test_nothing_of_the_accounts_is_sent(sessions: dict[str, list[dict[str, Any]]]) -> None:
    """Mem0 sends hosted events under the account's e-mail, we under a random id and without any listed property."""
    assert len({event["distinct_id"] for event in sessions["native"]}) > 1
    assert len({event["distinct_id"] for event in sessions["ours"]}) <= 2  # a new id once an account shows
    never = {name for given in NOT_SENT for name in given.properties}
    names = {name for event in sessions["ours"] for name in event["properties"]}
    assert names & never == set()
