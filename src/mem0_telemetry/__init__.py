# SPDX-License-Identifier: Apache-2.0
"""Mem0's usage telemetry on OpenTelemetry.

Importing this package does nothing and costs nothing: a name loads its dependencies when it is first used.

Public names: `instrument`, `uninstrument`, `Mem0Instrumentor`, `set_enabled`, `status`, `Status`,
`get_logger_provider`, `flush`, `shutdown`; and the modules `mem0_telemetry.telemetry` (the drop-in for
`mem0.memory.telemetry`), `mem0_telemetry.testing` (a plugin for tests) and `mem0_telemetry.environment_variables`.
"""

from __future__ import annotations

# Import these now, not in `__getattr__`: a signal handler that calls one may interrupt the import that it would start.
from mem0_telemetry.api.instrumentation import instrument, uninstrument
from mem0_telemetry.api.process import flush, get_logger_provider, set_enabled, shutdown

# Import this now too: tools read the version of every module in `sys.modules`, which must not start an import.
from mem0_telemetry.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mem0_telemetry.api.status import Status, status
    from mem0_telemetry.instrumentor import Mem0Instrumentor

__all__ = [
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
]


def __getattr__(name: str) -> object:
    if name == "Mem0Instrumentor":
        from mem0_telemetry.instrumentor import Mem0Instrumentor  # noqa: PLC0415

        return Mem0Instrumentor
    if name in ("Status", "status"):
        from mem0_telemetry.api import status as module  # noqa: PLC0415

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
