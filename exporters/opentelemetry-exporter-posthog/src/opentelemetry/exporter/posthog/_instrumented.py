# SPDX-License-Identifier: Apache-2.0
"""The entry point that `opentelemetry-instrument` calls when everything is instrumented."""

from __future__ import annotations

import sys


def add_context_processor() -> None:
    """Install `PostHogContextProcessor` where a log exporter of this package was built; else import nothing."""
    module = sys.modules.get(f"{__package__}._exporter")
    if module and any(isinstance(one, module.PostHogLogExporter) for one in module.exporters):
        from opentelemetry.exporter.posthog._processor import PostHogContextProcessor  # noqa: PLC0415

        PostHogContextProcessor.install()
