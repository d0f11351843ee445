"""`make bench-one-shot`: count the short processes that deliver before they exit; at the exit they lose their disk.

Each run records three events and exits, with its own home and a healthy but distant server.
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from relay import distant

from opentelemetry.exporter.posthog.testing import CaptureServer

PROGRAM = """
import time
from mem0_telemetry import telemetry
for _ in range(3):
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
print(time.time(), flush=True)
"""


def certificate(directory: Path) -> Path:
    """Create a key and a self-signed certificate for this machine in one file."""
    path = directory / "localhost.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {path} -out {path.with_suffix('.crt')}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def measure(runs: int, round_trip: float, pem: Path | None) -> str:
    """Run the program `runs` times; return how many delivered and how long they took to exit, as text."""
    tls = None
    if pem is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
    seconds, delivered = [], 0
    for _ in range(runs):
        with (
            tempfile.TemporaryDirectory() as home,
            CaptureServer(tls=tls) as server,
            distant(server.port, round_trip) as port,
        ):
            scheme = "https" if tls else "http"
            environ = {
                name: value for name, value in os.environ.items() if not name.startswith(("MEM0_", "OTEL_"))
            }
            environ |= {
                "HOME": home,
                "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_bench",
                "MEM0_TELEMETRY_POSTHOG_HOST": f"{scheme}://localhost:{port}",
                "REQUESTS_CA_BUNDLE": str(pem or ""),
            }
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM],
                env=environ,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            seconds.append(time.time() - float(done.stdout))
            time.sleep(round_trip)  # Data may still be under way when the process exits.
            delivered += len(server.events) == 3
    return (
        f"{delivered} of {runs} delivered in their own run, "
        f"exit {statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (longest)"
    )


def main() -> None:
    """Print one line for each round trip and scheme."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        pem = certificate(Path(directory))
        for round_trip in (0.1, 0.3):
            for scheme, file in (("HTTP", None), ("HTTPS", pem)):
                found = measure(runs, round_trip, file)
                print(f"{scheme}, round trip {round_trip * 1e3:.0f} ms: {found}", flush=True)


if __name__ == "__main__":
    main()
