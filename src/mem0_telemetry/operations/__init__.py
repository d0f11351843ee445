# SPDX-License-Identifier: Apache-2.0
"""Record Mem0's operations as spans and metrics in the application's own OpenTelemetry providers.

Nothing recorded here is ever sent to the vendor, and the switches of usage telemetry have no effect on it. Importing
this package does not import OpenTelemetry, and neither does a call into Mem0: in a process that has not imported
OpenTelemetry, such a call goes straight to Mem0.
"""

from __future__ import annotations

from mem0_telemetry.operations._instrumentation import Instrumentation

__all__ = ["install", "remove", "state"]

_instrumentation = Instrumentation()
install = _instrumentation.install
remove = _instrumentation.remove
state = _instrumentation.state
