# SPDX-License-Identifier: Apache-2.0
"""A fake PostHog on this machine for tests and demonstrations, and a check of the batches that it receives.

Usage:
    >>> with CaptureServer() as server:
    ...     exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
    ...     exporter.export(records)
    ...     assert server.wait_for(1, timeout=5)
    ...     assert check_batch(server.requests[0].body) == []
"""

from __future__ import annotations

from opentelemetry.exporter.posthog._check import check_batch
from opentelemetry.exporter.posthog.testing._server import Answer, CapturedRequest, CaptureServer

__all__ = ["Answer", "CaptureServer", "CapturedRequest", "check_batch"]
