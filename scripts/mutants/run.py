"""Change the code in one place at a time and see whether its own fast tests notice: docs/mutation-testing.md.

    .venv/bin/python scripts/mutants/run.py [--sample N] [--seed N] [--again] [GROUP ...]    (`make mutants`)
    .venv/bin/python scripts/mutants/run.py --strict decisions switches                      (`make mutants-switches`)

A fork of this process tests each mutant; this process has already loaded everything except the code under test.
Processes that the tests start use the unmutated code. Results are kept in `build/mutants-GROUP.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import importlib.machinery
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).parents[2]
MUTMUT = ROOT / ".venvs" / "mutants" / "bin" / "python"
POSTHOG = "exporters/opentelemetry-exporter-posthog/"
JOBS = 2
LEAST_TIMEOUT = 15.0
MOST_MEMORY = 4 * 2**30
COLUMNS = ("mutants", "tested", "killed", "timeout", "survived")
PRELOADED = (
    "hypothesis.strategies",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics",
    "requests",
    "http.server",
)
LOADED_WITH_SWITCHES = (
    "mem0_telemetry.pipeline.pipeline",
    "mem0_telemetry.policy.notice",
    "opentelemetry.exporter.posthog.testing",
)
"""Modules that the group `switches` uses and does not mutate. Groups that mutate them must run before it."""
QUICKLY = ("-x", "-q", "--assert=plain", "--tb=line", "-W", "ignore::pytest.PytestAssertRewriteWarning")
GROUPS = {
    "consent": (
        ["src/mem0_telemetry/policy/consent.py"],
        ["tests/policy/test_consent.py"],
    ),
    "decisions": (
        ["--checks", "src/mem0_telemetry/policy/consent.py"],
        ["tests/policy/test_consent.py"],
    ),
    "registry": (
        [f"src/mem0_telemetry/policy/registry/{name}.py" for name in ("types", "_selection")],
        [
            *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/policy/test_types*.py")),
            "tests/policy/test_selection.py",
            "tests/policy/test_selection_of_records.py",
            "tests/policy/test_selection_of_hostile_values.py",
            "tests/policy/test_registry.py",
            "--deselect=tests/policy/test_registry.py::test_every_event_of_the_installed_mem0_is_declared",
        ],
    ),
    "mapping": (
        [
            f"{POSTHOG}src/opentelemetry/exporter/posthog/{name}.py"
            for name in ("_build", "_members", "_json", "_identity", "_mapper", "_sources")
        ],
        [
            f"{POSTHOG}tests/test_{name}.py"
            for name in (
                "golden",
                "identity",
                "spans",
                "values",
                "limits",
                "members",
                "batches",
                "wire",
                "properties",
            )
        ],
    ),
    "spool": (
        [
            f"src/mem0_telemetry/delivery/{name}.py"
            for name in ("_batch", "_disk_store", "_files", "_mailbox", "_parcel")
        ],
        [
            f"tests/delivery/test_{name}.py"
            for name in ("batch", "spool", "dead_writers", "files", "stores", "parcel", "spool_or_memory")
        ],
    ),
    "switches": (
        [
            "--checks",
            "src/mem0_telemetry/telemetry.py",
            *(f"src/mem0_telemetry/usage/{name}.py" for name in ("current", "recorder", "switches")),
        ],
        ["tests/test_switches.py"],
    ),
}

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "Recorder.ensure_pipeline",
        "if self.pipeline is None:",
        "if True:",
    ): "asked again under the lock, which this check spares each event",
}
"""Mutants that behave like the code, by symbol, line before and line after; each with the reason."""


def main() -> None:
    """Test the mutants of each group, and print the survivors and a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--sample", type=int, default=10**6, help="mutants of a group, taken by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="only what survived in the last run")
    parser.add_argument(
        "--strict", action="store_true", help="fail where a mutant survives that is not in EQUIVALENT"
    )
    arguments = parser.parse_args()
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    for name in PRELOADED:
        importlib.import_module(name)
    hypothesis.settings.register_profile(
        "mutants", max_examples=25, derandomize=True, database=None, deadline=None
    )
    hypothesis.settings.load_profile("mutants")
    rows = []
    for group in arguments.groups or GROUPS:
        files, tests = GROUPS[group]
        for name in LOADED_WITH_SWITCHES if group == "switches" else ():
            importlib.import_module(name)
        kept = Path("build") / f"mutants-{group}.json"
        mutants = json.loads(kept.read_text()) if arguments.again else made(files)
        if not arguments.again:
            chosen = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))  # noqa: S311
        else:
            chosen = [mutant for mutant in mutants if mutant["result"] == "survived"]
        try:
            tested(chosen, tests)
        finally:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(mutants))
        rows += [(path, tally(path, mutants)) for path in files if not path.startswith("-")]
    print(f"{'module':50}" + "".join(f"{column:>10}" for column in COLUMNS))
    for path, counts in rows:
        module = path.rpartition("/src/")[2].removeprefix("src/")
        print(f"{module:50}" + "".join(f"{counts[column]:>10}" for column in COLUMNS))
    if arguments.strict and any(counts["survived"] for _, counts in rows):
        sys.exit(
            "there are survivors: write the test that notices them, or say in EQUIVALENT why there is none"
        )


