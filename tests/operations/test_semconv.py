"""Our constants for the conventions have the values of the installed `opentelemetry.semconv`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import opentelemetry.semconv._incubating.attributes as incubating_attributes
import opentelemetry.semconv._incubating.metrics as incubating_metrics
import pytest
from opentelemetry.semconv._incubating.attributes.db_attributes import DbSystemNameValues
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GenAiProviderNameValues
from opentelemetry.semconv.schemas import Schemas

from mem0_telemetry.operations import _semconv
from mem0_telemetry.version import SCHEMA_URL

if TYPE_CHECKING:
    from enum import Enum

OWN = ("MEM0_", "SCOPE_", "SCHEMA_", "CAPTURE_", "DURATION_", "HOSTED_", "CREATE_")
UNPUBLISHED = "GEN_AI_MEMORY_"
"""The prefix of names that are in the conventions' repository, but not yet in a release of the package."""


def published() -> dict[str, Any]:
    """Return every constant in the package's attribute and metric modules."""
    found: dict[str, Any] = {}
    for package in (incubating_attributes, incubating_metrics):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            found.update(vars(importlib.import_module(module.name)))
    return found


CONSTANTS = {
    name: value
    for name, value in vars(_semconv).items()
    if isinstance(value, str) and name.isupper() and not name.startswith(OWN)
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_an_attribute_is_the_published_one(name: str) -> None:
    """An attribute has the value that the package gives to the constant of the same name."""
    value = published().get(name)
    assert value == CONSTANTS[name] or (value is None and name.startswith(UNPUBLISHED))


def test_the_metric_and_the_schema_are_published() -> None:
    """The histogram's name is published, and the schema URL belongs to a published release."""
    assert published()["GEN_AI_CLIENT_OPERATION_DURATION"] == _semconv.DURATION_METRIC
    assert SCHEMA_URL in {schema.value for schema in Schemas}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (_semconv.PROVIDER_NAMES.values(), GenAiProviderNameValues),
        (_semconv.DB_SYSTEM_NAMES.values(), DbSystemNameValues),
    ],
)
def test_values_are_well_known(values: Any, kind: type[Enum]) -> None:
    """If we replace Mem0's name of a provider or database, the replacement is a well-known value."""
    assert set(values) <= {member.value for member in kind}
