"""What the tests of the delivery share: a pipeline that sends to a loopback destination, and programs with one.

Imported by the tests and by the programs that they start as processes of their own.
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
"""A port at which nothing listens: a destination that is down."""
ROOT = Path(__file__).parents[2]
"""The worktree."""
NO_LOCKS = "DELIVERY_WITHOUT_LOCKS" in os.environ
"""The tests and their programs run as on a platform without `fcntl` and fork hooks: `make test` does both."""
if NO_LOCKS:
    sys.modules["fcntl"] = None  # type: ignore[assignment]  # what makes an import fail
    for name in ("register_at_fork", "fork"):
        if hasattr(os, name):
            delattr(os, name)


def to_json(record: ReadableLogRecord) -> dict[str, Any]:
    """Return what the sink gets of a record."""
    log_record = record.log_record
    return {"event": log_record.event_name, "time_ns": log_record.timestamp, **(log_record.attributes or {})}


def exporter_to(port: int, timeout: float = 5.0) -> LogRecordExporter:
    """Return a tiny exporter: one POST for each batch, FAILURE for all but 200."""
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
    """Return a destination that is the sink at `port`."""
    from mem0_telemetry.delivery import Destination

    return Destination(
        name=name, fingerprint=fingerprint, build=kwargs.pop("build", lambda: exporter_to(port)), **kwargs
    )


def quick_limits(**kwargs: Any) -> Limits:
    """Limits with times that a test can wait for."""
    from mem0_telemetry.delivery import Limits

    return Limits(**{"backoff_initial": 0.02, "quiet_interval": 0.5, "busy_interval": 0.1, **kwargs})


class Emitter:
    """Emits on a provider of its own, made on first use, as a composition root would."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None
        """To be set before the first event."""
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
    """Return what a part of a delivery is given, for the tests of one by itself."""
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
    """Return a delivery with one destination, the sink at `port`: what most programs need."""
    return pipeline(Path(directory) if directory else None, destination_to(port), **kwargs)


def enqueue_numbers(delivery: Delivery, numbers: Sequence[int] | range) -> int:
    """Enqueue one event for each number; return how many were accepted."""
    return sum(delivery.enqueue("test.event", {"n": number, "text": "x" * 20}) for number in numbers)


def spooled_files(directory: Path) -> list[Path]:
    """Return the batches on disk, of all destinations."""
    return sorted((directory / "spool").glob("*/*.jsonl"))


def files(directory: Path) -> list[str]:
    """Return the names of all files in it, at any depth."""
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


class Pause:
    """A place in the code where one thread waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def here(self) -> None:
        """Wait, the first time."""
        if not self.reached.is_set():
            self.reached.set()
            assert self._go_on.wait(60)

    def wait(self) -> None:
        """Until a thread is there."""
        assert self.reached.wait(60)

    def end(self) -> None:
        """Let it go on."""
        self._go_on.set()


def environment(**more: str) -> dict[str, str]:
    """For a program: this interpreter's packages, our source, nothing else of the environment.

    Its coverage is not measured: that writes files and prints where a limit or a signal is what is tested.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    if NO_LOCKS:
        kept["DELIVERY_WITHOUT_LOCKS"] = "1"
    path = (ROOT / "src", ROOT / "tests")
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, path)), **more}


PRELUDE = """import sys, os, time, threading, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore them
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from support import listening  # says on stderr what an application that logs everything would hear
from support.delivery import *
D, P = sys.argv[1], int(sys.argv[2])
"""
"""What every program begins with."""


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
    """One clean run that sends what earlier ones left; its own event, which goes last, has the number -1.

    It has room for more than 32 MB, which is what hundreds of runs may have left.
    """
    code = """
from mem0_telemetry.delivery import Limits
d = to_sink(D, P, limits=Limits(spool_bytes=2**30)); enqueue_numbers(d, [-1]); assert d.flush(100), d.status()
"""
    finished = run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
