"""`make bench`: compare our telemetry with Mem0's own in one run, and print one table.

Each figure is measured in a separate process, native and ours in turn; the table shows medians. No data leaves this
machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import exits
from table import KINDS, child, environ_of, show

from opentelemetry.exporter.posthog.testing import CaptureServer


def medians(what: str, runs: int, **settings: str) -> dict[str, float]:
    """Return the median of `runs` runs for each kind; the kinds take turns."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
                found[kind].append(child(what, kind, environ_of(Path(home), server.url, **settings)))
    return {kind: statistics.median(values) for kind, values in found.items()}


def compare_calls(runs: int) -> None:
    """Measure the cost of a call for the caller."""
    off = medians("calls", runs, BENCH_COUNT="200000", MEM0_TELEMETRY="False")
    show("call, opted out", f"{off['native']:.0f} ns", f"{off['ours']:.0f} ns", "at most 200 ns")
    out = medians("calls", runs, BENCH_COUNT="20000", MEM0_TELEMETRY_SAMPLE_RATE="0")
    times = out["native"] / out["ours"]
    show("call, sampled out", f"{out['native'] / 1e3:.1f} µs", f"{out['ours'] / 1e3:.2f} µs ({times:.0f} times less)",
         "at most 1 µs, 50 times less")  # fmt: skip
    kept = medians("calls", runs, BENCH_COUNT="5000")
    times = kept["native"] / kept["ours"]
    show("call, kept (`mem0.search`), CPU", f"{kept['native'] / 1e3:.0f} µs",
         f"{kept['ours'] / 1e3:.1f} µs ({times:.1f} times less)", "8 times less")  # fmt: skip
    first = medians("first", runs)
    show(
        "first kept event after `import mem0`",
        f"{first['native']:.1f} ms",
        f"{first['ours']:.1f} ms",
        "at most 2 ms",
    )


def compare_written(runs: int) -> None:
    """Measure the writer's cost of a record and the cost of a bare `emit` of the SDK: interleaved runs, medians."""
    found: dict[str, list[float]] = {"written": [], "emitted": []}
    for _ in range(runs):
        for what, cpu in found.items():
            with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
                server.stop()
                cpu.append(child(what, "ours", environ_of(Path(home), server.url, BENCH_COUNT="15000")))
    written, emitted = (statistics.median(cpu) / 1e3 for cpu in found.values())
    cell = f"{written:.1f} µs, {written / emitted:.1f} times a bare `emit` of the SDK ({emitted:.1f} µs)"
    show("queue to disk, CPU for each record", "", cell, "at most 1.7 times")


def compare_delivered(runs: int) -> None:
    """Measure the process's cost of an event until it has arrived."""
    cpu = medians("delivered", runs, BENCH_COUNT="5000")
    ratio = cpu["ours"] / cpu["native"]
    show("call to destination, CPU of the process for each event", f"{cpu['native']:.0f} µs",
         f"{cpu['ours']:.0f} µs ({ratio:.2f} times native's)", "at most 0.5 times")  # fmt: skip


IMPORTS = {
    "bare interpreter": "pass",
    "`import mem0_telemetry`": "import mem0_telemetry",
    "`import mem0`, native": "import mem0",
    "`import mem0`, with us": "import mem0_telemetry; mem0_telemetry.instrument(); import mem0",
}


def compare_imports(runs: int) -> None:
    """Measure the CPU time of imports: interleaved runs, medians."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
        environ = environ_of(Path(home), server.url)
        for run in range(runs + 1):
            for name, code in IMPORTS.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                # End the process at once, because native's exit waits for the network.
                subprocess.run(
                    [sys.executable, "-c", f"{code}; import os; os._exit(0)"], env=environ, check=True
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if run:  # The first run warms the caches.
                    found[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    cpu = {name: statistics.median(values) * 1e3 for name, values in found.items()}
    bare, ours, native, mem0 = cpu.values()
    show("`import mem0_telemetry` over a bare interpreter, CPU", "", f"{ours - bare:.1f} ms", "at most 5 ms")
    show("`import mem0`, CPU", f"{native:.0f} ms", f"{mem0:.0f} ms", "no slower than native")


def compare_growth() -> None:
    """Measure threads and memory of 1 000 instances with many events, also with the endpoint down."""
    for title, count, up in (
        ("40 000 events in bursts of 10 000", 40_000, True),
        ("100 000 events", 100_000, True),
        ("1 000 000 events, endpoint down", 1_000_000, False),
    ):
        found = {}
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as home, CaptureServer() as server:
                if not up:
                    server.stop()
                environ = environ_of(Path(home), server.url, BENCH_COUNT=str(count))
                found[kind] = child("growth", kind, environ)
        cells = {
            kind: f"{facts['threads']} threads, {facts['after']:.0f} MB in all, "
            f"{facts['after'] - facts['before']:+.1f} MB"
            for kind, facts in found.items()
        }
        goal = "growth at most 20 MB" if up else "bounded, drops counted"
        show(f"1 000 instances, {title}", cells["native"],
             f"{cells['ours']}, dropped and counted: {_reasons(found['ours']['dropped'])}", goal)  # fmt: skip


def _reasons(dropped: dict[str, int]) -> str:
    """Return the number of dropped events for each reason."""
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "0"


def main() -> None:
    """Print the whole table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5, help="runs of each call measurement (default 5)")
    parser.add_argument(
        "--imports", type=int, default=15, help="interleaved runs of each import (default 15)"
    )
    parser.add_argument("--events", type=int, nargs="*", default=[3, 1000], help="events before an exit")
    parser.add_argument(
        "--patience", type=float, default=exits.NATIVE_PATIENCE, help="seconds to wait for a native exit"
    )
    parts = ("calls", "imports", "growth", "exits")
    parser.add_argument("--only", nargs="*", choices=parts, default=parts, help="some parts of the table")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, mem0ai {version('mem0ai')}, posthog {version('posthog')}, "
          f"opentelemetry-sdk {version('opentelemetry-sdk')}, {os.cpu_count()} cores\n")  # fmt: skip
    show("", "Mem0's own telemetry", "mem0-telemetry", "goal")
    show("---", "---", "---", "---")
    if "calls" in options.only:
        compare_calls(options.runs)
        compare_written(options.runs)
        compare_delivered(options.runs)
    if "imports" in options.only:
        compare_imports(options.imports)
    if "growth" in options.only:
        compare_growth()
    if "exits" in options.only:
        exits.compare_idle()
        for events in options.events:
            exits.compare_exits(events, options.patience)
        exits.compare_full_queue(options.patience)
        exits.compare_outage()


if __name__ == "__main__":
    main()
