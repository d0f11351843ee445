"""The methods that are recorded: those of Mem0's classes, and those of its components' interfaces."""

from __future__ import annotations

import weakref  # noqa: TC003  # these are the types of a NamedTuple's fields
from collections.abc import Mapping  # noqa: TC003
from typing import Any, NamedTuple


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
    known: dict[weakref.ref[type], Mapping[str, Any]]
    """Attributes that are the same for all components of a class; a class may inherit the method."""
