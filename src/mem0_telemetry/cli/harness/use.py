# SPDX-License-Identifier: Apache-2.0
"""Use real Mem0 and the drop-in, with a planted text wherever a user's value can go."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mem0_telemetry.policy.registry import EVENTS, events
from mem0_telemetry.policy.registry.deviations import NOT_SENT

Texts = Mapping[str, str]
Errors = tuple[type[Exception], ...]

_SHARED = ("init", "add", "search", "get_all", "update", "history", "delete", "delete_all")
EXPECTED = Counter(f"mem0.{name}" for name in 2 * (*_SHARED, "get", "reset"))
EXPECTED.update(f"client.{name}" for name in _SHARED)
"""The number of events that `use_mem0` records, by Mem0's names: `Memory`, `AsyncMemory`, one hosted client."""


def use_drop_in(texts: Texts) -> None:
    """Record every declared event through the drop-in, with a planted text in each property that Mem0 may pass."""
    from mem0_telemetry import telemetry  # noqa: PLC0415  # Importing it decides whether telemetry is on.

    own: Any = type(texts["custom_class"], (), {"__module__": texts["custom_class"]})
    instance = own()
    for name in ("vector_store", "llm", "embedding_model", "graph", "config"):
        setattr(instance, name, own())
    instance.api_version, instance.collection_name = texts["api_version"], texts["collection"]
    instance.user_email = texts["email"]
    hosted = {event.posthog_name for event in events.OF_HOSTED_CLIENTS}
    never = [name for given in NOT_SENT for name in given.properties]
    planted = (texts["message"], [texts["parameter_name"]], {texts["filter_key"]: texts["filter_value"]})
    for event in EVENTS:
        names = [attribute.mem0_name for attribute in event.attributes if attribute.mem0_name]
        capture = telemetry.capture_client_event if event.posthog_name in hosted else telemetry.capture_event
        for value in planted:
            given = {**dict.fromkeys((*names, *never), value), texts["metadata_key"]: value}
            capture(event.posthog_name, instance, given)


