"""A tool that reads an attribute of every module in `sys.modules` causes no import and no exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import json, sys
import opentelemetry.exporter.posthog, mem0_telemetry
mem0_telemetry.instrument()
{mem0}
before = set(sys.modules)
for name in ("MY_PACKAGING_POLICY", "__version__", "__warningregistry__", "__wrapped__", "_private", "lambda_handler"):
    for module in sys.modules.values():  # the dictionary itself: an import in the loop is a RuntimeError
        getattr(module, name, None)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize("choice", ["true", "False"])
@pytest.mark.parametrize("mem0", ["", "import mem0"], ids=["alone", "mem0 loaded"])
def test_probing_every_module_imports_nothing(mem0: str, choice: str, tmp_path: Path) -> None:
    """Reading attributes of all modules imports nothing, with telemetry on or off, with Mem0 loaded or not."""
    environ = clean_environ(tmp_path, MEM0_TELEMETRY=choice, MEM0_TELEMETRY_POSTHOG_HOST="http://127.0.0.1:9")
    assert report_of(LOOK.format(mem0=mem0), environ) == []


def test_unknown_names_come_from_mem0_once_it_is_loaded(tmp_path: Path) -> None:
    """A name that we do not have is missing while Mem0 is not loaded; after that, Mem0's own module supplies it."""
    code = """
    import json
    import mem0_telemetry
    mem0_telemetry.instrument()
    from mem0_telemetry import telemetry
    before = hasattr(telemetry, "_parse_sample_rate")
    import mem0
    print(json.dumps([before, hasattr(telemetry, "_parse_sample_rate"), hasattr(telemetry, "no_such_name")]))
    """
    assert report_of(code, clean_environ(tmp_path, MEM0_TELEMETRY="False")) == [False, True, False]
