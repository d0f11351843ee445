"""What the documents name exists, and what exists is named."""

from __future__ import annotations

import re

from reader import README, ROOT, every_block

from mem0_telemetry import environment_variables
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes
from opentelemetry.exporter.posthog import environment_variables as exporter_variables

NOT_FOR_USERS = {environment_variables.PYTEST_VERSION, environment_variables.PYTEST_CURRENT_TEST}
EXPORTER_README = ROOT / "exporters" / "opentelemetry-exporter-posthog" / "README.md"


def test_every_variable_is_in_the_readme() -> None:
    """The README's table of variables has a row for each one that a user may set, and no other."""
    declared = {
        value
        for name, value in vars(environment_variables).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    section = README.read_text().partition("## Environment\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(declared - NOT_FOR_USERS)
    of_exporter = EXPORTER_README.read_text()
    assert all(f"`{name}`" in of_exporter for name in exporter_variables.__all__)


def test_queries_ask_for_what_is_sent() -> None:
    """Each event and property in the queries of docs/dashboards.md is one that PostHog receives."""
    queries = [b.text for b in every_block(ROOT / "docs" / "dashboards.md") if b.language == "sql"]
    assert queries
    asked = {
        name.strip("`") for query in queries for name in re.findall(r"properties\.(`[^`]+`|[$\w]+)", query)
    }
    attributes = {a for event in registry.EVENTS for a in event.attributes}
    sent = {
        a.posthog_name
        for a in (*attributes, *added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE)
    }
    assert asked - {"$lib"} <= sent
    events = {name for query in queries for name in re.findall(r"'(mem0\.\w+)'", query)}
    assert events <= set(registry.posthog_event_names().values())
