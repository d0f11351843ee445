"""Usage telemetry of several processes, through a real collector to a real backend, as docs/deployment.md promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import clean_environ
from support.receivers import Rotel, TestAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

pytestmark = pytest.mark.backends

PROCESSES = 4
SEARCHES = 25
OF_EACH = {"mem0.init": 1, "mem0.search": SEARCHES}
OF_ALL = {name: PROCESSES * count for name, count in OF_EACH.items()}
PROGRAM = f"""
import json, pathlib, sys
from support import loopback_only
import mem0_telemetry
mem0_telemetry.instrument()
import mem0
from mem0_telemetry.cli.harness.fake_models import configuration
memory = mem0.Memory.from_config(configuration(pathlib.Path(sys.argv[1])))
for _ in range({SEARCHES}):
    memory.search("tea", filters={{"user_id": "alice"}})
flushed = mem0_telemetry.flush(float(sys.argv[2]))
status = mem0_telemetry.status()
print(json.dumps([flushed, status.sent, dict(status.dropped), status.installation_id]))
"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[TestAgent]:
    """Run the backend to which the collector exports."""
    scratch = tmp_path / "agent"
    scratch.mkdir()
    with TestAgent(scratch) as running:
        yield running


@pytest.fixture
def rotel(tmp_path: Path, agent: TestAgent) -> Rotel:
    """Return a collector that exports to the backend; the test starts it."""
    scratch = tmp_path / "rotel"
    scratch.mkdir()
    return Rotel(scratch, agent.url)


def environ_of(home: Path, collector: Rotel, mem0_dir: Path) -> dict[str, str]:
    """Return the environment of a process of the fleet, which keeps Mem0's files in `mem0_dir`."""
    home.mkdir(exist_ok=True)
    return clean_environ(
        home,
        MEM0_DIR=str(mem0_dir),
        MEM0_TELEMETRY_OTLP_ENDPOINT=collector.url,
        MEM0_TELEMETRY_SAMPLE_RATE="1",
    )


def run_at_once(environs: Sequence[Mapping[str, str]], *, flush: float = 60) -> list[Any]:
    """Run the program once for each environment, all at the same time; return the report of each."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "store", str(flush)],
            env=dict(environ),
            cwd=environ["HOME"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for environ in environs
    ]
    return [json.loads(process.communicate(timeout=300)[0].splitlines()[-1]) for process in started]


def until(found: Callable[[], int], wanted: int) -> None:
    """Wait until `found()` is at least `wanted`, for a minute at most."""
    deadline = time.monotonic() + 60
    while found() < wanted and time.monotonic() < deadline:
        time.sleep(0.1)


def arrived(agent: TestAgent, wanted: int) -> list[dict[str, Any]]:
    """Wait for `wanted` records, for a minute at most; return the records that the backend has."""
    until(lambda: len(agent.log_records()), wanted)
    return agent.log_records()


def assert_each_once(records: list[dict[str, Any]], expected: Mapping[str, int]) -> None:
    """Assert that no record is missing, and that none has arrived twice."""
    assert Counter(record["event_name"] for record in records) == expected
    uids = [record["attributes"]["log.record.uid"] for record in records]
    assert len(uids) == len(set(uids))


def test_page_has_the_options_of_these_tests(rotel: Rotel) -> None:
    """The command in docs/deployment.md has the same options as the collector in these tests."""
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
    (command,) = re.findall(r"^rotel-agent start .*?(?=\n```)", page, re.DOTALL | re.MULTILINE)
    assert re.findall(r"--[\w-]+", command) == re.findall(r"--[\w-]+", " ".join(rotel.arguments()))


@pytest.mark.parametrize("volume", ["shared", "separate"])
def test_every_event_arrives_once(volume: str, agent: TestAgent, rotel: Rotel, tmp_path: Path) -> None:
    """Each event of four processes arrives once. They are one installation if they share MEM0_DIR, else four."""
    homes = [tmp_path / f"home{number}" for number in range(PROCESSES)]
    shared = tmp_path / "volume"
    with rotel:
        environs = [
            environ_of(home, rotel, shared if volume == "shared" else home / ".mem0") for home in homes
        ]
        reports = run_at_once(environs)
        records = arrived(agent, sum(OF_ALL.values()))
    assert [(flushed, dropped) for flushed, _, dropped, _ in reports] == [(True, {})] * PROCESSES
    assert_each_once(records, OF_ALL)
    ids = {record["attributes"]["app.installation.id"] for record in records}
    assert ids == {installation for *_, installation in reports}
    assert len(ids) == (1 if volume == "shared" else PROCESSES)


def test_collector_outage_loses_no_event(agent: TestAgent, rotel: Rotel, tmp_path: Path) -> None:
    """While the collector is down, the events of four processes wait on the volume; the next process sends all."""
    volume = tmp_path / "volume"
    environs = [environ_of(tmp_path / f"home{number}", rotel, volume) for number in range(PROCESSES)]
    reports = run_at_once(environs, flush=0)
    assert [sent for _, sent, _, _ in reports] == [0] * PROCESSES
    with rotel:
        run_at_once(environs[:1])
        records = arrived(agent, sum(OF_ALL.values()) + sum(OF_EACH.values()))
    assert_each_once(records, Counter(OF_ALL) + Counter(OF_EACH))


def test_collector_answers_before_it_delivers(tmp_path: Path) -> None:
    """If the collector cannot reach its backend, every event still counts as sent: the collector has accepted it."""
    scratch = tmp_path / "rotel"
    scratch.mkdir()
    volume = tmp_path / "volume"
    with Rotel(scratch, "http://127.0.0.1:9") as collector:
        ((flushed, sent, dropped, _),) = run_at_once([environ_of(tmp_path / "home", collector, volume)])
    assert (flushed, sent, dropped) == (True, sum(OF_EACH.values()), {})
    assert list((volume / "telemetry" / "spool").rglob("*.jsonl")) == []
