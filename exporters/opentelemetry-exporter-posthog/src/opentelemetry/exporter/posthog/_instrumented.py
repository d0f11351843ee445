# SPDX-License-Identifier: Apache-2.0
"""The entry point that `opentelemetry-instrument` calls after all instrumentations are loaded."""

from __future__ import annotations

import sys


def add_context_processor() -> None:
    """Install `PostHogContextProcessor` if this package's log exporter is loaded; otherwise import nothing."""
    if f"{__package__}._log_exporter" in sys.modules:
        from opentelemetry.exporter.posthog._processor import (  # noqa: PLC0415  # loads the SDK
            PostHogContextProcessor,
        )

        PostHogContextProcessor.install()
