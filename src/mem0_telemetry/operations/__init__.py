# SPDX-License-Identifier: Apache-2.0
"""Mem0's operations as spans and metrics in the application's own OpenTelemetry providers.

The application's channel: nothing here is ever sent to the vendor, and the switches of usage telemetry do not
touch it. Importing this package imports no OpenTelemetry, and neither does a call into Mem0 in a process that
has not imported it: such a call passes straight through.
"""

from __future__ import annotations

from mem0_telemetry.operations._instrumentation import Instrumentation

__all__ = ["install", "remove", "state"]

_instrumentation = Instrumentation()
install = _instrumentation.install
remove = _instrumentation.remove
state = _instrumentation.state
