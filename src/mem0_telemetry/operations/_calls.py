"""The calls that are recorded, as facts: of Mem0's public methods, and of its components' interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003  # the types of a NamedTuple's fields
from typing import Any, NamedTuple


class Method(NamedTuple):
    """A method that is an operation."""

    name: str
    function: str
    """Its fully qualified name, `code.function.name`."""
    hosted: bool
    """Whether it calls Mem0's hosted API."""


class Call(NamedTuple):
    """A call of such a method, as the application made it."""

    method: Method
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    @property
    def instance(self) -> object:
        """The object that the method was called on."""
        return self.args[0] if self.args else self.kwargs.get("self")


class PhaseMethod(NamedTuple):
    """A method of a component's interface that is a phase of an operation."""

    interface: str
    name: str
