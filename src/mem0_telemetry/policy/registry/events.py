"""Every event that `Memory`, `AsyncMemory` and Mem0's chat proxy may send; see also `hosted_events`."""

from __future__ import annotations

from mem0_telemetry.policy.registry import attributes as a
from mem0_telemetry.policy.registry.model import Event

_HOT = 0.1
"""Mem0's own default for the events of a call that applications make often."""

_COMPONENTS = (
    a.FUNCTION,
    a.SAMPLE_RATE,
    a.VECTOR_STORE,
    a.GRAPH_STORE,
    a.LLM,
    a.EMBEDDING_MODEL,
    a.VECTOR_SIZE,
    a.HISTORY_STORE,
)
_MEMORY = (*_COMPONENTS, a.SYNC_TYPE)

EVENTS = (
    Event(
        "mem0.init",
        "mem0.init",
        brief="A `Memory` was built.",
        question="How many installations use Mem0, with which components and on which platforms?",
        attributes=_MEMORY,
    ),
    Event(
        "mem0.reset",
        "mem0.reset",
        brief="All memories were erased.",
        question="How often does somebody start over?",
        attributes=_MEMORY,
    ),
    Event(
        "mem0.create_procedural_memory",
        "mem0._create_procedural_memory",
        brief="A procedural memory was made.",
        question="Is procedural memory used?",
        attributes=_MEMORY,
    ),
    Event(
        "mem0.add",
        "mem0.add",
        brief="Memories were extracted from messages.",
        question="How much is written, and scoped by what?",
        attributes=(*_MEMORY, a.API_VERSION, a.KEYS),
        sample_rate=_HOT,
    ),
    Event(
        "mem0.search",
        "mem0.search",
        brief="Memories were searched.",
        question="How much is read, and which features of search are used?",
        attributes=(
            *_MEMORY,
            a.API_VERSION,
            a.KEYS,
            a.LIMIT,
            a.THRESHOLD,
            a.EXPLAIN,
            a.ADVANCED_FILTERS,
        ),
        sample_rate=_HOT,
    ),
    Event(
        "mem0.get",
        "mem0.get",
        brief="A memory was read by its id.",
        question="How often is a single memory read?",
        attributes=_MEMORY,
        sample_rate=_HOT,
    ),
    Event(
        "mem0.get_all",
        "mem0.get_all",
        brief="Memories were listed.",
        question="How often are memories listed, and how many at once?",
        attributes=(*_MEMORY, a.KEYS, a.LIMIT),
        sample_rate=_HOT,
    ),
    Event(
        "mem0.update",
        "mem0.update",
        brief="A memory was changed.",
        question="How often is a memory changed by hand?",
        attributes=_MEMORY,
        sample_rate=_HOT,
    ),
    Event(
        "mem0.delete",
        "mem0.delete",
        brief="A memory was deleted.",
        question="How often is a memory deleted by hand?",
        attributes=_MEMORY,
        sample_rate=_HOT,
    ),
    Event(
        "mem0.delete_all",
        "mem0.delete_all",
        brief="Memories were deleted together.",
        question="How often are memories deleted together, and scoped by what?",
        attributes=(*_MEMORY, a.KEYS),
        sample_rate=_HOT,
    ),
    Event(
        "mem0.history",
        "mem0.history",
        brief="The history of a memory was read.",
        question="Is the history used?",
        attributes=_MEMORY,
        sample_rate=_HOT,
    ),
    Event(
        "mem0.chat.create",
        "mem0.chat.create",
        brief="A chat went through Mem0's proxy.",
        question="Is the chat proxy used?",
        attributes=_COMPONENTS,
        sample_rate=_HOT,
    ),
)
