"""Tests of selection: only declared values pass, and only as their closed types allow."""

from typing import Any

import pytest

from mem0_telemetry.policy.registry import (
    added_attributes,
    posthog_event_names,
    posthog_property_names,
    select,
)
from support.observed_values import SEARCH_AS_MEM0_HAS_IT, event


def selected(mem0_name: str, **observed: Any) -> dict[str, Any]:
    """Return the selected values, by PostHog's property names."""
    names = posthog_property_names()
    return {names[key]: value for key, value in select(event(mem0_name), observed).items()}


def test_a_search_keeps_mem0s_names_and_values() -> None:
    """The properties that Mem0 sends for a search keep their names and values, except those never sent."""
    never_sent = {"collection", "encoded_ids"}
    expected = {name: value for name, value in SEARCH_AS_MEM0_HAS_IT.items() if name not in never_sent}
    assert selected("mem0.search", **SEARCH_AS_MEM0_HAS_IT) == {**expected, "keys": ("user_id", "agent_id")}


def test_a_search_has_opentelemetrys_keys() -> None:
    """The record of a search has OpenTelemetry's namespaced keys, and no empty value."""
    assert select(event("mem0.search"), SEARCH_AS_MEM0_HAS_IT) == {
        "mem0.function": "mem0.memory.main.Memory.v1.1",
        "mem0.sample_rate": 0.1,
        "mem0.vector_store.class": "mem0.vector_stores.qdrant.Qdrant",
        "mem0.llm.class": "mem0.llms.openai.OpenAILLM",
        "mem0.embedding_model.class": "mem0.embeddings.openai.OpenAIEmbedding",
        "mem0.embedding_model.dimensions": 1536,
        "mem0.history_store.type": "sqlite",
        "mem0.sync_type": "sync",
        "mem0.api.version": "v1.1",
        "mem0.parameters": ("user_id", "agent_id"),
        "mem0.limit": 20,
        "mem0.threshold": 0.1,
        "mem0.explain": False,
        "mem0.advanced_filters": False,
    }


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        ("vector_store", "acme.stores.Secret", "custom"),
        ("vector_store", "mem0.vector_stores.qdrant.Qdrant2", "custom"),
        ("vector_store", "x" * 10_000_000, "custom"),
        ("llm", 7, None),
        ("llm", None, None),
        ("graph_store", "mem0.memory.kuzu_memory.MemoryGraph", "mem0.memory.kuzu_memory.MemoryGraph"),
        ("function", "mem0.memory.main.AsyncMemory.v1.0", "mem0.memory.main.AsyncMemory.v1.0"),
        ("function", "mem0.memory.main.Memory.acme-secret", "mem0.memory.main.Memory.other"),
        ("function", "mem0.memory.main.MemoryX.v1.1", "custom"),
        ("function", "acme.Memory.v1.1", "custom"),
        ("function", "y" * 10_000_000, "custom"),
        ("function", 7, None),
        ("version", "acme", "other"),
        ("sync_type", "async", "async"),
        ("vector_size", 0, None),
        ("vector_size", 10**30, None),
        ("vector_size", True, None),
        ("vector_size", "1536", None),
        ("limit", -1, None),
        ("limit", 0, None),
        ("limit", 1, 1),
        ("limit", 3, 5),
        ("limit", 20, 20),
        ("limit", 21, 50),
        ("limit", 137, 1000),
        ("limit", 5000, 1000),
        ("vector_size", 1536, 1536),
        ("vector_size", 1537, None),
        ("threshold", 0.35, 0.3),
        ("threshold", 0, 0.0),
        ("threshold", 1, 1.0),
        ("threshold", 0.123456789, 0.1),
        ("threshold", 1.5, None),
        ("threshold", float("nan"), None),
        ("threshold", float("inf"), None),
        ("threshold", True, None),
        ("threshold", None, None),
        ("sample_rate", 0.000001, 0.000001),
        ("explain", True, True),
        ("explain", 1, None),
        ("keys", [], None),
        ("keys", (), None),
        ("keys", ["user_id", "user_id"], ("user_id",)),
        ("keys", ["secret", "user_id", "other"], ("user_id", "other")),
        ("keys", ["user_id", 7, None], ("user_id", "other")),
        ("keys", ["user_id"] * 101, ("user_id", "other")),
        ("keys", ["z" * 10_000_000], ("other",)),
        ("keys", {"user_id": 1}, None),
        ("keys", "user_id", None),
    ],
)
def test_a_value_outside_its_type_is_not_selected(name: str, given_value: object, expected: object) -> None:
    """A value outside its type becomes the type's `other` or `custom`, is rounded, or is left out."""
    result = selected("mem0.search", **{name: given_value}).get(name)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.2.1", "2.2.1"),
        ("2.0.0b3", "2.0.0b3"),
        ("2.0.0rc1+acme.corp", "2.0.0rc1"),
        ("2.3.0.dev4", "2.3.0.dev4"),
        ("2.3.0.dev", "2.3.0"),
        ("2.3.0a99999999", "2.3.0"),
        ("1.2.3.4.5", "1.2.3"),
        ("2.2.1-acme", "2.2.1"),
        ("acme", None),
        ("", None),
        (".5", None),
        ("1..2", None),
        ("\u0662.\u0661", None),  # digits, though not ASCII
        ("12345678.1", None),
    ],
)
def test_text_after_a_version_is_cut_off(text: str, version: str | None) -> None:
    """A version keeps its numbers and a pre-release part; the rest, which may be private, is cut off."""
    assert added_attributes.SERVICE_VERSION.type.select(text) == version


