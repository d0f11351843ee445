"""Run real OTLP receivers of other projects, each from its package in an environment under `.venvs/`.

`make test` and `make test-backends` install them; this module does not. It uses them on 127.0.0.1 only. Phoenix's gRPC
port, which it does not use, listens on every interface, because Phoenix has no setting for that.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from typing_extensions import Self

ENVIRONMENTS = Path(__file__).parents[2] / ".venvs"


class Receiver:
    """A receiver that runs on free ports of this machine during the `with` block."""

    command = ""
    """The path of its executable below `.venvs/`."""
    ready = ""
    """A URL path that answers once the receiver is up."""
    patience = 120.0
    """Seconds that it may take to start."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.ports = [_free_port() for _ in range(3)]

    @property
    def url(self) -> str:
        """Return the OTLP/HTTP base URL, which answers queries too."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def arguments(self) -> list[str]:
        """Return the arguments of its command."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure it."""
        return {}

    def query(self, path: str) -> Any:
        """Return its API's answer to a GET."""
        return json.loads(self._get(path))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as response:  # noqa: S310  # 127.0.0.1
            body: bytes = response.read()
            return body

    def __enter__(self) -> Self:
        executable = ENVIRONMENTS / self.command
        assert executable.exists(), f"{self.command} is not installed; `make test-backends` does that"
        with (self._scratch / "receiver.log").open("wb") as log:
            self._process = subprocess.Popen(
                [executable, *self.arguments()],
                cwd=self._scratch,
                env={"PATH": os.environ["PATH"], "HOME": str(self._scratch), **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if not self._is_up():
            self.__exit__(None, None, None)
            raise AssertionError((self._scratch / "receiver.log").read_text())
        return self

    def _is_up(self) -> bool:
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(urllib.error.URLError, ConnectionError):
                self._get(self.ready)
                return True
            time.sleep(0.2)
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Phoenix(Receiver):
    """Arize Phoenix: a product with a store and a user interface; it accepts traces."""

    command = "phoenix/bin/phoenix"
    ready = "/healthz"

    def arguments(self) -> list[str]:
        """Return its subcommand."""
        return ["serve"]

    def environment(self) -> dict[str, str]:
        """Return its ports and directory; switch its own telemetry off."""
        return {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.ports[0]),
            "PHOENIX_GRPC_PORT": str(self.ports[1]),
            "PHOENIX_WORKING_DIR": str(self._scratch),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }

    def spans(self, count: int) -> list[dict[str, Any]]:
        """Return its spans once it has stored `count`; it stores them in batches."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 60
        while len(found) < count and time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                found = self.query("/v1/projects/default/spans/otlpv1?limit=1000")["data"]
            except urllib.error.HTTPError:  # The first span creates the project.
                continue
        return found


class TestAgent(Receiver):
    """Datadog's test agent: accepts all three signals and returns what it received."""

    __test__ = False
    command = "ddapm/bin/ddapm-test-agent"
    ready = "/test/session/metrics"

    def arguments(self) -> list[str]:
        """Return its ports; switch forwarding off."""
        return [
            "--host=127.0.0.1",
            f"--otlp-http-port={self.ports[0]}",
            f"--otlp-grpc-port={self.ports[1]}",
            f"--port={self.ports[2]}",
            f"--snapshot-dir={self._scratch}",
            "--disable-llmobs-data-forwarding",
        ]

    def environment(self) -> dict[str, str]:
        """Switch its own telemetry off."""
        return {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0"}

    @property
    def grpc(self) -> str:
        """Return the OTLP/gRPC URL."""
        return f"http://127.0.0.1:{self.ports[1]}"

    def log_records(self) -> list[dict[str, Any]]:
        """Return every log record that it has received: its name, body, attributes and resource attributes."""
        return [
            {
                "event_name": record.get("event_name"),
                "body": record["body"]["string_value"],
                "attributes": attributes_of(record),
                "resource": attributes_of(resource.get("resource", {})),
            }
            for request in self.query("/test/session/logs")
            for resource in request.get("resource_logs", [])
            for scope in resource.get("scope_logs", [])
            for record in scope.get("log_records", [])
        ]

    def histograms(self) -> dict[str, dict[str, Any]]:
        """Return every histogram that it has received, by name."""
        return {
            metric["name"]: metric["histogram"]
            for request in self.query("/test/session/metrics")
            for resource in request["resource_metrics"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            if "histogram" in metric
        }


class Rotel(Receiver):
    """A collector: accepts OTLP over HTTP, answers, and forwards in its own batches.

    Args:
        scratch: a directory for its log.
        downstream: the base URL of the OTLP/HTTP endpoint to which it forwards.
    """

    def __init__(self, scratch: Path, downstream: str) -> None:
        super().__init__(scratch)
        self.command = str(next(ENVIRONMENTS.glob("rotel/lib/*/site-packages/rotel/rotel-agent"), "rotel"))
        self._downstream = downstream

    def arguments(self) -> list[str]:
        """Return its ports and the endpoint to which it forwards; the rest are defaults."""
        return [
            "start",
            f"--otlp-http-endpoint=127.0.0.1:{self.ports[0]}",
            f"--otlp-grpc-endpoint=127.0.0.1:{self.ports[1]}",
            "--exporter=otlp",
            "--otlp-exporter-protocol=http",
            f"--otlp-exporter-endpoint={self._downstream}",
        ]

    def _get(self, _: str) -> bytes:
        """Connect only: it serves no page."""
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=10):
            return b""


def attributes_of(holder: dict[str, Any], known: Collection[str] | None = None) -> dict[str, Any]:
    """Return OTLP attributes, in either JSON spelling, as plain values; only `known` names if given."""
    plain: dict[str, Any] = {}
    for attribute in holder.get("attributes") or []:
        given = {kind: value for kind, value in attribute["value"].items() if value is not None}
        ((kind, value),) = given.items()
        if known is None or attribute["key"] in known:
            plain[attribute["key"]] = int(value) if kind in {"int_value", "intValue"} else value
    return plain


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
