"""Help the tests of delivery: a pipeline that sends to a loopback destination, and programs that run one.

The tests import this module, and so do the programs that they start.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.sink import Answer, Sink, sinks, wait_until  # noqa: F401  # for the tests and their programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.delivery import Delivery, Destination, Limits
    from mem0_telemetry.delivery._config import Wiring
    from mem0_telemetry.delivery._status import Drops

NOBODY = 1
"""A port where nothing listens: a destination that is down."""
ROOT = Path(__file__).parents[2]
"""The root of the repository."""
NO_LOCKS = "DELIVERY_WITHOUT_LOCKS" in os.environ
"""Whether tests and programs run as on a platform without `fcntl` and fork hooks (`make test-without-locks`)."""
if NO_LOCKS:
    sys.modules["fcntl"] = None  # type: ignore[assignment]  # An import of None fails.
    for name in ("register_at_fork", "fork"):
        if hasattr(os, name):
            delattr(os, name)


def to_json(record: ReadableLogRecord) -> dict[str, Any]:
    """Return the JSON object that the sink receives for a record."""
    log_record = record.log_record
    return {"event": log_record.event_name, "time_ns": log_record.timestamp, **(log_record.attributes or {})}


def exporter_to(port: int, timeout: float = 5.0) -> LogRecordExporter:
    """Return a small exporter: one POST for each batch, and FAILURE for every status except 200."""
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

    class LoopbackExporter(LogRecordExporter):
        retry_after: float | None = None

        def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
            try:
                connection.request("POST", "/", json.dumps([to_json(record) for record in batch]))
                response = connection.getresponse()
            except OSError:
                return LogRecordExportResult.FAILURE
            finally:
                connection.close()
            after = response.getheader("Retry-After")
            self.retry_after = float(after) if after else None
            return LogRecordExportResult.SUCCESS if response.status == 200 else LogRecordExportResult.FAILURE

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            del timeout_millis
            return True

    return LoopbackExporter()


def destination_to(port: int, name: str = "loop", fingerprint: str = "abc123", **kwargs: Any) -> Destination:
    """Return a destination that sends to the sink at `port`."""
    from mem0_telemetry.delivery import Destination

    return Destination(
        name=name, fingerprint=fingerprint, build=kwargs.pop("build", lambda: exporter_to(port)), **kwargs
    )


def quick_limits(**kwargs: Any) -> Limits:
    """Return limits with times short enough for a test to wait."""
    from mem0_telemetry.delivery import Limits

    return Limits(**{"backoff_initial": 0.02, "quiet_interval": 0.5, "busy_interval": 0.1, **kwargs})


class Emitter:
    """Emits on its own provider, which it builds on first use, as a composition root would."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None
        """Must be set before the first event."""
        self._logger: Any = None

    def __call__(self, time_ns: int, event: str, attributes: Any) -> None:
        """Emit one event."""
        from opentelemetry._logs import LogRecord, SeverityNumber

        if self._logger is None:
            assert self.delivery is not None
            self._logger = provider_of(self.delivery).get_logger("tests", "1")
        self._logger.emit(
            LogRecord(
                timestamp=time_ns,
                event_name=event,
                attributes=attributes,
                severity_number=SeverityNumber.INFO,
            )
        )


def provider_of(delivery: Delivery) -> Any:
    """Return a provider whose records go through `delivery`."""
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(resource=Resource({"service.name": "tests"}), shutdown_on_exit=False)
    provider.add_log_record_processor(delivery.processor)
    return provider


def pipeline(directory: Path | None, *destinations: Destination, **kwargs: Any) -> Delivery:
    """Return a delivery with its own provider, which imports the SDK; `kwargs` override arguments of `Delivery`."""
    from mem0_telemetry.delivery import Delivery

    emitter = Emitter()
    arguments: dict[str, Any] = {
        "directory": directory,
        "destinations": destinations,
        "emit": emitter,
        "accept": lambda record: record,
        "allowed": lambda: True,
        "thread_prefix": "tests",
        **kwargs,
    }
    delivery = Delivery(**arguments)
    emitter.delivery = delivery
    return delivery