def test_the_same_value_is_selected_the_same_way_each_time() -> None:
    """The cache returns the first result again, and does not mix up equal values of different types."""
    for _ in range(2):
        assert selected("mem0.search", threshold=1)["threshold"] == 1.0
        assert "threshold" not in selected("mem0.search", threshold=True)
        assert added_attributes.SERVICE_VERSION.type.select("acme") is None


def test_a_deletion_of_entities_sends_their_kinds_but_not_their_ids() -> None:
    """If Mem0 sends the ids themselves, we send only the names of the given ones, in `keys`."""
    observed = {
        "user_id": "alice@example.com",
        "agent_id": None,
        "app_id": "",
        "run_id": None,
        "sync_type": "sync",
    }
    assert selected("client.delete_users", **observed) == {"sync_type": "sync", "keys": ("user_id", "app_id")}


def test_only_the_names_of_a_projects_texts_are_sent() -> None:
    """For instructions and categories only the names are sent; for switches the values are sent."""
    observed = {
        "custom_instructions": "Remember only the secrets",
        "custom_categories": None,
        "multilingual": True,
        "decay": False,
        "agent_custom_instructions": "x",
        "sync_type": "async",
    }
    assert selected("client.project.update", **observed) == {
        "sync_type": "async",
        "multilingual": True,
        "decay": False,
        "keys": ("custom_instructions", "agent_custom_instructions"),
    }


def test_keys_that_mem0_passes_are_kept() -> None:
    """If Mem0 passes `keys` itself, those names are kept and none are added."""
    observed = {"keys": ["custom_categories"], "custom_instructions": "x"}
    assert selected("client.project.update", **observed) == {"keys": ("custom_categories",)}


def test_a_feedback_is_its_verdict() -> None:
    """The verdict and the fact that a reason was given are sent, but never the reason or the memory's id."""
    observed = {
        "memory_id": "m-1",
        "feedback": "NEGATIVE",
        "feedback_reason": "It knows me",
        "sync_type": "sync",
    }
    assert selected("client.feedback", **observed) == {
        "feedback": "NEGATIVE",
        "keys": ("feedback_reason",),
        "sync_type": "sync",
    }


def test_the_names_that_the_exporter_gets() -> None:
    """In PostHog, events and attributes have Mem0's own names if Mem0 has one."""
    events, properties = posthog_event_names(), posthog_property_names()
    assert events["mem0.create_procedural_memory"] == "mem0._create_procedural_memory"
    assert events["mem0.client.project.add_member"] == "client.project.add_member"
    assert events["mem0.add"] == "mem0.add"
    assert properties["service.version"] == "client_version"
    assert properties["process.runtime.version"] == "python_version"
    assert properties["os.type"] == "os"
    assert "app.installation.id" not in properties
