"""The cost of imports, measured in loaded modules, not in seconds: a count is the same on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.interpreter

OPTED_OUT_CALL = """
import mem0_telemetry
mem0_telemetry.instrument()
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.add", object(), {"sync_type": "sync"})
telemetry.capture_client_event("client.add", object(), {"sync_type": "sync"})
telemetry.AnonymousTelemetry().capture_event("mem0.add")
mem0_telemetry.flush()
"""


def loaded_by(code: str, home: Path, **settings: str) -> set[str]:
    """Return the modules that `code` loads in an interpreter without `site`, which would load some in advance."""
    program = (
        f"import sys\nsys.path[:] = {sys.path!r}\nbefore = set(sys.modules)\n{code}\n"
        "loaded = sorted(set(sys.modules) - before)\nimport json\nprint(json.dumps(loaded))\n"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=clean_environ(home, **settings),
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return set(json.loads(result.stdout))


def roots(modules: set[str]) -> set[str]:
    """Return the top-level packages of modules."""
    return {module.partition(".")[0] for module in modules}


def test_importing_the_package_loads_nothing(tmp_path: Path) -> None:
    """`import mem0_telemetry` loads its `__init__` and a few small modules of its own, and no other package."""
    small = ("api", "api.instrumentation", "api.process", "base", "base.guard", "base.lock", "version")
    own = {"mem0_telemetry", *(f"mem0_telemetry.{name}" for name in small)}
    # Without `site`, `os` is not loaded yet; in an application it always is.
    of_os = loaded_by("import os", tmp_path)
    assert loaded_by("import mem0_telemetry", tmp_path) - of_os == {"__future__", *own}


@pytest.mark.parametrize("rate", ["0.5", "10%"])
def test_opted_out_call_loads_no_library(rate: str, tmp_path: Path) -> None:
    """Opted out, `instrument()` and all calls load the standard library and our modules, without delivery."""
    loaded = loaded_by(OPTED_OUT_CALL, tmp_path, MEM0_TELEMETRY="False", MEM0_TELEMETRY_SAMPLE_RATE=rate)
    assert "mem0_telemetry.policy.registry" in loaded
    assert roots(loaded) <= {"mem0_telemetry", *sys.stdlib_module_names}
    delivery = {module for module in loaded if module.startswith("mem0_telemetry.delivery")}
    assert "importlib.metadata" not in loaded
    assert delivery == {"mem0_telemetry.delivery", "mem0_telemetry.delivery.fork_gate"}


def test_opted_out_after_mem0_loads_only_own_modules(tmp_path: Path) -> None:
    """Opted out after `import mem0`, `instrument()` and `status()` load only our modules and `difflib`."""
    mem0 = loaded_by("import mem0", tmp_path, MEM0_TELEMETRY="False")
    code = "import mem0, mem0_telemetry; mem0_telemetry.instrument(); mem0_telemetry.status()"
    both = loaded_by(code, tmp_path, MEM0_TELEMETRY="False")
    others = {module for module in both - mem0 if not module.startswith("mem0_telemetry")}
    assert others <= {"difflib"}


def test_drop_in_loads_what_the_first_event_needs(tmp_path: Path) -> None:
    """With consent, the drop-in (and so `import mem0`) loads the SDK; libraries that only send are loaded later."""
    loaded = loaded_by("import mem0_telemetry.telemetry", tmp_path)
    expected = {"opentelemetry.sdk._logs", "mem0_telemetry.pipeline.pipeline", "random", "importlib.metadata"}
    assert expected <= loaded
    assert roots(loaded) & {"posthog", "requests", "urllib3", "grpc", "httpx"} == set()


def test_drop_in_loads_fewer_modules_than_native_telemetry(tmp_path: Path) -> None:
    """The drop-in loads fewer modules than `import posthog` alone, which Mem0's own telemetry module executes."""
    on = loaded_by("import mem0_telemetry.telemetry", tmp_path)
    off = loaded_by("import mem0_telemetry.telemetry", tmp_path, MEM0_TELEMETRY="False")
    native = loaded_by("import posthog", tmp_path)
    assert len(off) < len(on) < len(native)


def test_importing_the_exporter_loads_no_library(tmp_path: Path) -> None:
    """`import opentelemetry.exporter.posthog` loads neither the SDK nor PostHog's client nor `requests`."""
    loaded = loaded_by("import opentelemetry.exporter.posthog", tmp_path)
    assert roots(loaded) & {"posthog", "requests", "urllib3", "dataclasses", "logging", "uuid"} == set()
    assert {module for module in loaded if module.startswith("opentelemetry.sdk")} == set()
