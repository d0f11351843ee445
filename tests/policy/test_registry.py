"""Check that the registry follows its rules for names, types and texts, and covers all of the installed Mem0."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from mem0_telemetry.delivery import DROP_REASONS
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import (
    EVENTS,
    Attribute,
    added_attributes,
    components,
    model,
    types,
)
from mem0_telemetry.policy.registry.attributes import CLIENT_API_VERSION

ATTRIBUTES = {
    attribute.key: attribute
    for attribute in (
        *(attribute for event in EVENTS for attribute in event.attributes),
        *added_attributes.OF_EVERY_RECORD,
        *added_attributes.OF_THE_RESOURCE,
    )
}
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
CLOSED = {"_enum", "_select_uuid", "enum_set", "one_of", "rate", "up_to", "version", "whole_number"}
"""Functions of the module that select a value, or that make such a function."""
MEM0 = Path(str(importlib.util.find_spec("mem0").origin)).parent  # type: ignore[union-attr]


@pytest.mark.parametrize("attribute", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_an_attribute_is_declared_by_the_rules(attribute: Attribute) -> None:
    """Every attribute has a namespaced key, a closed type, a sentence, a level and a first release."""
    assert NAME.fullmatch(attribute.key)
    assert attribute.type.select.__qualname__.partition(".")[0] in CLOSED
    assert attribute.type.words
    assert re.fullmatch(r"[A-Z].*\.", attribute.brief)
    assert attribute.level in get_args(model.Level)
    assert re.fullmatch(r"(mem0ai|mem0-telemetry) \d+\.\d+\.\d+", attribute.since)
    assert not attribute.posthog_name.startswith("$")


def test_every_type_is_closed() -> None:
    """There is no type for free text: the module only has types that are known to be closed."""
    made = {
        name
        for name, value in vars(types).items()
        if getattr(value, "__annotations__", {}).get("return") == "Type"
    }
    assert made == (CLOSED - {"_select_uuid"}) | {"enum", "class_path"}


@pytest.mark.parametrize("attribute", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_declared_values_are_bounded(attribute: Attribute) -> None:
    """The values of an enum are unique, short and plain, and end with `other` or `custom`."""
    values = attribute.type.texts
    if not values:
        return
    assert values[-1] in {"other", "custom"}
    assert len(set(values)) == len(values) < 120
    assert all(re.fullmatch(r"[A-Za-z0-9_.$-]{1,100}", value) for value in values)


def test_no_key_is_also_a_namespace() -> None:
    """No attribute has the name of another one's namespace, as OpenTelemetry's naming rules require."""
    for key in ATTRIBUTES:
        assert not [other for other in ATTRIBUTES if other.startswith(f"{key}.")]


def test_names_are_unique() -> None:
    """No two events share a name here or in PostHog, and each key has one meaning."""
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    assert len({event.posthog_name for event in EVENTS}) == len(EVENTS)
    for event in EVENTS:
        keys = [attribute.key for attribute in event.attributes]
        assert len(set(keys)) == len(keys)
        names = [attribute.posthog_name for attribute in event.attributes]
        assert len(set(names)) == len(names)
    declared = {id(attribute) for event in EVENTS for attribute in event.attributes}
    assert len(declared) == len({attribute.key for event in EVENTS for attribute in event.attributes})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_is_declared_by_the_rules(event: model.Event) -> None:
    """Every event has a name under `mem0.`, a sentence on when it is recorded, and the question that it answers."""
    assert event.name.startswith("mem0.")
    assert NAME.fullmatch(event.name)
    assert re.fullmatch(r"[A-Z].*\.", event.brief)
    assert re.fullmatch(r"[A-Z].*\?", event.question)
    assert 0 < event.sample_rate <= 1
    assert event.hot == (event.sample_rate < 1)
    assert re.fullmatch(r"mem0ai \d+\.\d+\.\d+", event.since)
    if event.names_only:
        keys = next(attribute for attribute in event.attributes if attribute.mem0_name == "keys")
        assert set(event.names_only) <= set(keys.type.texts)


def calls() -> Iterator[tuple[str, set[str]]]:
    """Return each event that the installed mem0ai captures, and the properties that it passes."""
    for path in MEM0.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            captures = node.func.id in {"capture_event", "capture_client_event"}
            if captures and isinstance(node.args[0], ast.Constant):
                passed = [argument for argument in node.args[2:] if isinstance(argument, ast.Dict)]
                keys = [key.value for given in passed for key in given.keys if isinstance(key, ast.Constant)]
                yield str(node.args[0].value), {str(key) for key in keys}


NEVER_SENT = {"memory_id", "encoded_ids", "webhook_id", "email", "schema", "name", "description"}


def test_every_event_of_the_installed_mem0_is_declared() -> None:
    """Each event that the installed mem0ai captures is in the registry, with its properties."""
    declared = {event.posthog_name: event for event in EVENTS}
    found = dict.fromkeys(name for name, _ in calls())
    assert len(found) > 40
    assert [name for name in found if name not in declared] == []
    for name, properties in calls():
        event = declared[name]
        sent = {attribute.mem0_name for attribute in event.attributes} | {*event.names_only} | NEVER_SENT
        assert properties <= sent, name


FACTORIES = {
    "VectorStoreFactory": components.VECTOR_STORES,
    "LlmFactory": components.LLMS,
    "EmbedderFactory": components.EMBEDDING_MODELS,
    "GraphStoreFactory": components.GRAPH_STORES,
}


def provider_tables() -> Iterator[tuple[str, set[str]]]:
    """Return the provider table of each factory of the installed mem0ai, by the classes it names."""
    tree = ast.parse((MEM0 / "utils" / "factory.py").read_text(encoding="utf-8"))
    for factory in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for node in (node for node in factory.body if isinstance(node, ast.Assign)):
            assert ast.unparse(node.targets[0]) == "provider_to_class"
            assert isinstance(node.value, ast.Dict)
            paths = (value.elts[0] if isinstance(value, ast.Tuple) else value for value in node.value.values)
            yield factory.name, {ast.literal_eval(path) for path in paths}


def test_every_component_of_the_installed_mem0_is_declared() -> None:
    """Each class that a factory of the installed mem0ai can build is in the registry's enum."""
    tables = dict(provider_tables())
    assert {"VectorStoreFactory", "LlmFactory", "EmbedderFactory"} <= set(tables)
    for factory, declared in FACTORIES.items():
        assert tables.get(factory, set()) - set(declared) == set(), factory


