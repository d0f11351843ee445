"""The tables of Mem0's components, factories and pools describe the installed Mem0."""

from __future__ import annotations

import concurrent.futures
import pkgutil
import sys
from types import SimpleNamespace

import mem0
import pytest
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.llms.openai import OpenAILLM
from mem0.vector_stores.base import VectorStoreBase

from mem0_telemetry.mem0_internals import operations as tables


@pytest.mark.parametrize(
    ("interface", "cls", "provider"),
    [
        ("embedder", OpenAIEmbedding, "openai"),
        ("llm", type("Derived", (OpenAILLM,), {}), "openai"),
        ("vector_store", VectorStoreBase, None),
        ("history", SimpleNamespace, None),
    ],
)
def test_providers_come_from_mem0s_factories(interface: str, cls: type, provider: str | None) -> None:
    """A class that Mem0's factory names, or a subclass of it, has that provider. Other classes have none."""
    assert tables.provider_of(interface, cls) == provider


def test_the_tables_describe_the_installed_mem0(memory: mem0.Memory) -> None:
    """Every factory, class, method and pool that the tables name exists in the installed Mem0."""
    for factory in tables.FACTORIES.values():
        assert getattr(mem0.utils.factory, factory).provider_to_class
    for path in [*tables.HISTORY_PROVIDERS, *tables.INHERITED_STUBS]:
        assert pkgutil.resolve_name(path)
    for module, name in tables.POOLS.items():
        assert vars(sys.modules[module])[name] is concurrent
    for attribute in tables.COMPONENTS:
        assert attribute in vars(memory)
