"""`make bench-volume`: measure the events, requests and bytes that one process sends at a steady rate of calls.

The bytes of a request are its request line, headers and body as sent, without TCP, TLS and the answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from opentelemetry.exporter.posthog.testing import CaptureServer

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CapturedRequest

SECONDS = 20
DAY = 24 * 60 * 60
SAMPLE_RATE = 0.1
"""The rate of Mem0 and of this package. To save time, the benchmark makes a tenth of the calls and keeps them all."""

PROGRAM = """
import pathlib, sys, time
import mem0_telemetry
mem0_telemetry.instrument()
import mem0
from mem0_telemetry.cli.harness.fake_models import configuration
memory = mem0.Memory.from_config(configuration(pathlib.Path("store")))
mem0_telemetry.flush(60)
rate, seconds = map(float, sys.argv[1:])
begun = time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0.0, begun + number / rate - time.monotonic()))
    memory.search("tea", filters={"user_id": "alice"})
mem0_telemetry.flush(60)
"""


def measure(destination: str, rate: float) -> list[CapturedRequest]:
    """Return the requests with searches of a process that makes and keeps `rate` searches a second."""
    with CaptureServer() as server, tempfile.TemporaryDirectory() as home:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("MEM0_", "OTEL_"))
        }
        settings = {
            "HOME": home,
            "MEM0_TELEMETRY": "true",
            "MEM0_TELEMETRY_EXPORTER": destination,
            "MEM0_TELEMETRY_SAMPLE_RATE": "1",
            "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_bench",
            "MEM0_TELEMETRY_POSTHOG_HOST": server.url,
            "MEM0_TELEMETRY_OTLP_ENDPOINT": server.url,
        }
        command = [sys.executable, "-c", PROGRAM, str(rate), str(SECONDS)]
        subprocess.run(command, env=inherited | settings, cwd=home, check=True)
        return [request for request in server.requests if b"mem0.search" in request.body]


def size_of(request: CapturedRequest) -> int:
    """Return the number of bytes of a request."""
    headers = sum(len(f"{name}: {value}\r\n") for name, value in request.headers.items())
    return len(f"POST {request.path} HTTP/1.1\r\n\r\n") + headers + len(request.raw_body)


def main() -> None:
    """Print the table."""
    print("| calls a second | events a day | destination | events in a request | bytes an event | MB a day |")
    print("| --- | --- | --- | --- | --- | --- |")
    for calls in (10, 100, 1000):
        kept = calls * SAMPLE_RATE
        for destination in ("posthog", "otlp"):
            requests = measure(destination, kept)
            each = sum(map(size_of, requests)) / (kept * SECONDS)
            together = kept * SECONDS / len(requests)
            print(
                f"| {calls} | {kept * DAY:,.0f} | {destination} | {together:.1f} | {each:,.0f} "
                f"| {each * kept * DAY / 1e6:,.0f} |"
            )


if __name__ == "__main__":
    main()
