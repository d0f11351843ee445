"""docs/operations.md names every method, attribute, span and setting of the operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from mem0_telemetry.mem0_internals import operations as tables
from mem0_telemetry.operations import _semconv

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ATTRIBUTES = [
    value
    for name, value in vars(_semconv).items()
    if name.startswith(("CODE_", "DB_", "ERROR_", "GEN_AI_", "MEM0_", "SERVER_")) and isinstance(value, str)
]
PHASES = {name for methods in _semconv.PHASE_NAMES.values() for name in methods.values()}


@pytest.mark.parametrize(
    "name",
    [
        *ATTRIBUTES,
        *sorted(PHASES),
        *sorted({*_semconv.OPERATION_NAMES.values(), _semconv.CREATE_MEMORY}),
        _semconv.DURATION_METRIC,
        _semconv.CAPTURE_CONTENT_VARIABLE,
        *sorted(_semconv.CAPTURE_CONTENT_VALUES),
    ],
)
def test_every_name_is_documented(name: str) -> None:
    """The page contains every name that is sent or that configures content capture."""
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("method", tables.METHODS)
def test_every_method_is_documented(method: str) -> None:
    """The page contains every recorded method, and the method has an operation name."""
    assert f"`{method}`" in TEXT
    assert method in _semconv.OPERATION_NAMES
