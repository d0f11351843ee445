"""The package's promises: its names, its version, and a README whose examples work."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opentelemetry.exporter.posthog as package
from opentelemetry.exporter.posthog import environment_variables

_README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
_SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("module", ["", ".mapping", ".environment_variables", ".testing"])
def test_public_modules_export_their_names(module: str) -> None:
    """Each name in `__all__` can be imported and `dir` shows it; any other name raises AttributeError."""
    public = importlib.import_module(f"opentelemetry.exporter.posthog{module}")
    assert sorted(public.__all__) == sorted(set(public.__all__))
    for name in public.__all__:
        assert getattr(public, name) is not None
        assert name in dir(public)
    with pytest.raises(AttributeError):
        _ = public.nothing_of_that_name


def test_the_version_is_that_of_the_distribution() -> None:
    """`__version__` is the version of the installed distribution."""
    assert package.__version__ == importlib.metadata.version("opentelemetry-exporter-posthog")


def test_entry_points() -> None:
    """The entry points named `posthog` load the exporters and the variables."""
    loaded = {
        group: next(iter(importlib.metadata.entry_points(group=group, name="posthog"))).load()
        for group in (
            "opentelemetry_logs_exporter",
            "opentelemetry_traces_exporter",
            "opentelemetry_environment_variables",
        )
    }
    assert list(loaded.values()) == [
        package.PostHogLogExporter,
        package.PostHogSpanExporter,
        environment_variables,
    ]


def test_the_package_is_typed_and_a_namespace() -> None:
    """`py.typed` is installed, and `opentelemetry.exporter` stays a namespace package."""
    home = Path(package.__file__).parent
    assert (home / "py.typed").exists()
    assert importlib.import_module("opentelemetry.exporter").__file__ is None


def test_the_quick_start_runs_as_written() -> None:
    """The README's quick start runs in a new process and prints the output that the README shows."""
    (code,) = re.findall(r"```python\n(import json.*?)```", _README, re.DOTALL)
    (printed,) = re.findall(r"It prints\n\n```text\n(.*?)```", _README, re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=180, check=True
    )
    assert result.stdout == printed
    assert result.stderr == ""


def test_the_readme_names_everything() -> None:
    """The README names each argument, each variable and each reason for a drop."""
    arguments = set(inspect.signature(package.PostHogLogExporter).parameters)
    sources = "".join(path.read_text(encoding="utf-8") for path in _SOURCES)
    reasons = set(re.findall(r'(?:NotAnEvent\(|_call\(.+, )"(\w+)"\)', sources))
    reasons |= set(re.findall(r'dropped\["(\w+)"\]', sources)) | {"rejected", "unauthorized", "redirected"}
    assert len(reasons) == 15
    for name in arguments | set(environment_variables.__all__) | reasons:
        assert f"`{name}`" in _README, name


def test_only_the_sender_imports_http_libraries() -> None:
    """Only the sender's modules import `posthog` and `requests`; an exporter without a key loads neither."""
    importing = {
        path.stem
        for path in _SOURCES
        if re.search(
            r"^(import|from) (posthog|requests|urllib3)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert importing == {"_session", "_sender"}
