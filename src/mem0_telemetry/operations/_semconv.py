# SPDX-License-Identifier: Apache-2.0
"""Names from the OpenTelemetry conventions, and a few of our own.

Sources: the memory span `gen_ai.memory.client` and the metric `gen_ai.client.operation.duration` of
open-telemetry/semantic-conventions-genai (model/gen-ai/spans.yaml, registry.yaml, metrics.yaml; status
Development, so names may change), everything else from open-telemetry/semantic-conventions 1.44.0. The
published Python package has no memory names yet, hence these constants.
"""

from __future__ import annotations

from typing import Final

SCOPE_NAME: Final = "mem0_telemetry.operations"

CAPTURE_CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CAPTURE_CONTENT_VALUES: Final = frozenset({"true", "span_only", "span_and_event"})

# General
CODE_FUNCTION_NAME: Final = "code.function.name"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# GenAI
GEN_AI_EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
GEN_AI_MEMORY_QUERY_TEXT: Final = "gen_ai.memory.query.text"
GEN_AI_MEMORY_RECORDS: Final = "gen_ai.memory.records"
GEN_AI_MEMORY_RECORD_COUNT: Final = "gen_ai.memory.record.count"
GEN_AI_MEMORY_RECORD_ID: Final = "gen_ai.memory.record.id"
GEN_AI_MEMORY_STORE_ID: Final = "gen_ai.memory.store.id"
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"

# Databases
DB_COLLECTION_NAME: Final = "db.collection.name"
DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_RESPONSE_RETURNED_ROWS: Final = "db.response.returned_rows"
DB_SYSTEM_NAME: Final = "db.system.name"

# Our own, because the conventions have none
MEM0_EMBED_ACTION: Final = "mem0.embed.action"
MEM0_EMBED_TEXT_COUNT: Final = "mem0.embed.text.count"
MEM0_RERANK_DOCUMENT_COUNT: Final = "mem0.rerank.document.count"

DURATION_METRIC: Final = "gen_ai.client.operation.duration"
DURATION_DESCRIPTION: Final = "GenAI operation duration."
DURATION_UNIT: Final = "s"
DURATION_BOUNDARIES: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip

HOSTED_PROVIDER: Final = "mem0"
CREATE_MEMORY: Final = "create_memory"

OPERATION_NAMES: Final = {
    "add": "upsert_memory",
    "search": "search_memory",
    "update": "update_memory",
    "batch_update": "update_memory",
    "delete": "delete_memory",
    "batch_delete": "delete_memory",
    "delete_all": "delete_memory",
    "delete_users": "delete_memory",
    "reset": "delete_memory",
    "chat": "chat",
    # The conventions have no operation for these; the names follow their pattern.
    "get": "get_memory",
    "get_all": "list_memory",
    "history": "get_memory_history",
    "users": "list_memory_entities",
}
"""The `gen_ai.operation.name` of each method, and so its span's name. `add` may also be `create_memory`."""

PHASE_NAMES: Final = {
    "embedder": {"embed": "mem0.embed", "embed_batch": "mem0.embed"},
    "llm": {"generate_response": "mem0.llm.generate"},
    "reranker": {"rerank": "mem0.rerank"},
    "vector_store": {
        "insert": "mem0.vector_store.insert",
        "search": "mem0.vector_store.search",
        "search_batch": "mem0.vector_store.search",
        "keyword_search": "mem0.vector_store.keyword_search",
        "get": "mem0.vector_store.get",
        "list": "mem0.vector_store.list",
        "update": "mem0.vector_store.update",
        "delete": "mem0.vector_store.delete",
        "delete_col": "mem0.vector_store.reset",
        "reset": "mem0.vector_store.reset",
    },
    "history": {
        "add_history": "mem0.history.write",
        "batch_add_history": "mem0.history.write",
        "get_history": "mem0.history.read",
        "save_messages": "mem0.messages.write",
        "get_last_messages": "mem0.messages.read",
        "reset": "mem0.history.reset",
    },
}
"""The span name of each component method that is a phase of an operation, by interface."""

DATABASES: Final = frozenset({"vector_store", "history"})
"""The interfaces whose phases have database attributes."""

PROVIDER_NAMES: Final = {
    "aws_bedrock": "aws.bedrock",
    "azure_openai": "azure.ai.openai",
    "azure_openai_structured": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "openai_structured": "openai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The values of `gen_ai.provider.name` that differ from Mem0's provider name."""

DB_SYSTEM_NAMES: Final = {
    "azure_mysql": "mysql",
    "oracledb": "oracle.db",
    "pgvector": "postgresql",
    "supabase": "postgresql",
}
"""The values of `db.system.name` that differ from Mem0's name of the vector store."""
