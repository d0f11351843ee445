"""What an event costs on its way to a server: this exporter, PostHog's own client, OTel's OTLP/HTTP exporter.

    python benchmarks/exporter [--events 50000] [--runs 5] [--flush-every 2000]

Each way has a process of its own and the same events: 20 properties, three of them different each time, all
given at once (or in portions) and then flushed, with queues that hold them all. All send to one server in
another process. The ways take turns, so a busy machine is busy for all; medians are shown. CPU time is that
of the whole process without imports: caller, sending thread, and the kernel on their behalf.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ways import CAPTURE, SHAPES, WAYS, Task, mapping_of


def measure(way: str, url: str, events: int, flush_every: int) -> None:
    """Run one way in this process and print what it took."""
    began = time.perf_counter()
    imported = 0.0

    def ready() -> None:
        nonlocal imported
        imported = time.perf_counter() - began

    timer = WAYS[way](Task(url, events, flush_every, ready))
    print(json.dumps({"wall": timer.wall, "cpu": timer.cpu, "imported": imported}))


def received(url: str) -> int:
    """Ask the server for the bytes so far."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # the server of this script
        return int(answer.read())


def compare(url: str, events: int, runs: int, flush_every: int) -> dict[str, dict[str, float]]:
    """Run all ways in turns and return the medians."""
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            before = received(url)
            command = [
                sys.executable,
                str(Path(__file__).parent),
                "--way",
                way,
                "--url",
                url,
                "--events",
                str(events),
            ]
            command += ["--flush-every", str(flush_every)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            result = json.loads(output)
            result["bytes"] = received(url) - before
            results[way].append(result)
    return {
        way: {key: statistics.median(one[key] for one in of_way) for key in of_way[0]}
        for way, of_way in results.items()
    }


def show(medians: dict[str, dict[str, float]], events: int, runs: int) -> None:
    """Print the table."""
    capture = medians[CAPTURE]["cpu"]
    print(f"{events} events of 20 properties, medians of {runs} runs, Python {sys.version.split()[0]}\n")
    print("| way | events/s | events/CPU-s | µs CPU/event | bytes/event | ready after | times `capture` |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for way, result in medians.items():
        print(
            f"| {way} | {events / result['wall']:,.0f} | {events / result['cpu']:,.0f} "
            f"| {result['cpu'] / events * 1e6:.1f} | {result['bytes'] / events:.0f} "
            f"| {result['imported'] * 1e3:.0f} ms | {capture / result['cpu']:.1f} |"
        )


def main() -> None:
    """Compare all ways, or run one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flush-every", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    flush_every = arguments.flush_every or arguments.events
    if arguments.way:
        measure(arguments.way, arguments.url, arguments.events, flush_every)
    else:
        command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None  # for the type checker
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            try:
                medians = compare(url, arguments.events, arguments.runs, flush_every)
                show(medians, arguments.events, arguments.runs)
            finally:
                server.terminate()
        print("\n| attributes beside the 20 | µs CPU/event, mapping |\n|---|---:|")
        for shape in SHAPES:
            print(f"| {shape} | {mapping_of(shape, 3000):.1f} |")


if __name__ == "__main__":
    main()
