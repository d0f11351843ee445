"""The methods that are recorded, of Mem0's classes and of its components' interfaces, and a call of one."""

from __future__ import annotations

import weakref  # noqa: TC003  # these are the types of a NamedTuple's fields
from collections.abc import Mapping, Sequence  # noqa: TC003
from typing import Any, NamedTuple


class Method(NamedTuple):
    """A method that is an operation."""

    name: str
    parameter: str
    """Its first parameter, where that says something about the call."""
    function: str
    """Its fully qualified name, `code.function.name`."""
    hosted: bool
    """Whether it calls Mem0's hosted API."""
    labels: Mapping[str, Any]
    """What is the same for all of its calls on their spans and measurements."""


class Call(NamedTuple):
    """A call of such a method, as the application made it."""

    method: Method
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


class PhaseMethod(NamedTuple):
    """A method of a component's interface that is a phase of an operation."""

    interface: str
    name: str
    known: weakref.WeakKeyDictionary[type, Mapping[str, Any]]
    """What is the same on the spans of all components of a class; a class may inherit the method."""
