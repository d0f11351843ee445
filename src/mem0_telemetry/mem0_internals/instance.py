"""Read a Mem0 instance into plain facts, under the property names that Mem0 itself uses.

Only instance dictionaries and the type's own names are read, never an attribute: no property, descriptor or
`__getattr__` of the user's objects is run, so that nothing of theirs can raise, block or have effects here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The type's own getters: a metaclass with attributes of these names is not asked.
_module_of: Callable[[type], object] = type.__dict__["__module__"].__get__
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
_NOTHING: dict[str, Any] = {}


def memory_facts(memory: object) -> dict[str, object]:
    """Facts of a `Memory` or `AsyncMemory`, as mem0/memory/telemetry.py `capture_event` names them.

    A fact that cannot be read is left out. Ids, names and texts that Mem0 also sends are not even read.
    """
    fields = fields_of(memory)
    facts: dict[str, object] = {"history_store": "sqlite"}
    for name in ("vector_store", "llm", "embedding_model"):
        component = fields.get(name)
        if component is not None:
            facts[name] = class_path(type(component))
    facts["vector_size"] = fields_of(fields_of(fields.get("embedding_model")).get("config")).get(
        "embedding_dims"
    )
    api_version = fields.get("api_version")
    suffix = f".{api_version}" if type(api_version) is str else ""
    facts["function"] = class_path(type(memory)) + suffix
    graph = fields.get("graph")
    if (
        graph is not None
        and fields_of(fields_of(fields.get("config")).get("graph_store")).get("config") is not None
    ):
        facts["graph_store"] = class_path(type(graph))  # mem0ai 1.x only
    return facts


def client_facts(client: object) -> dict[str, object]:
    """Facts of a hosted client (`MemoryClient`, `AsyncMemoryClient`, `Project`): its class, and nothing else."""
    return {"function": class_path(type(client))}


def no_facts(_: object) -> dict[str, object]:
    """Facts where there is no instance."""
    return {}


def fields_of(thing: object) -> dict[str, Any]:
    """The instance dictionary of `thing`, or an empty one. Runs no code of `thing`'s class."""
    try:
        fields = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return _NOTHING
    return fields if type(fields) is dict else _NOTHING


def class_path(cls: type) -> str:
    """`module.Class`, as Mem0 writes a component; "" where either is no plain text, which no class of Mem0's has."""
    module, name = _module_of(cls), _name_of(cls)
    # Formatting anything else would run its code.
    return f"{module}.{name}" if type(module) is str and type(name) is str else ""
