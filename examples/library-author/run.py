"""Use the library in two processes, with telemetry on and off, and with a fake PostHog."""
# ruff: noqa: INP001, T201

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from opentelemetry.exporter.posthog.testing import CaptureServer

PROGRAM = """
import sys
from tidy import tidy
tidy("what  a   mess")
tidy("fine already")
print("opentelemetry.sdk" in sys.modules)
"""


def main() -> int:
    """Return 0 if both events arrived with telemetry on, and nothing was imported or sent with telemetry off."""
    with CaptureServer() as posthog:
        use_library(posthog.url, TIDY_TELEMETRY="true")
        events = posthog.events
    print("On, PostHog got:")
    for event in events:
        print(json.dumps(event, indent=2))
    with CaptureServer() as posthog:
        imported = use_library(posthog.url, TIDY_TELEMETRY="false")
        requests = len(posthog.requests)
    print(f"Off, PostHog got {requests} requests; OpenTelemetry's SDK was imported: {imported}")
    as_promised = [event["properties"]["words"] for event in events] == [3, 2] and not requests
    return 0 if as_promised and imported == "False" else 1


def use_library(host: str, **environ: str) -> str:
    """Run a program that uses the library; return its output."""
    result = subprocess.run(  # noqa: S603  # the program above
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parent,
        env={**os.environ, "TIDY_TELEMETRY_HOST": host, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
