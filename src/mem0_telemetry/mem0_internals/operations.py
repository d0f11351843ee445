# SPDX-License-Identifier: Apache-2.0
"""Knowledge of Mem0 2.x for the operations: tables of its classes and components, and functions that read a call.

Checked against mem0ai 2.0.0 to 2.2.1. The tables are plain data and cost nothing to import. The functions read only
the `__dict__` of the application's objects, so no property or descriptor runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mem0_telemetry.mem0_internals.instance import fields_of

SUPPORTED_GENERATION: Final = "2"
"""The major version of mem0ai that these tables describe."""

CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "mem0.client.main": ("MemoryClient", "AsyncMemoryClient"),
    "mem0.memory.main": ("Memory", "AsyncMemory"),
}
"""The classes whose methods are operations, by the module that defines them."""

HOSTED: Final = "mem0.client.main"
"""The module whose classes call Mem0's hosted API; those of the other one work in this process."""

OPTIONS: Final = "mem0.client.types"
"""The module that defines the option classes of the hosted clients."""

METHODS: Final[dict[str, str]] = {
    "add": "messages",
    "search": "query",
    "get": "memory_id",
    "get_all": "",
    "update": "memory_id",
    "delete": "memory_id",
    "delete_all": "",
    "history": "memory_id",
    "reset": "",
    "users": "",
    "delete_users": "",
    "batch_update": "memories",
    "batch_delete": "memories",
    "chat": "query",
}
"""Each method that is an operation, with its first parameter if that describes the call, otherwise an empty string."""

COMPONENTS: Final[dict[str, str]] = {
    "embedding_model": "embedder",
    "llm": "llm",
    "vector_store": "vector_store",
    "_entity_store": "vector_store",
    "reranker": "reranker",
    "db": "history",
}
"""The attributes of `Memory` and `AsyncMemory` that hold its components, and the interface of each."""

FACTORY_MODULE: Final = "mem0.utils.factory"
FACTORIES: Final[dict[str, str]] = {
    "embedder": "EmbedderFactory",
    "llm": "LlmFactory",
    "vector_store": "VectorStoreFactory",
    "reranker": "RerankerFactory",
}
"""The factory that names the providers of each interface; the history has none."""

HISTORY_PROVIDERS: Final[dict[str, str]] = {"mem0.memory.storage.SQLiteManager": "sqlite"}
"""The provider name of Mem0's own history, by its class path."""

INHERITED_STUBS: Final = frozenset({"mem0.vector_stores.base.VectorStoreBase.keyword_search"})
"""Interface methods that do nothing, inherited by stores that do not support them."""

POOLS: Final[dict[str, str]] = {"mem0.memory.main": "concurrent"}
"""Modules that start thread pools during an operation, each with the name through which it finds the pool class."""


def argument(name: str, position: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the argument that a call passes for the parameter `name`, or None if it passes none.

    `position` counts from `self`, which is 0; it is also 0 for a keyword-only parameter. The hosted clients accept
    the same values in an options object too.
    """
    if name in kwargs:
        return kwargs[name]
    if 0 < position < len(args):
        return args[position]
    options = kwargs.get("options", args[-1] if args else None)
    return fields_of(options).get(name) if type(options).__module__ == OPTIONS else None


def creates_records(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether an `add` stores its input as new records, instead of letting Mem0 choose what to store."""
    return argument("infer", 0, args, kwargs) is False or kwargs.get("memory_type") == "procedural_memory"


def store_of(instance: object) -> str | None:
    """Return the id of an instance's store: its collection, or a hosted client's project. None if unknown."""
    fields = fields_of(instance)
    for name in ("collection_name", "project_id"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def records_of(result: object) -> list[dict[str, Any]] | None:
    """Return the memory records in a method's result, or None if the result is not made of records.

    The result is a list, a dict with a list under `results`, or a single record. Each record has an `id`: the
    state of a job, which hosted clients may return, has none.
    """
    if isinstance(result, dict):
        result = [result] if "id" in result else result.get("results")
    if not isinstance(result, list):
        return None
    records = [entry for entry in result if isinstance(entry, dict) and "id" in entry]
    return records if len(records) == len(result) else None


def rows_of(result: object) -> int | None:
    """Return how many rows a vector store returned. Its `list` may wrap the rows in an outer list."""
    if isinstance(result, (list, tuple)):
        first = result[0] if result else None
        return len(first) if isinstance(first, (list, tuple)) else len(result)
    return None


def provider_of(interface: str, cls: type) -> str | None:
    """Return Mem0's provider name for a component's class or a base of it, or None if Mem0 has none."""
    factory = getattr(sys.modules.get(FACTORY_MODULE), FACTORIES.get(interface, ""), None)
    table = getattr(factory, "provider_to_class", {})
    names = {path[0] if isinstance(path, tuple) else path: name for name, path in table.items()}
    names.update(HISTORY_PROVIDERS)
    paths = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    return next((names[path] for path in paths if path in names), None)
