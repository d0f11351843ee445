"""What an event costs on its way to a server: this exporter, PostHog's own client, OTel's OTLP/HTTP exporter.

    python benchmarks/exporter [--events 50000] [--runs 5] [--flush-every 2000] [--beside REVISION]

Each way runs in a separate process with the same events: 20 properties, three of which vary. The events are
recorded at once (or in portions) and then flushed; the queues hold them all. All ways send to one server in
another process. They take turns, so that load of the machine affects all of them equally; the table shows
medians. CPU time is that of the whole process without imports: caller, sending thread, and kernel.

A second table shows the mapping alone, by kind of attributes; with `--beside`, the exporter of another revision
takes turns with this one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mappings import SHAPES, mapping_of
from ways import CAPTURE, WAYS, Task

if TYPE_CHECKING:
    from collections.abc import Iterator


def measure(way: str, url: str, events: int, flush_every: int) -> None:
    """Run one way in this process and print its times."""
    began = time.perf_counter()
    imported = 0.0

    def ready() -> None:
        nonlocal imported
        imported = time.perf_counter() - began

    timer = WAYS[way](Task(url, events, flush_every, ready))
    print(json.dumps({"wall": timer.wall, "cpu": timer.cpu, "imported": imported}))


def received(url: str) -> int:
    """Return the number of bytes that the server has received."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # the server of this script
        return int(answer.read())


def compare(url: str, events: int, runs: int, flush_every: int) -> dict[str, dict[str, float]]:
    """Run all ways in turns; return their medians."""
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


@contextmanager
def sources(beside: str | None) -> Iterator[dict[str, str]]:
    """Yield the source directories of the exporters to compare: this one and the one of revision `beside`."""
    here = Path(__file__).parents[2]
    relative = "exporters/opentelemetry-exporter-posthog/src"
    with TemporaryDirectory() as temporary:
        if beside:
            archive = subprocess.run(
                ["git", "archive", beside, relative], cwd=here, check=True, stdout=subprocess.PIPE
            )
            subprocess.run(["tar", "-x"], cwd=temporary, input=archive.stdout, check=True)
        yield {
            **({beside: f"{temporary}/{relative}"} if beside else {}),
            "this one": str(here / relative),
        }


def show_mappings(beside: str | None, runs: int) -> None:
    """Print the cost of the mapping for each kind of attributes: medians of alternating runs."""
    with sources(beside) as found:
        print(f"\n| attributes, µs CPU/event for the mapping | {' | '.join(found)} |")
        print(f"|---|{'---:|' * len(found)}")
        for shape in SHAPES:
            costs: dict[str, list[float]] = {name: [] for name in found}
            for _ in range(runs):
                for name, source in found.items():
                    command = [sys.executable, __file__, "--mapping", shape, "--source", source]
                    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
                    costs[name].append(float(output))
            print(f"| {shape} | {' | '.join(f'{statistics.median(cost):.1f}' for cost in costs.values())} |")


def main() -> None:
    """Compare all ways, or run one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flush-every", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--beside", metavar="REVISION", help="compare the mapping with that of this revision")
    parser.add_argument("--mapping", choices=SHAPES, help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    flush_every = arguments.flush_every or arguments.events
    if arguments.mapping:
        import opentelemetry.exporter as namespace

        namespace.__path__ = [f"{arguments.source}/opentelemetry/exporter"]  # type: ignore[assignment]  # Import only this source.
        print(mapping_of(arguments.mapping, 3000))
    elif arguments.way:
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
        show_mappings(arguments.beside, arguments.runs)


if __name__ == "__main__":
    main()
