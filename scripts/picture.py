"""Create the README's picture: a trace of Mem0's operations and a usage event, in the web page of an OTLP backend.

    make picture

A real application runs once against `autotel-devtools`, an OTLP backend from npm, and headless Chromium photographs two
of its pages. Everything is on 127.0.0.1. Needs Debian's `chromium` and `npm`; look at the result before you commit it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "picture.png"
MODULES = ROOT / ".venvs" / "autotel" / "node_modules"
SIZE = "1100,1206"
WIDER_NAMES = r".w-\[200px\] { width: 320px !important }"
"""A style for the backend's page, which otherwise truncates the names of spans."""

APPLICATION = """
import os
from pathlib import Path
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "tea-shop"}))
exporter = OTLPSpanExporter(os.environ["MEM0_TELEMETRY_OTLP_ENDPOINT"] + "/v1/traces")
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)

import mem0_telemetry
mem0_telemetry.instrument()
from mem0 import Memory
from mem0_telemetry.cli.harness.fake_models import configuration

memory = Memory.from_config(configuration(Path("memory")))
with trace.get_tracer("tea-shop").start_as_current_span("POST /chat"):
    memory.add("I prefer green tea.", user_id="alice")
    memory.search("What do I drink?", filters={"user_id": "alice"})
provider.shutdown()
assert mem0_telemetry.flush(30)
"""

BACKEND = """<!DOCTYPE html><title>backend</title><style>html,body{{margin:0;height:100%;overflow:hidden}}</style>
<body><script src="{url}/widget.js?mode=fullpage"></script>"""
"""The backend's page, served by us: the page around it has the same origin and can click on it."""

AROUND = """<!DOCTYPE html><title>picture</title>
<style>
  body {{ margin: 0; background: #fff; font: 600 17px "DejaVu Sans", sans-serif; color: #222 }}
  p {{ margin: 0; padding: 14px 16px 10px }}
  div {{ overflow: hidden; border: 1px solid #ccd; margin: 0 12px }}
  iframe {{ border: 0; display: block; width: 1323px; height: 960px; margin-left: -248px }}
</style>
<p>Mem0's operations, in the application's own trace</p>
<div style="height: 642px"><iframe style="margin-top: -158px" src="backend.html#trace={trace}"></iframe></div>
<p>The usage event of that search, with all its attributes</p>
<div style="height: 450px"><iframe style="margin-top: -84px" src="backend.html#tab=logs"></iframe></div>
<script>
  function arrange() {{
    const [trace, logs] = [0, 1].map(n => frames[n].document.getElementById("autotel-devtools-root")?.shadowRoot);
    const event = logs && [...logs.querySelectorAll("*")].filter(e => e.textContent.trim() === "mem0.search").at(-1);
    if (!trace || !event) return setTimeout(arrange, 100);
    trace.append(Object.assign(document.createElement("style"), {{textContent: {names}}}));
    event.click();
  }}
  arrange();
</script>
"""


def main() -> None:
    """Run the backend and the application, and photograph the received trace and event."""
    with tempfile.TemporaryDirectory() as directory, backend(Path(directory)) as url:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": directory,
            "MEM0_TELEMETRY": "true",
            "MEM0_TELEMETRY_OTLP_ENDPOINT": url,
            "MEM0_TELEMETRY_SAMPLE_RATE": "1",
        }
        subprocess.run([sys.executable, "-c", APPLICATION], cwd=directory, env=environ, check=True)
        (trace,) = json.loads(ask(f"{url}/api/query/traces", b"{}"))["traces"]
        site = Path(directory, "site")
        site.mkdir()
        (site / "backend.html").write_text(BACKEND.format(url=url))
        (site / "index.html").write_text(AROUND.format(trace=trace["traceId"], names=json.dumps(WIDER_NAMES)))
        with served(site) as address:
            photograph(address, Path(directory))


@contextmanager
def backend(scratch: Path) -> Iterator[str]:
    """Run the backend on free ports while the `with` block lasts."""
    http, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{http}"
    command = [MODULES / "node/bin/node", MODULES / "autotel-devtools/dist/cli.js", "--host", "127.0.0.1"]
    command += ["--port", str(http), "--grpc-port", str(grpc), "--db", scratch / "autotel.db"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(scratch), "AUTOTEL_DEVTOOLS_SOURCE_ROOT": "false"}
    process = subprocess.Popen(command, cwd=scratch, env=environ, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(urllib.error.URLError):
                ask(f"{url}/healthz")
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str, body: bytes | None = None) -> bytes:
    """Return the backend's answer to a GET, or to a POST of the JSON `body`."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  # 127.0.0.1
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # 127.0.0.1
        answer: bytes = response.read()
        return answer


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Print nothing: the backend's page requests paths that our server does not have."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a directory while the `with` block lasts."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def photograph(address: str, scratch: Path) -> None:
    """Make Chromium load the page, wait until it is complete, and write the picture."""
    chromium = shutil.which("chromium")
    assert chromium, "needs chromium: apt-get install chromium"
    options = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "hide-scrollbars"]
    options += ["disable-background-networking", "disable-component-update", "disable-sync"]
    options += [f"window-size={SIZE}", "virtual-time-budget=10000", f"user-data-dir={scratch / 'browser'}"]
    command = [chromium, *(f"--{option}" for option in options), f"--screenshot={PICTURE}", address]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=120)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
