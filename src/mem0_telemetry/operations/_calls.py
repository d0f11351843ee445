"""The methods that are recorded: those of Mem0's classes, and those of its components' interfaces."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

_T = TypeVar("_T")


class PerClass(Generic[_T]):
    """Values for classes, which are held weakly. Told apart by identity: a metaclass may have no hash."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[type], _T]] = {}

    def get(self, cls: type) -> _T | None:
        """Return the value for a class, None where there is none."""
        found = self._values.get(id(cls))
        return found[1] if found is not None else None

    def set(self, cls: type, value: _T) -> None:
        """Keep a value while the class lives."""
        key, values = id(cls), self._values
        values[key] = weakref.ref(cls, lambda _: values.pop(key, None)), value


class Method(NamedTuple):
    """A method that is an operation, with what is the same for all of its calls."""

    name: str
    parameter: str
    """Its first parameter, where that says something about the call."""
    hosted: bool
    """Whether it calls Mem0's hosted API."""
    labels: Mapping[str, Any]
    """Attributes of its spans and of its measurements."""
    attributes: Mapping[str, Any]
    """Attributes of its spans, the labels among them."""


class PhaseMethod(NamedTuple):
    """A method of a component's interface that is a phase of an operation."""

    interface: str
    name: str
    span_name: str
    known: PerClass[Mapping[str, Any]]
    """Attributes that are the same for all components of a class; a class may inherit the method."""
