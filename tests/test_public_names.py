"""The public names of both distributions, as a golden list: a change to this list changes a promise to users."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

PUBLIC = {
    "mem0_telemetry": {
        "Mem0Instrumentor",
        "Status",
        "__version__",
        "flush",
        "get_logger_provider",
        "instrument",
        "set_enabled",
        "shutdown",
        "status",
        "uninstrument",
    },
    "mem0_telemetry.instrumentor": {"Mem0Instrumentor"},
    "mem0_telemetry.testing": {"CapturedEvent", "mem0_events"},
    "mem0_telemetry.telemetry": {
        "FEATURE_FLAGS_REQUEST_TIMEOUT_SECONDS",
        "HOST",
        "MEM0_TELEMETRY",
        "MEM0_TELEMETRY_SAMPLE_RATE",
        "PROJECT_API_KEY",
        "AnonymousTelemetry",
        "capture_client_event",
        "capture_event",
        "client_telemetry",
        "get_or_create_user_id",
    },
    "opentelemetry.exporter.posthog": {
        "ExporterStats",
        "PostHogContextProcessor",
        "PostHogLogExporter",
        "PostHogSpanExporter",
        "__version__",
        "local_roots",
    },
    "opentelemetry.exporter.posthog.environment_variables": {
        "OTEL_EXPORTER_POSTHOG_API_KEY",
        "OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS",
        "OTEL_EXPORTER_POSTHOG_CONVENTIONS",
        "OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES",
        "OTEL_EXPORTER_POSTHOG_EVENTS",
        "OTEL_EXPORTER_POSTHOG_EVENT_NAMES",
        "OTEL_EXPORTER_POSTHOG_EXCEPTIONS",
        "OTEL_EXPORTER_POSTHOG_GEOIP",
        "OTEL_EXPORTER_POSTHOG_GROUPS",
        "OTEL_EXPORTER_POSTHOG_HOST",
        "OTEL_EXPORTER_POSTHOG_IP",
        "OTEL_EXPORTER_POSTHOG_PERSON_PROFILES",
        "OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES",
        "OTEL_EXPORTER_POSTHOG_REDACT",
        "OTEL_EXPORTER_POSTHOG_RETRY",
        "OTEL_EXPORTER_POSTHOG_SPANS",
        "OTEL_EXPORTER_POSTHOG_TIMEOUT",
        "OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT",
        "POSTHOG_API_KEY",
        "POSTHOG_HOST",
    },
    "opentelemetry.exporter.posthog.testing": {"Answer", "CaptureServer", "CapturedRequest", "check_batch"},
}
"""Public module -> its public names."""

VARIABLES = {
    "DO_NOT_TRACK",
    "MEM0_DIR",
    "MEM0_TELEMETRY",
    "MEM0_TELEMETRY_DEBUG",
    "MEM0_TELEMETRY_EXIT_TIMEOUT",
    "MEM0_TELEMETRY_EXPORTER",
    "MEM0_TELEMETRY_OTLP_ENDPOINT",
    "MEM0_TELEMETRY_OTLP_HEADERS",
    "MEM0_TELEMETRY_OTLP_PROTOCOL",
    "MEM0_TELEMETRY_POSTHOG_API_KEY",
    "MEM0_TELEMETRY_POSTHOG_HOST",
    "MEM0_TELEMETRY_SAMPLE_RATE",
    "OTEL_SDK_DISABLED",
}
"""The variables that users set. The variables of build services and of pytest are only read."""

PARAMETERS = {
    "flush": "timeout=5",
    "get_logger_provider": "",
    "instrument": (
        "*, usage=True, operations=True, tracer_provider=None, meter_provider=None, "
        "request_hook=None, response_hook=None"
    ),
    "set_enabled": "enabled",
    "shutdown": "timeout=None",
    "status": "",
    "uninstrument": "",
}
"""Function of `mem0_telemetry` -> its parameters."""


@pytest.mark.parametrize("module", PUBLIC)
def test_all_is_the_golden_list(module: str) -> None:
    """`__all__` contains exactly the listed names, each once."""
    listed = importlib.import_module(module).__all__
    assert set(listed) == PUBLIC[module]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", PUBLIC)
def test_every_listed_name_can_be_imported(module: str) -> None:
    """`from module import *` imports exactly the listed names, and `dir()` contains them."""
    namespace: dict[str, object] = {}
    exec(f"from {module} import *", namespace)  # noqa: S102  # a fixed text
    assert namespace.keys() - {"__builtins__"} == PUBLIC[module]
    assert set(dir(importlib.import_module(module))) >= PUBLIC[module]


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_that_a_module_defines_are_listed(module: str) -> None:
    """The list contains each name without an underscore that a public module defines: such a name is a promise."""
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    bound: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound.update(target.id for target in targets if isinstance(target, ast.Name))
    public = {
        name for name in bound if not name.startswith(("_", "pytest_"))
    }  # pytest's hooks are called by pytest
    assert public - {"TYPE_CHECKING"} <= PUBLIC[module]


@pytest.mark.parametrize("function", PARAMETERS)
def test_parameters_are_the_golden_list(function: str) -> None:
    """The public functions keep the names, order, kinds and defaults of their parameters."""
    signature = inspect.signature(getattr(importlib.import_module("mem0_telemetry"), function))
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    assert str(inspect.Signature(bare)) == f"({PARAMETERS[function]})"


def test_environment_variables_are_the_golden_list() -> None:
    """`mem0_telemetry.environment_variables` has one constant for each documented variable, and no others."""
    found = vars(importlib.import_module("mem0_telemetry.environment_variables"))
    ours = {value for name, value in found.items() if name.isupper() and isinstance(value, str)}
    assert {value for value in ours if not value.startswith("PYTEST_")} == VARIABLES


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that the package does not have raises an `AttributeError`, whose message contains the name."""
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = importlib.import_module("mem0_telemetry").nothing_of_this_name
