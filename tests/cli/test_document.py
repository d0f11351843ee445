"""`TELEMETRY.md` and `events` are generated from the registry, and complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mem0_telemetry.cli import document, main
from mem0_telemetry.policy.registry import EVENTS, added_attributes
from mem0_telemetry.policy.registry.deviations import CHANGED, NOT_SENT

if TYPE_CHECKING:
    import pytest

TELEMETRY_MD = Path(__file__).parents[2] / "TELEMETRY.md"


def test_the_document_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`TELEMETRY.md` equals the output of `events --markdown`."""
    assert main(["events", "--markdown"]) == 0
    assert TELEMETRY_MD.read_text(encoding="utf-8") == capsys.readouterr().out


def test_the_document_opens_with_what_is_sent_and_how_to_stop_it() -> None:
    """The page begins with what is sent, to whom, under which id, how to see it and how to stop it."""
    opening = document.page().partition("## Events")[0]
    answers = re.findall(r"^\*\*(.+?)\.\*\*", opening, flags=re.MULTILINE)
    assert answers == ["What", "To whom", "Under which id", "See it", "Stop it"]
    for word in (
        "PostHog, Inc.",
        "United States",
        "How long it is kept there is up to them",
        "pseudonymous",
        "mem0-telemetry show",
        "mem0-telemetry disable",
        "MEM0_TELEMETRY=False",
    ):
        assert word in opening


def test_the_document_has_everything() -> None:
    """The page has each event, attribute, declared value and deviation."""
    text = document.page()
    for event in EVENTS:
        assert f"`{event.posthog_name}`" in text
        for attribute in event.attributes:
            assert f"`{attribute.key}`" in text
            for value in getattr(attribute.type, "values", ()):
                assert f"`{value}`" in text
    for attribute in (*added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE):
        assert f"| `{attribute.key}` |" in text
    for name in (name for given in NOT_SENT for name in given.properties):
        assert f"`{name}`" in text
    for given in NOT_SENT:
        assert f"{given.what}" in text
        assert given.cost in text
    for name, how in CHANGED.items():
        assert f"| `{name}` | {how} |" in text


def test_the_data_is_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    """`events --json` prints the whole registry for other tools."""
    assert main(["events", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [event["name"] for event in data["events"]] == [event.name for event in EVENTS]
    keys = {attribute["key"] for attribute in data["attributes"]}
    assert {key for event in data["events"] for key in event["attributes"]} == keys
    assert "app.installation.id" in {attribute["key"] for attribute in data["record_attributes"]}
    assert "os.type" in {attribute["key"] for attribute in data["resource_attributes"]}


def test_the_list_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """`events` alone lists every name in 80 columns."""
    assert main(["events"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    for event in EVENTS:
        assert any(line.split()[:1] == [event.posthog_name] for line in lines)
