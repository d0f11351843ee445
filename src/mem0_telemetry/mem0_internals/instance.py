# SPDX-License-Identifier: Apache-2.0
"""Read a Mem0 instance into plain values, under Mem0's own property names.

These functions read only instance dictionaries and the names of types, never an attribute. No property, descriptor
or `__getattr__` of the user's objects runs, so their code cannot raise, block or have side effects here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Use the getters of `type` itself: a metaclass may define attributes with these names.
_module_of: Callable[[type], object] = type.__dict__["__module__"].__get__
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
_NOTHING: dict[str, Any] = {}


def observed_of_memory(memory: object) -> dict[str, object]:
    """Return the observed values of a `Memory` or `AsyncMemory`, under the names in Mem0's own `capture_event`.

    Omit a value that cannot be read. Ids, names and texts, which Mem0 sends too, are not even read.
    """
    fields = fields_of(memory)
    observed: dict[str, object] = {"history_store": "sqlite"}
    for name in ("vector_store", "llm", "embedding_model"):
        component = fields.get(name)
        if component is not None:
            observed[name] = class_path(type(component))
    observed["vector_size"] = fields_of(fields_of(fields.get("embedding_model")).get("config")).get(
        "embedding_dims"
    )
    api_version = fields.get("api_version")
    suffix = f".{api_version}" if type(api_version) is str else ""
    observed["function"] = class_path(type(memory)) + suffix
    graph = fields.get("graph")
    if (
        graph is not None
        and fields_of(fields_of(fields.get("config")).get("graph_store")).get("config") is not None
    ):
        observed["graph_store"] = class_path(type(graph))  # mem0ai 1.x only
    return observed


def observed_of_client(client: object) -> dict[str, object]:
    """Return the observed values of a hosted client (`MemoryClient`, `Project`, ...): only its class."""
    return {"function": class_path(type(client))}


def observed_of_nothing(_: object) -> dict[str, object]:
    """Return no observed values: there is no instance."""
    return {}


def fields_of(thing: object) -> dict[str, Any]:
    """Return the instance dictionary of `thing`, or an empty one. Run no code of its class."""
    try:
        fields = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return _NOTHING
    return fields if type(fields) is dict else _NOTHING


def class_path(cls: type) -> str:
    """Return `module.Class`, Mem0's form for a component, or "" if a part is not a plain `str` (never in Mem0)."""
    module, name = _module_of(cls), _name_of(cls)
    # Formatting any other type would run its code.
    return f"{module}.{name}" if type(module) is str and type(name) is str else ""