SOURCE = Path(registry.__file__).parents[3]
LOADED = """
import os, sys
before = {*sys.modules}
import mem0_telemetry.policy.state_file
import mem0_telemetry.policy.consent
import mem0_telemetry.policy.identity
import mem0_telemetry.policy.notice
import mem0_telemetry.policy.registry
import mem0_telemetry.policy.sampling
print(*({*sys.modules} - before))
"""


def test_the_drop_in_needs_only_the_standard_library() -> None:
    """The modules that the drop-in needs even when opted out import only the standard library."""
    command = [sys.executable, "-S", "-c", LOADED]
    loaded = subprocess.check_output(command, text=True, env={"PYTHONPATH": str(SOURCE)})
    assert {name.partition(".")[0] for name in loaded.split()} <= {"mem0_telemetry", *sys.stdlib_module_names}


def test_versions_of_the_api_are_shared() -> None:
    """All attributes that contain an API version use the same enum."""
    paths = ATTRIBUTES["mem0.function"].type.texts
    versions = CLIENT_API_VERSION.type.texts
    assert {f"mem0.memory.main.Memory.{version}" for version in versions} <= {*paths}


def test_every_reason_for_a_drop_is_declared() -> None:
    """Each reason for which the delivery or the recorder counts a dropped event has an attribute."""
    assert set(added_attributes.DROP_REASONS) == {*DROP_REASONS, "unknown_event", "not_ready"}
