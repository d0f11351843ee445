"""Every attribute that a call may carry. With `added_attributes` the only place where a key is written."""

from __future__ import annotations

from mem0_telemetry.policy.registry import components
from mem0_telemetry.policy.registry.model import CONDITIONALLY_REQUIRED, REQUIRED, Attribute
from mem0_telemetry.policy.registry.types import BOOL, ClassPath, Enum, EnumSet, OneOf, Rate, UpTo

_API_VERSIONS = Enum("v1", "v1.0", "v1.1", "v2", "v3")
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
    mem0_name="function",
    type=ClassPath(versioned=components.MEMORIES, versions=_API_VERSIONS, plain=components.CLIENTS),
    brief="The class of Mem0 that was used, with its API version; a subclass of the application is `custom`.",
    level=REQUIRED,
)
SYNC_TYPE = Attribute(
    "mem0.sync_type",
    mem0_name="sync_type",
    type=Enum("sync", "async"),
    brief="Whether the synchronous or the asynchronous class was used.",
)
VECTOR_STORE = Attribute(
    "mem0.vector_store.class",
    mem0_name="vector_store",
    type=Enum(*components.VECTOR_STORES, other="custom"),
    brief="The class of the vector store.",
)
GRAPH_STORE = Attribute(
    "mem0.graph_store.class",
    mem0_name="graph_store",
    type=Enum(*components.GRAPH_STORES, other="custom"),
    brief="The class of the graph store, where one is configured; mem0ai 1.x only.",
    level=CONDITIONALLY_REQUIRED,
)
LLM = Attribute(
    "mem0.llm.class",
    mem0_name="llm",
    type=Enum(*components.LLMS, other="custom"),
    brief="The class that talks to the language model; never the model's name.",
)
EMBEDDING_MODEL = Attribute(
    "mem0.embedding_model.class",
    mem0_name="embedding_model",
    type=Enum(*components.EMBEDDING_MODELS, other="custom"),
    brief="The class that makes the embeddings; never the model's name.",
)
VECTOR_SIZE = Attribute(
    "mem0.embedding_model.dimensions",
    mem0_name="vector_size",
    type=OneOf(128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096),
    brief="The configured number of dimensions of an embedding, where it is a common one.",
)
HISTORY_STORE = Attribute(
    "mem0.history_store.type",
    mem0_name="history_store",
    type=Enum("sqlite"),
    brief="The kind of store that keeps the history.",
)
SAMPLE_RATE = Attribute(
    "mem0.sample_rate",
    mem0_name="sample_rate",
    type=Rate(decimals=6),
    brief="The share of such events that is kept: each one stands for 1 / `sample_rate` calls.",
    level=CONDITIONALLY_REQUIRED,
    since="mem0ai 2.0.0",
)

# --- which parameters of a call were used

KEYS = Attribute(
    "mem0.parameters",
    mem0_name="keys",
    type=EnumSet(
        *_ENTITIES,
        *_FILTERS,
        *_OF_ADD,
        *_OF_HOSTED_ADD,
        *_OF_SEARCH,
        *_OF_LISTS,
        *_OF_OTHERS,
        *_PROJECT_SETTINGS,
    ),
    brief="The names of the parameters and filters that were given; never a value or a name of the caller's.",
)
API_VERSION = Attribute(
    "mem0.api.version",
    mem0_name="version",
    type=_API_VERSIONS,
    brief="The API version that is configured.",
)
CLIENT_API_VERSION = Attribute(
    "mem0.client.api.version",
    mem0_name="api_version",
    type=_API_VERSIONS,
    brief="The API version that the hosted client called; mem0ai 1.x only.",
)
LIMIT = Attribute(
    "mem0.limit",
    mem0_name="limit",
    type=UpTo(1, 5, 10, 20, 50, 100, 1000),
    brief="How many memories were asked for at most: an upper bound.",
)
THRESHOLD = Attribute(
    "mem0.threshold",
    mem0_name="threshold",
    type=Rate(decimals=1),
    brief="The lowest similarity that was asked for, roughly.",
)
EXPLAIN = Attribute(
    "mem0.explain",
    mem0_name="explain",
    type=BOOL,
    brief="Whether an explanation of the ranking was asked for.",
    since="mem0ai 2.0.5",
)
ADVANCED_FILTERS = Attribute(
    "mem0.advanced_filters",
    mem0_name="advanced_filters",
    type=BOOL,
    brief="Whether a filter used operators.",
)
DELETE_LINKED = Attribute(
    "mem0.delete_linked",
    mem0_name="delete_linked",
    type=BOOL,
    brief="Whether linked memories were to be deleted too.",
    since="mem0ai 2.0.4",
)
FEEDBACK = Attribute(
    "mem0.feedback",
    mem0_name="feedback",
    type=Enum("POSITIVE", "NEGATIVE", "VERY_NEGATIVE"),
    brief="The verdict of a feedback; never its text.",
)
ROLE = Attribute(
    "mem0.project.role",
    mem0_name="role",
    type=Enum("READER", "OWNER"),
    brief="The role given to a member of a project; never who it is.",
)
FIELDS = Attribute(
    "mem0.project.fields",
    mem0_name="fields",
    type=EnumSet("name", "description", *_PROJECT_SETTINGS),
    brief="The settings of a project that were asked for, by name.",
)
MULTILINGUAL = Attribute(
    "mem0.project.multilingual",
    mem0_name="multilingual",
    type=BOOL,
    brief="Whether memories are to be kept in the language of the input.",
    since="mem0ai 1.0.11",
)
DECAY = Attribute(
    "mem0.project.decay",
    mem0_name="decay",
    type=BOOL,
    brief="Whether memories are to fade with time.",
    since="mem0ai 2.0.2",
)
ENABLE_GRAPH = Attribute(
    "mem0.project.enable_graph",
    mem0_name="enable_graph",
    type=BOOL,
    brief="Whether the project's graph memory is to be used; mem0ai 1.x only.",
)