async def use_mem0(  # noqa: PLR0913  # All are keywords.
    texts: Texts,
    *,
    directory: Path,
    platform_url: str,
    thoroughly: bool = False,
    errors: Errors = (Exception,),
    configuration: Callable[..., dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Call each operation of `Memory`, `AsyncMemory` and the hosted client once; return what each memory held.

    See `program.run` for the arguments. `errors` are ignored, because Mem0 may reject a planted text.
    """
    import mem0  # noqa: PLC0415  # The moment of this import is part of what is verified.

    from mem0_telemetry.cli.harness import fake_models  # noqa: PLC0415  # It imports mem0.

    def own(cls: type) -> Any:
        return type(texts["custom_class"], (cls,), {"__module__": texts["custom_class"]})

    configured = configuration or fake_models.configuration
    generation = int(mem0.__version__.partition(".")[0])
    held: list[dict[str, Any]] = []
    for cls in (mem0.Memory, mem0.AsyncMemory, *([own(mem0.Memory)] if thoroughly else [])):
        config = configured(directory / str(len(held)), collection=texts["collection"])
        if cls not in (mem0.Memory, mem0.AsyncMemory):
            config["version"] = texts["api_version"]
        memory = await _result(cls.from_config(config))
        held.append(await use_memory(memory, texts, generation, errors))
        if thoroughly:
            procedural = {"agent_id": texts["agent_id"], "memory_type": "procedural_memory"}
            with suppress(Exception):
                await _result(memory.add([{"role": "user", "content": texts["message"]}], **procedural))
            await _use_methods(memory, texts)
        del memory  # Only one memory at a time can use the store of Mem0's own telemetry.
    for cls in (mem0.MemoryClient, *([own(mem0.AsyncMemoryClient)] if thoroughly else [])):
        client = cls(api_key=texts["api_key"], host=platform_url)
        client.user_email = texts["email"]
        await _use_client(client, texts, errors)
        if thoroughly:
            await _use_methods(client.project, texts)
            await _use_methods(client, texts)
    return held


async def use_memory(memory: Any, texts: Texts, generation: int, errors: Errors) -> dict[str, Any]:
    """Call each operation of a `Memory` or `AsyncMemory` of Mem0 `generation`.x once; return what it held."""
    owner = {name: texts[name] for name in ("user_id", "agent_id", "run_id")}
    metadata = {texts[f"{name}_key"]: texts[f"{name}_value"] for name in ("metadata", "filter")}
    filters = {**owner, texts["filter_key"]: texts["filter_value"]}
    scope: dict[str, Any] = owner if generation == 1 else {"filters": filters}
    messages = [{"role": "user", "content": f"I like {texts['message']}."}]
    identifier = texts["memory_id"]
    listed: dict[str, Any] = {"results": []}
    with suppress(*errors):
        identifier = (await _result(memory.add(messages, **owner, metadata=metadata)))["results"][0]["id"]
    with suppress(*errors):
        listed = await _result(memory.get_all(**scope))
    calls = (
        lambda: memory.search(texts["query"], threshold=0.123, **scope),
        lambda: memory.get(identifier),
        lambda: memory.update(identifier, texts["message"]),  # The parameter's name differs between releases.
        lambda: memory.history(identifier),
        lambda: memory.delete(identifier),
        lambda: memory.delete_all(**owner),
    )
    await _call_each(calls, errors)
    collections = memory.vector_store.client.get_collections().collections
    held = {
        "id": identifier,
        "memories": [entry["memory"] for entry in listed["results"]],
        "relations": listed.get("relations"),
        "collections": sorted(collection.name for collection in collections),
        "telemetry_store": getattr(memory, "_telemetry_vector_store", None) is not None,
    }
    with suppress(*errors):
        await _result(memory.reset())
    return held


async def _use_client(client: Any, texts: Texts, errors: Errors) -> None:
    owner = {"user_id": texts["user_id"]}
    messages = [{"role": "user", "content": texts["message"]}]
    calls = (
        lambda: client.add(messages, **owner, metadata={texts["metadata_key"]: texts["metadata_value"]}),
        lambda: client.search(texts["query"], filters=owner),
        lambda: client.get_all(filters=owner),
        lambda: client.update("m1", text=texts["message"]),
        lambda: client.history("m1"),
        lambda: client.delete("m1"),
        lambda: client.delete_all(**owner),
    )
    await _call_each(calls, errors)


async def _call_each(calls: Iterable[Callable[[], Any]], errors: Errors) -> None:
    for call in calls:
        with suppress(*errors):
            await _result(call())


async def _use_methods(target: Any, texts: Texts) -> None:
    """Call each public method with a planted text in each of its arguments."""
    for name in sorted(dir(type(target)), key="close".__eq__):  # Nothing can be called after `close`.
        method = inspect.unwrap(inspect.getattr_static(type(target), name))
        if not name.startswith("_") and inspect.isfunction(method):
            with suppress(Exception):  # The fake server does not implement every method.
                await _result(getattr(target, name)(**arguments_for(method, texts)))


def arguments_for(method: Callable[..., Any], texts: Texts) -> dict[str, Any]:
    """Return arguments for a method, with a planted text in each that takes a user's value."""
    named: dict[str, Any] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= {name: _value_for(name, texts) for name in ("metadata", "filters")}
            named[texts["parameter_name"]] = texts["parameter_name"]
        elif parameter.name != "options" and parameter.kind is not parameter.VAR_POSITIONAL:
            named[parameter.name] = _value_for(parameter.name, texts)
    return named


def _value_for(name: str, texts: Texts) -> Any:
    special: dict[str, Any] = {
        "messages": [{"role": "user", "content": texts["message"]}],
        "memories": [{"memory_id": texts["memory_id"], "text": texts["message"]}],
        "metadata": {texts["metadata_key"]: texts["metadata_value"]},
        "filters": {"user_id": texts["user_id"], texts["filter_key"]: texts["filter_value"]},
        "fields": ["custom_instructions", texts["parameter_name"]],
        "custom_categories": [{texts["category"]: texts["category"]}],
        "event_types": [texts["category"]],
        "url": f"https://{texts['netrc_login']}.example",
        "role": "READER",
        "feedback": "NEGATIVE",
        "text": texts["message"],
        **dict.fromkeys(("multilingual", "decay", "enable_graph", "delete_linked", "enabled"), True),
    }
    if name.endswith(("instructions", "prompt", "criteria")):
        return texts["instructions"]
    return special.get(name, texts.get(name, texts["query"]))


async def _result(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
