# SPDX-License-Identifier: Apache-2.0
"""Every event that may be sent: those of `Memory`, `AsyncMemory` and the chat proxy, and of the hosted clients."""

from __future__ import annotations

from mem0_telemetry.policy.registry import attributes as a
from mem0_telemetry.policy.registry.model import Attribute, Event

_HOT = 0.1
"""Mem0's own default sample rate for the events of calls that applications make often."""

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
_HOSTED = (a.FUNCTION, a.SYNC_TYPE)
_SEARCH = (a.API_VERSION, a.KEYS, a.LIMIT, a.THRESHOLD, a.EXPLAIN, a.ADVANCED_FILTERS)

PROJECT_TEXTS = (
    "custom_instructions",
    "agent_custom_instructions",
    "custom_categories",
    "retrieval_criteria",
    "inclusion_prompt",
    "exclusion_prompt",
    "memory_depth",
    "usecase_setting",
)
"""The settings of a project that contain the user's text: only their names are sent."""


def _memory(call: str, brief: str, question: str, *own: Attribute, sample_rate: float = 1.0) -> Event:
    name = f"mem0.{call}"
    return Event(name, name, brief, question, (*_MEMORY, *own), sample_rate=sample_rate)


def _hot(call: str, brief: str, question: str, *own: Attribute) -> Event:
    return _memory(call, brief, question, *own, sample_rate=_HOT)


def _hosted(
    call: str,
    brief: str,
    question: str,
    *own: Attribute,
    names_only: tuple[str, ...] = (),
    since: str = "mem0ai 1.0.0",
) -> Event:
    return Event(
        f"mem0.client.{call}",
        f"client.{call}",
        brief,
        question,
        (*_HOSTED, *own),
        names_only=names_only,
        since=since,
    )


OF_MEMORY = (
    _memory(
        "init",
        "A `Memory` was built.",
        "How many installations use Mem0, with which components and on which platforms?",
    ),
    _memory("reset", "All memories were erased.", "How often does somebody start over?"),
    Event(
        "mem0.create_procedural_memory",
        "mem0._create_procedural_memory",
        "A procedural memory was made.",
        "Is procedural memory used?",
        _MEMORY,
    ),
    _hot(
        "add",
        "Memories were extracted from messages.",
        "How much is written, and scoped by what?",
        a.API_VERSION,
        a.KEYS,
    ),
    _hot(
        "search",
        "Memories were searched.",
        "How much is read, and which features of search are used?",
        *_SEARCH,
    ),
    _hot("get", "A memory was read by its id.", "How often is a single memory read?"),
    _hot(
        "get_all",
        "Memories were listed.",
        "How often are memories listed, and how many at once?",
        a.KEYS,
        a.LIMIT,
    ),
    _hot("update", "A memory was changed.", "How often is a memory changed by hand?"),
    _hot("delete", "A memory was deleted.", "How often is a memory deleted by hand?"),
    _hot(
        "delete_all",
        "Memories were deleted together.",
        "How often are memories deleted together, and scoped by what?",
        a.KEYS,
    ),
    _hot("history", "The history of a memory was read.", "Is the history used?"),
    Event(
        "mem0.chat.create",
        "mem0.chat.create",
        "A chat went through Mem0's proxy.",
        "Is the chat proxy used?",
        _COMPONENTS,
        sample_rate=_HOT,
    ),
)
"""The events of `Memory`, `AsyncMemory` and the chat proxy."""

