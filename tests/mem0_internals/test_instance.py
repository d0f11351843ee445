"""Observed values: Mem0's own names and values, read without running any code of the instance."""

from __future__ import annotations

from typing import Any

import pytest

from mem0_telemetry.mem0_internals.instance import (
    class_path,
    fields_of,
    observed_of_client,
    observed_of_memory,
    observed_of_nothing,
)


class _Plain:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _Component:
    pass


def test_observed_values_of_a_memory() -> None:
    """Component classes, vector size and function have the values that mem0/memory/telemetry.py gives them."""
    embedder = _Plain(config=_Plain(embedding_dims=1536))
    memory = _Plain(vector_store=_Component(), llm=_Component(), embedding_model=embedder, api_version="v1.1")
    assert observed_of_memory(memory) == {
        "history_store": "sqlite",
        "vector_store": f"{__name__}._Component",
        "llm": f"{__name__}._Component",
        "embedding_model": f"{__name__}._Plain",
        "vector_size": 1536,
        "function": f"{__name__}._Plain.v1.1",
    }


@pytest.mark.parametrize(("configured", "expected"), [(object(), f"{__name__}._Component"), (None, None)])
def test_graph_store_is_observed_if_it_is_configured(configured: object, expected: str | None) -> None:
    """mem0ai 1.x sends `graph_store` if `config.graph_store.config` is set; 2.x has no graph store."""
    config = _Plain(graph_store=_Plain(config=configured))
    assert observed_of_memory(_Plain(graph=_Component(), config=config)).get("graph_store") == expected
    assert "graph_store" not in observed_of_memory(_Plain())


def test_only_the_class_of_a_client_is_observed() -> None:
    """Only the class of a hosted client is read, never its e-mail address or ids."""
    assert observed_of_client(_Plain(user_email="x@example.com", api_key="m0-x")) == {
        "function": f"{__name__}._Plain"
    }
    assert observed_of_nothing(_Plain(user_email="x@example.com")) == {}


def test_nothing_of_the_instance_is_run() -> None:
    """No property, `__getattr__` or `__getattribute__` runs, and no code of a metaclass."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise AssertionError(name)

    class Hostile(metaclass=Meta):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    hostile = Hostile()
    assert observed_of_memory(hostile)["function"] == f"{__name__}.Hostile"
    assert fields_of(hostile) == {}
    assert class_path(Hostile) == f"{__name__}.Hostile"


@pytest.mark.parametrize("thing", [None, 1, object(), int, type("Slots", (), {"__slots__": ()})()])
def test_things_without_an_instance_dictionary(thing: object) -> None:
    """An object without an instance dictionary has no fields."""
    assert fields_of(thing) == {}
    assert "vector_store" not in observed_of_memory(thing)


def test_class_names_that_are_not_plain_text_are_not_formatted() -> None:
    """A module or name that is not a plain `str` is not formatted: only a class of the user has one."""
    ran: list[str] = []

    class Hostile(str):
        __slots__ = ()

        def __format__(self, _: str) -> str:
            ran.append("__format__")
            return self

        __str__ = __repr__ = __format__  # type: ignore[assignment]

    for name, module in (
        ("Qdrant", Hostile("mem0.x")),
        ("Qdrant", ran.append),
        (Hostile("Qdrant"), "mem0.x"),
    ):
        assert observed_of_client(type(name, (), {"__module__": module})()) == {"function": ""}
    assert ran == []
