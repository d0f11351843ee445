"""Observed values of a call as Mem0 passes them, and the look-up of an event by Mem0's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mem0_telemetry.policy.registry import event_by_mem0_name

if TYPE_CHECKING:
    from mem0_telemetry.policy.registry import Event


SEARCH_AS_MEM0_HAS_IT = {
    "collection": "mem0",
    "vector_size": 1536,
    "history_store": "sqlite",
    "vector_store": "mem0.vector_stores.qdrant.Qdrant",
    "llm": "mem0.llms.openai.OpenAILLM",
    "embedding_model": "mem0.embeddings.openai.OpenAIEmbedding",
    "function": "mem0.memory.main.Memory.v1.1",
    "limit": 20,
    "version": "v1.1",
    "keys": ["user_id", "agent_id"],
    "encoded_ids": {"user_id": "5f4dcc3b5aa765d61d8327deb882cf99"},
    "sync_type": "sync",
    "threshold": 0.1,
    "explain": False,
    "advanced_filters": False,
    "sample_rate": 0.1,
}


def event(mem0_name: str) -> Event:
    """Return the event with this name in Mem0."""
    found = event_by_mem0_name(mem0_name)
    assert found is not None
    return found
