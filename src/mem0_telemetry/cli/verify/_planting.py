"""Use everything of Mem0's there is, with a planted text wherever a value of the user's can go."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mem0_telemetry.policy.registry import EVENTS, hosted_events
from mem0_telemetry.policy.registry.deviations import NOT_SENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    Texts = Mapping[str, str]


_DIMENSIONS = 32
_A_FEW = ("add", "search", "get_all", "get_members")


def use_drop_in(texts: Texts) -> None:
    """Record every declared event through the drop-in, with planted texts as each property that Mem0 may pass."""
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it decides whether telemetry is on

    own = {"__module__": texts["custom_class"]}
    instance: Any = type(texts["custom_class"], (), own)()
    for name in ("vector_store", "llm", "embedding_model", "graph", "config"):
        setattr(instance, name, type(texts["custom_class"], (), own)())
    instance.api_version, instance.collection_name = texts["api_version"], texts["collection"]
    instance.user_email = texts["email"]
    hosted = {event.posthog_name for event in hosted_events.EVENTS}
    never = [name for given in NOT_SENT for name in given.properties]
    planted = (texts["message"], [texts["parameter_name"]], {texts["filter_key"]: texts["filter_value"]})
    for event in EVENTS:
        names = [attribute.mem0_name for attribute in event.attributes if attribute.mem0_name]
        capture = telemetry.capture_client_event if event.posthog_name in hosted else telemetry.capture_event
        for value in planted:
            capture(
                event.posthog_name,
                instance,
                {**dict.fromkeys((*names, *never), value), texts["metadata_key"]: value},
            )


def use_mem0(texts: Texts, *, directory: Path, platform_url: str, thoroughly: bool) -> None:
    """Use real Mem0: every operation of `Memory`, and the hosted client.

    Args:
        texts: what is planted.
        directory: where Mem0 keeps its stores.
        platform_url: a stand-in for Mem0's hosted service.
        thoroughly: every public method with every parameter, of the project's API too, also with the asynchronous
            classes, and with classes of the user's own.
    """
    import mem0  # noqa: PLC0415  # when it is imported is part of what is verified

    memories, clients = [mem0.Memory], [mem0.MemoryClient]
    if thoroughly:
        memories = [mem0.AsyncMemory, _own(mem0.Memory, texts)]
        clients = [mem0.MemoryClient, _own(mem0.AsyncMemoryClient, texts)]
    for number, memory in enumerate(memories):
        configuration = _configuration(directory / str(number), texts)
        if memory not in (mem0.Memory, mem0.AsyncMemory):
            configuration["version"] = texts["api_version"]
        asyncio.run(_use_memory(memory, configuration, texts, thoroughly=thoroughly))
    for client in clients:
        asyncio.run(_use_client(client, platform_url, texts, thoroughly=thoroughly))


def _own(cls: type, texts: Texts) -> Any:
    return type(texts["custom_class"], (cls,), {"__module__": texts["custom_class"]})


async def _use_memory(cls: Any, configuration: dict[str, Any], texts: Texts, *, thoroughly: bool) -> None:
    memory = await _result(cls.from_config(configuration))
    memory.embedding_model.config.embedding_dims = _DIMENSIONS
    owner = {"user_id": texts["user_id"], "agent_id": texts["agent_id"], "run_id": texts["run_id"]}
    filters = {**owner, texts["filter_key"]: texts["filter_value"]}
    metadata = {texts["metadata_key"]: texts["metadata_value"]}
    messages = [{"role": "user", "content": f"I like {texts['message']}."}]
    identifier = texts["memory_id"]
    with suppress(Exception):  # a planted text may be none that Mem0 takes
        added = await _result(memory.add(messages, **owner, metadata=metadata))
        identifier = added["results"][0]["id"]
    calls: tuple[Callable[[], Any], ...] = (
        lambda: memory.add(messages, **owner, memory_type="procedural_memory"),
        lambda: memory.search(texts["query"], filters=filters, top_k=3, threshold=0.123),
        lambda: memory.get_all(filters=filters),
        lambda: memory.get(identifier),
        lambda: memory.update(identifier, text=texts["message"]),
        lambda: memory.history(identifier),
        lambda: memory.delete(identifier),
        lambda: memory.delete_all(**owner),
        memory.reset,
    )
    for call in calls:
        with suppress(Exception):  # older releases lack some; what is recorded is what counts
            await _result(call())
    if thoroughly:
        await _use_methods(memory, texts)


async def _use_client(cls: Any, platform_url: str, texts: Texts, *, thoroughly: bool) -> None:
    client = cls(api_key=texts["api_key"], host=platform_url)
    client.user_email = texts["email"]
    for target in (client, client.project):
        await _use_methods(target, texts, _A_FEW if not thoroughly else ())


async def _use_methods(target: Any, texts: Texts, names: Collection[str] = ()) -> None:
    """Call each public method, or those of these names, with a planted text as each of its arguments."""
    for name in sorted(dir(type(target)), key="close".__eq__):  # after which nothing else can be called
        method = inspect.unwrap(inspect.getattr_static(type(target), name))
        wanted = name in names if names else not name.startswith("_")
        if wanted and inspect.isfunction(method):
            with suppress(Exception):  # the stand-in of the service does not know all of them
                await _result(getattr(target, name)(**arguments_for(method, texts)))


def arguments_for(method: Callable[..., Any], texts: Texts) -> dict[str, Any]:
    """Answer arguments for a method, a planted text in each that takes a value of the user's."""
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
        "email": texts["member_email"],
        "role": "READER",
        "feedback": "NEGATIVE",
        "schema": texts["export_schema"],
        "name": texts["project_name"],
        "description": texts["project_description"],
        "text": texts["message"],
        **dict.fromkeys(("multilingual", "decay", "enable_graph", "delete_linked", "enabled"), True),
    }
    if name.endswith(("instructions", "prompt", "criteria")):
        return texts["instructions"]
    return special.get(name, texts.get(name, texts["query"]))


async def _result(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _configuration(directory: Path, texts: Texts) -> dict[str, Any]:
    from mem0_telemetry.cli.demo.standins import configuration  # noqa: PLC0415  # imports mem0

    return configuration(directory, collection=texts["collection"])