def made(files: list[str]) -> list[dict[str, Any]]:
    """Return all mutants of these files, without results."""
    command = [MUTMUT, "scripts/mutants/mutate.py", *files]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    every = [{**json.loads(line), "result": ""} for line in lines]
    return [mutant for mutant in every if named(mutant) not in EQUIVALENT]


def named(mutant: dict[str, Any]) -> tuple[str, str, str]:
    """Return a mutant's symbol and its line before and after, which stay the same if the rest of the file changes."""
    removed, added = changed_lines(mutant)
    return mutant["symbol"], removed, added


def tally(path: str, mutants: list[dict[str, Any]]) -> dict[str, int]:
    """Return the counts of one file by column of the table."""
    counts = Counter(mutant["result"] for mutant in mutants if mutant["path"] == path)
    return {
        **dict.fromkeys(COLUMNS, 0),
        **counts,
        "mutants": counts.total(),
        "tested": counts.total() - counts[""],
    }


def tested(mutants: list[dict[str, Any]], tests: list[str]) -> None:
    """Set the result of each of `mutants`."""
    began = time.monotonic()
    untouched: dict[str, Any] = {"path": "", "source": ""}
    follow([untouched], tests, 600)
    assert untouched["result"] == "survived", f"the tests fail without a mutant: {untouched['output']}"
    timeout = max(LEAST_TIMEOUT, 5 * (time.monotonic() - began))
    follow(mutants, tests, timeout)


def follow(mutants: list[dict[str, Any]], tests: list[str], timeout: float) -> None:
    """Run the tests for each of `mutants`, `JOBS` at a time, each for at most `timeout` seconds."""
    waiting = list(reversed(mutants))
    running: dict[int, tuple[dict[str, Any], float, str]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < JOBS:
                mutant, scratch = waiting.pop(), tempfile.mkdtemp(prefix="mutant-")
                running[start(mutant, tests, scratch)] = mutant, time.monotonic() + timeout, scratch
            for pid, (mutant, deadline, scratch) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    mutant["result"] = "killed" if status else "survived"
                elif time.monotonic() > deadline:
                    mutant["result"] = "timeout"
                else:
                    continue
                mutant["output"] = (Path(scratch) / "output").read_text(errors="replace")[-3000:]
                del running[pid]
                end(pid, scratch, reap=not ended)
                if mutant["result"] == "survived" and mutant["path"]:
                    print(described(mutant), flush=True)
            time.sleep(0.02)
    finally:
        for pid, (_, _, scratch) in running.items():
            end(pid, scratch, reap=True)


def start(mutant: dict[str, Any], tests: list[str], scratch: str) -> int:
    """Fork a process, in its own process group, that tests one mutant and exits with pytest's status."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with open(os.path.join(scratch, "output"), "wb") as output:  # noqa: PTH123, PTH118  # A fork does little.
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        # Leave the repository: a mutant that uses a wrong directory would create or remove files there.
        os.chdir(scratch)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        replace(str(ROOT / mutant["path"]), mutant["source"])
        options = [*QUICKLY, "-p", "no:randomly", "-p", "no:xdist", "-o", f"cache_dir={scratch}/cache"]
        places = [f"--rootdir={ROOT}", "-c", f"{ROOT}/pyproject.toml", f"--basetemp={scratch}/pytest"]
        paths = [test if test.startswith("-") else str(ROOT / test) for test in tests]  # Some are options.
        status = int(pytest.main([*options, *places, "-m", "not slow and not backends", *paths]))
    except BaseException:  # noqa: BLE001  # The fork must not continue as its parent.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def replace(path: str, source: str) -> None:
    """Make later imports of the file at `path` execute `source`."""
    get_code = importlib.machinery.SourceFileLoader.get_code

    def mutated(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        if self.path == path:
            return compile(source, path, "exec", dont_inherit=True)
        return get_code(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = mutated  # type: ignore[method-assign]


def end(pid: int, scratch: str, *, reap: bool) -> None:
    """Kill the processes that a test left running, and remove its files."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if reap:
        os.waitpid(pid, 0)
    shutil.rmtree(scratch, ignore_errors=True)


def described(mutant: dict[str, Any]) -> str:
    """Return the place of a mutant and the lines that differ."""
    removed, added = changed_lines(mutant)
    return f"{mutant['path']}:{mutant['line']} {mutant['symbol']}\n    - {removed}\n    + {added}"


def changed_lines(mutant: dict[str, Any]) -> tuple[str, str]:
    """Return the lines that a mutant removes, and the lines that replace them."""
    before = Path(mutant["path"]).read_text().splitlines()
    lines = list(difflib.unified_diff(before, mutant["source"].splitlines(), n=0, lineterm=""))[3:]
    removed, added = ([line[1:].strip() for line in lines if line[0] == sign] for sign in "-+")
    return " ".join(removed), " ".join(added)


if __name__ == "__main__":
    main()
