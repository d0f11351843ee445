# SPDX-License-Identifier: Apache-2.0
"""What the operations need to know of Mem0 2.x: where its classes and components are, and how to read a call.

Read from mem0ai 2.0.0 to 2.2.1. The tables are plain data and cost nothing to import. The readers look into
`__dict__` only, so that no property or descriptor of the application's objects is run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mem0_telemetry.mem0_internals.instance import fields_of

SUPPORTED_GENERATION: Final = "2"
"""The generation of mem0ai that these tables describe, as the first part of its version."""

CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "mem0.client.main": ("MemoryClient", "AsyncMemoryClient"),
    "mem0.memory.main": ("Memory", "AsyncMemory"),
}
"""The classes whose methods are operations, by the module that defines them."""

HOSTED: Final = "mem0.client.main"
"""The module whose classes call Mem0's hosted API; the other one works in this process."""

OPTIONS: Final = "mem0.client.types"
"""The module of the classes that hold the hosted clients' options."""

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
"""Each operation's method, and the name of its first parameter where that says something about the call."""

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
"""Mem0's own history, by the name of its class."""

INHERITED_STUBS: Final = frozenset({"mem0.vector_stores.base.VectorStoreBase.keyword_search"})
"""Interface methods that do nothing where a store does not support them."""

POOLS: Final[dict[str, str]] = {"mem0.memory.main": "concurrent"}
"""Modules that start thread pools in the middle of an operation, and the name that they reach them by."""


def argument(name: str, position: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what a method was called with for `name`, its parameter at `position`; None if absent.

    `self` is at position 0, and a parameter that is keyword-only. The hosted clients take the same values in
    an object of options as well.
    """
    if name in kwargs:
        return kwargs[name]
    if 0 < position < len(args):
        return args[position]
    options = kwargs.get("options", args[-1] if args else None)
    return fields_of(options).get(name) if type(options).__module__ == OPTIONS else None


def creates_records(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether an `add` stores what it is given as new records, without leaving the choice to Mem0."""
    return argument("infer", 0, args, kwargs) is False or kwargs.get("memory_type") == "procedural_memory"


def store_of(instance: object) -> str | None:
    """Return what identifies the store of an instance: its collection, or the project of a hosted client."""
    fields = fields_of(instance)
    for name in ("collection_name", "project_id"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def records_of(result: object) -> list[dict[str, Any]] | None:
    """Return the memory records in what a method returned, None where it holds none.

    A list comes as it is or under `results`; a single record has its own `id`. Entries without `id` (hosted
    clients answer with the state of a job) are not records.
    """
    if isinstance(result, dict):
        result = [result] if "id" in result else result.get("results")
    if not isinstance(result, list):
        return None
    records = [entry for entry in result if isinstance(entry, dict) and "id" in entry]
    return records if len(records) == len(result) else None


def rows_of(result: object) -> int | None:
    """Return how many rows a vector store answered with; its `list` may return them inside one more list."""
    if isinstance(result, (list, tuple)):
        first = result[0] if result else None
        return len(first) if isinstance(first, (list, tuple)) else len(result)
    return None


def provider_of(interface: str, cls: type) -> str | None:
    """Return Mem0's name for the provider that a component's class, or a base of it, belongs to."""
    factory = getattr(sys.modules.get(FACTORY_MODULE), FACTORIES.get(interface, ""), None)
    table = getattr(factory, "provider_to_class", {})
    names = {path[0] if isinstance(path, tuple) else path: name for name, path in table.items()}
    names.update(HISTORY_PROVIDERS)
    paths = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    return next((names[path] for path in paths if path in names), None)