def wiring(drops: Drops, **kwargs: Any) -> Wiring:
    """Return the `Wiring` of a delivery, to test one of its parts alone."""
    from mem0_telemetry.base.clock import SystemClock
    from mem0_telemetry.delivery._config import Limits, Wiring

    shared: dict[str, Any] = {
        "directory": None,
        "emit": lambda *_: None,
        "dropped_attributes": None,
        "accept": lambda record: record,
        "allowed": lambda: True,
        "discard": lambda: None,
        "backlog": lambda: 0,
        "drops": drops,
        "limits": Limits(),
        "clock": SystemClock(),
        "thread_prefix": "tests",
        **kwargs,
    }
    return Wiring(**shared)


def to_sink(directory: str | Path | None, port: int, **kwargs: Any) -> Delivery:
    """Return a delivery with one destination, the sink at `port`, which is enough for most programs."""
    return pipeline(Path(directory) if directory else None, destination_to(port), **kwargs)


def enqueue_numbers(delivery: Delivery, numbers: Sequence[int] | range) -> int:
    """Enqueue one event for each number; return how many were accepted."""
    return sum(delivery.enqueue("test.event", {"n": number, "text": "x" * 20}) for number in numbers)


def spooled_files(directory: Path) -> list[Path]:
    """Return the paths of the batches on disk, for all destinations."""
    return sorted((directory / "spool").glob("*/*.jsonl"))


def files(directory: Path) -> list[str]:
    """Return the names of all files in `directory`, at any depth."""
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


class Pause:
    """A point in the code where one thread waits until the test releases it."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def here(self) -> None:
        """Wait at the first call until the test calls `end`; return at once at later calls."""
        if not self.reached.is_set():
            self.reached.set()
            assert self._go_on.wait(60)

    def wait(self) -> None:
        """Wait until a thread has reached this point."""
        assert self.reached.wait(60)

    def end(self) -> None:
        """Release the waiting thread."""
        self._go_on.set()


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program: our source, `more`, and almost nothing from this process.

    Coverage is not measured in it: that would write files and print in tests of limits and signals.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    if NO_LOCKS:
        kept["DELIVERY_WITHOUT_LOCKS"] = "1"
    path = (ROOT / "src", ROOT / "tests")
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, path)), **more}


PRELUDE = """import sys, os, time, threading, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # the process that runs the tests may ignore them
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from support import listening  # says on stderr what an application that logs everything would hear
from support.delivery import *
D, P = sys.argv[1], int(sys.argv[2])
"""
"""The first lines of every program."""


def start(code: str | Path, directory: Path, port: int, **kwargs: Any) -> subprocess.Popen[str]:
    """Start a program (a file, or code after the prelude) with `D` (directory) and `P` (port of the sink)."""
    program = [str(code)] if isinstance(code, Path) else ["-c", PRELUDE + code]
    return subprocess.Popen(
        [kwargs.pop("python", sys.executable), *program, str(directory), str(port)],
        env=environment(**kwargs.pop("env", {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


@dataclass
class Finished:
    """A program that has ended."""

    code: int
    out: str
    err: str
    seconds: float


def run(code: str | Path, directory: Path, port: int, *, timeout: float = 180.0, **kwargs: Any) -> Finished:
    """Run a program to its end."""
    started = time.monotonic()
    process = start(code, directory, port, **kwargs)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Finished(process.returncode, out, err, time.monotonic() - started)


def deliver_the_rest(directory: Path, sink: Sink) -> None:
    """Run one program that sends the batches of earlier runs; its own event, which is sent last, has the number -1.

    Its spool has room for more than 32 MB, because hundreds of runs may have left that much.
    """
    code = """
from mem0_telemetry.delivery import Limits
d = to_sink(D, P, limits=Limits(spool_bytes=2**30)); enqueue_numbers(d, [-1]); assert d.flush(100), d.status()
"""
    finished = run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