OF_HOSTED_CLIENTS = (
    _hosted("init", "A client was built.", "How many installations use the hosted service?"),
    _hosted("add", "Messages were added.", "How much is written, and with which options?", a.KEYS),
    _hosted("get", "A memory was read by its id.", "How often is a single memory read?"),
    _hosted(
        "get_all",
        "Memories were listed.",
        "How often are memories listed, and with which options?",
        a.KEYS,
        a.CLIENT_API_VERSION,
    ),
    _hosted(
        "search", "Memories were searched.", "Which options of search are used?", a.KEYS, a.CLIENT_API_VERSION
    ),
    _hosted("update", "A memory was changed.", "How often is a memory changed by hand?"),
    _hosted("delete", "A memory was deleted.", "How often is a memory deleted by hand?", a.DELETE_LINKED),
    _hosted("delete_all", "Memories were deleted together.", "Scoped by what is deletion used?", a.KEYS),
    _hosted("history", "The history of a memory was read.", "Is the history used?"),
    _hosted("batch_update", "Memories were changed together.", "Are batches used to change?"),
    _hosted("batch_delete", "A list of memories was deleted.", "Are batches used to delete?"),
    _hosted("reset", "All data of the project was erased.", "How often does somebody start over?"),
    _hosted("users", "The entities with memories were listed.", "Are entities listed?"),
    _hosted(
        "delete_users",
        "Entities were deleted with their memories.",
        "Which kinds of entity are deleted?",
        a.KEYS,
        names_only=("user_id", "agent_id", "app_id", "run_id"),
    ),
    _hosted(
        "feedback",
        "A verdict on a memory was given.",
        "Are memories good?",
        a.FEEDBACK,
        a.KEYS,
        names_only=("feedback_reason",),
    ),
    _hosted("get_summary", "A summary was asked for.", "Are summaries used?"),
    _hosted("create_memory_export", "An export was started.", "Are exports used?", a.KEYS),
    _hosted("get_memory_export", "An export was fetched.", "Are exports used?", a.KEYS),
    _hosted("get_webhook", "Webhooks were listed.", "Are webhooks used?"),
    _hosted("create_webhook", "A webhook was made.", "Are webhooks used?"),
    _hosted("update_webhook", "A webhook was changed.", "Are webhooks used?"),
    _hosted("delete_webhook", "A webhook was deleted.", "Are webhooks used?"),
    _hosted("get_profile", "A profile was read.", "Are profiles used?", since="mem0ai 2.2.0"),
    _hosted("generate_profile", "A profile was made.", "Are profiles used?", since="mem0ai 2.2.0"),
    _hosted(
        "sample_profiles",
        "Sample profiles were made.",
        "Are schemas of profiles tried?",
        since="mem0ai 2.2.0",
    ),
    _hosted(
        "get_profile_settings", "The settings were read.", "Are profiles configured?", since="mem0ai 2.2.0"
    ),
    _hosted(
        "update_profile_settings",
        "The settings of profiles were changed.",
        "Which settings of profiles are used?",
        a.KEYS,
        since="mem0ai 2.2.0",
    ),
    _hosted("get_project", "A project was read.", "Which settings are read?", a.FIELDS),
    _hosted("get_project_details", "A project was read.", "Which settings are read?", a.FIELDS),
    _hosted(
        "update_project",
        "A project was changed by the deprecated method.",
        "Which settings are used, and is the deprecated method still needed?",
        a.KEYS,
        a.MULTILINGUAL,
        a.ENABLE_GRAPH,
        a.API_VERSION,
        names_only=PROJECT_TEXTS,
    ),
    _hosted("project.get", "A project was read.", "Which settings are read?", a.FIELDS),
    _hosted(
        "project.create",
        "A project was made.",
        "Are projects used, and described?",
        a.KEYS,
        names_only=("name", "description"),
    ),
    _hosted(
        "project.update",
        "A project was changed.",
        "Which settings are used?",
        a.KEYS,
        a.MULTILINGUAL,
        a.DECAY,
        a.ENABLE_GRAPH,
        names_only=PROJECT_TEXTS,
    ),
    _hosted("project.delete", "A project was deleted.", "Are projects given up?"),
    _hosted("project.get_members", "The members of a project were listed.", "Are projects shared?"),
    _hosted("project.add_member", "A member was added.", "Are projects shared?", a.ROLE),
    _hosted("project.update_member", "The role of a member was changed.", "Are roles used?", a.ROLE),
    _hosted("project.remove_member", "A member was removed.", "Are projects shared?"),
)
"""The events of the clients of Mem0's hosted service. None of them is sampled, as in Mem0."""

EVENTS = (*OF_MEMORY, *OF_HOSTED_CLIENTS)
"""Every event that may be sent."""
