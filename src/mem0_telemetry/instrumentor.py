# SPDX-License-Identifier: Apache-2.0
"""`Mem0Instrumentor`: OpenTelemetry's way to call `instrument()`, and the entry point for zero-code instrumentation."""

from __future__ import annotations

from collections.abc import Collection
from inspect import signature
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # upstream's module begins with `# type: ignore`

from mem0_telemetry.api.instrumentation import instrument, uninstrument

__all__ = ["Mem0Instrumentor"]

_instruments = ("mem0ai >= 1.0",)


class Mem0Instrumentor(BaseInstrumentor):
    """Instruments Mem0; takes the arguments of `mem0_telemetry.instrument`.

    `opentelemetry-instrument python app.py` finds it by its entry point `mem0`, and
    `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=mem0` disables it.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return mem0ai from 1.0.0 on, without an upper bound: `import mem0` works even if this package fails."""
        return _instruments

    def _instrument(self, **kwargs: Any) -> None:
        known = signature(instrument).parameters  # `BaseInstrumentor` also passes its own arguments
        instrument(**{name: value for name, value in kwargs.items() if name in known})

    def _uninstrument(self, **_: Any) -> None:
        uninstrument()
