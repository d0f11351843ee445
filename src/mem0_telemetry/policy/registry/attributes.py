# SPDX-License-Identifier: Apache-2.0
"""Every attribute that a call may carry. Only this module and `added_attributes` define keys of usage events."""

from __future__ import annotations

from mem0_telemetry.policy.registry import components
from mem0_telemetry.policy.registry.model import Attribute
from mem0_telemetry.policy.registry.types import BOOL, class_path, enum, enum_set, one_of, rate, up_to

_API_VERSIONS = enum("v1", "v1.0", "v1.1", "v2", "v3")
_ENTITIES = ("user_id", "agent_id", "app_id", "run_id", "actor_id")
_FILTERS = ("AND", "OR", "NOT", "$or", "$not", "filters")
_OF_ADD = ("metadata", "infer", "immutable", "includes", "excludes", "timestamp", "expiration_date")
_OF_HOSTED_ADD = (
    "structured_data_schema",
    "async_mode",
    "output_format",
    "api_version",
    "org_id",
    "project_id",
)
_OF_SEARCH = ("text", "fields", "categories", "keyword_search", "rerank", "threshold", "top_k", "limit")
_OF_LISTS = ("page", "page_size", "start_date", "end_date", "reference_date", "latest_only", "show_expired")
_OF_OTHERS = ("enabled", "entities", "schema", "feedback_reason", "name", "description")
_PROJECT_SETTINGS = (
    "custom_instructions",
    "agent_custom_instructions",
    "custom_categories",
    "retrieval_criteria",
    "enable_graph",
    "version",
    "inclusion_prompt",
    "exclusion_prompt",
    "memory_depth",
    "usecase_setting",
    "multilingual",
    "decay",
)

# --- which part of Mem0 was used, and how it is configured; several objects of one process may differ

FUNCTION = Attribute(
    "mem0.function",
    class_path(versioned=components.MEMORIES, versions=_API_VERSIONS, plain=components.CLIENTS),
    "The class of Mem0 that was used, with its API version; a subclass of the application is `custom`.",
    mem0_name="function",
    level="required",
)
SYNC_TYPE = Attribute(
    "mem0.sync_type",
    enum("sync", "async"),
    "Whether the synchronous or the asynchronous class was used.",
    mem0_name="sync_type",
)
VECTOR_STORE = Attribute(
    "mem0.vector_store.class",
    enum(*components.VECTOR_STORES, other="custom"),
    "The class of the vector store.",
    mem0_name="vector_store",
)
GRAPH_STORE = Attribute(
    "mem0.graph_store.class",
    enum(*components.GRAPH_STORES, other="custom"),
    "The class of the graph store, where one is configured; mem0ai 1.x only.",
    mem0_name="graph_store",
    level="conditionally_required",
)
LLM = Attribute(
    "mem0.llm.class",
    enum(*components.LLMS, other="custom"),
    "The class that talks to the language model; never the model's name.",
    mem0_name="llm",
)
EMBEDDING_MODEL = Attribute(
    "mem0.embedding_model.class",
    enum(*components.EMBEDDING_MODELS, other="custom"),
    "The class that makes the embeddings; never the model's name.",
    mem0_name="embedding_model",
)
VECTOR_SIZE = Attribute(
    "mem0.embedding_model.dimensions",
    one_of(128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096),
    "The configured number of dimensions of an embedding, where it is a common one.",
    mem0_name="vector_size",
)
HISTORY_STORE = Attribute(
    "mem0.history_store.type",
    enum("sqlite"),
    "The kind of store that keeps the history.",
    mem0_name="history_store",
)
SAMPLE_RATE = Attribute(
    "mem0.sample_rate",
    rate(decimals=6),
    "The share of such events that is kept: each one stands for 1 / `sample_rate` calls.",
    mem0_name="sample_rate",
    level="conditionally_required",
    since="mem0ai 2.0.0",
)

# --- which parameters of a call were used

KEYS = Attribute(
    "mem0.parameters",
    enum_set(
        *_ENTITIES,
        *_FILTERS,
        *_OF_ADD,
        *_OF_HOSTED_ADD,
        *_OF_SEARCH,
        *_OF_LISTS,
        *_OF_OTHERS,
        *_PROJECT_SETTINGS,
    ),
    "The names of the parameters and filters that were given; never a value or a name of the caller's.",
    mem0_name="keys",
)
API_VERSION = Attribute(
    "mem0.api.version", _API_VERSIONS, "The API version that is configured.", mem0_name="version"
)
CLIENT_API_VERSION = Attribute(
    "mem0.client.api.version",
    _API_VERSIONS,
    "The API version that the hosted client called; mem0ai 1.x only.",
    mem0_name="api_version",
)
LIMIT = Attribute(
    "mem0.limit",
    up_to(1, 5, 10, 20, 50, 100, 1000),
    "How many memories were asked for at most: an upper bound.",
    mem0_name="limit",
)
THRESHOLD = Attribute(
    "mem0.threshold",
    rate(decimals=1),
    "The lowest similarity that was asked for, roughly.",
    mem0_name="threshold",
)
EXPLAIN = Attribute(
    "mem0.explain",
    BOOL,
    "Whether an explanation of the ranking was asked for.",
    mem0_name="explain",
    since="mem0ai 2.0.5",
)
ADVANCED_FILTERS = Attribute(
    "mem0.advanced_filters", BOOL, "Whether a filter used operators.", mem0_name="advanced_filters"
)
DELETE_LINKED = Attribute(
    "mem0.delete_linked",
    BOOL,
    "Whether linked memories were to be deleted too.",
    mem0_name="delete_linked",
    since="mem0ai 2.0.4",
)
FEEDBACK = Attribute(
    "mem0.feedback",
    enum("POSITIVE", "NEGATIVE", "VERY_NEGATIVE"),
    "The verdict of a feedback; never its text.",
    mem0_name="feedback",
)
ROLE = Attribute(
    "mem0.project.role",
    enum("READER", "OWNER"),
    "The role given to a member of a project; never who it is.",
    mem0_name="role",
)
FIELDS = Attribute(
    "mem0.project.fields",
    enum_set("name", "description", *_PROJECT_SETTINGS),
    "The settings of a project that were asked for, by name.",
    mem0_name="fields",
)
MULTILINGUAL = Attribute(
    "mem0.project.multilingual",
    BOOL,
    "Whether memories are to be kept in the language of the input.",
    mem0_name="multilingual",
    since="mem0ai 1.0.11",
)
DECAY = Attribute(
    "mem0.project.decay",
    BOOL,
    "Whether memories are to fade with time.",
    mem0_name="decay",
    since="mem0ai 2.0.2",
)
ENABLE_GRAPH = Attribute(
    "mem0.project.enable_graph",
    BOOL,
    "Whether the project's graph memory is to be used; mem0ai 1.x only.",
    mem0_name="enable_graph",
)
