"""One session of real Mem0 in a process of its own: `Memory`, `AsyncMemory` and the hosted client.

`python -m mem0_telemetry.cli.demo.session DIRECTORY PLATFORM_URL [--off-by WAY] [--instrument before|after]`

Prints one JSON object: threads, heavy modules and files of telemetry's that are there when the session is over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

import mem0_telemetry

HEAVY_MODULES: Final = (
    "opentelemetry.sdk",
    "opentelemetry._logs",
    "opentelemetry.exporter.otlp.proto.common",
    "opentelemetry.exporter.posthog",
    "posthog",
)
"""What only telemetry would import in this session."""

CONVERSATION: Final = [
    {"role": "user", "content": "I am planning a trip to Lisbon. I prefer green tea."},
    {"role": "assistant", "content": "Noted."},
]
OWNER: Final = {"user_id": "demo-user"}


def main() -> int:
    """Run the session and print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("platform_url")
    parser.add_argument("--off-by", choices=("flag", "environ", "set_enabled"))
    parser.add_argument("--instrument", choices=("before", "after"), default="before")
    arguments = parser.parse_args()

    mem0 = import_mem0(instrument=arguments.instrument, off_by=arguments.off_by)
    use_memory(mem0, arguments.directory)
    asyncio.run(use_async_memory(mem0, arguments.directory))
    use_hosted_client(mem0, arguments.platform_url)
    print(json.dumps(report(mem0_telemetry.flush(timeout=20))))
    return 0


def import_mem0(*, instrument: str, off_by: str | None) -> Any:
    """Import Mem0, instrumented `before` or `after` that; then switch it off in that way, if in any."""
    if instrument == "before":
        mem0_telemetry.instrument()
    import mem0  # noqa: PLC0415  # when it is imported is what this is about

    if instrument == "after":
        mem0_telemetry.instrument()
    if off_by == "environ":
        os.environ["MEM0_TELEMETRY"] = "False"
    if off_by == "set_enabled":
        mem0_telemetry.set_enabled(False)
    if off_by == "flag":
        # Word for word as in Mem0's guide.
        from mem0.memory import telemetry  # noqa: PLC0415

        telemetry.MEM0_TELEMETRY = False
    return mem0


def use_memory(mem0: Any, directory: Path) -> None:
    """Every operation of `Memory`, once."""
    from mem0_telemetry.cli.demo.standins import configuration  # noqa: PLC0415  # imports mem0

    memory = mem0.Memory.from_config(configuration(directory / "sync"))
    (added, *_) = memory.add(CONVERSATION, **OWNER)["results"]
    memory.search("tea", filters=OWNER)
    memory.get_all(filters=OWNER)
    memory.get(added["id"])
    memory.update(added["id"], text="I prefer black tea")
    memory.history(added["id"])
    memory.delete(added["id"])
    memory.delete_all(**OWNER)
    memory.reset()


async def use_async_memory(mem0: Any, directory: Path) -> None:
    """Every operation of `AsyncMemory`, once."""
    from mem0_telemetry.cli.demo.standins import configuration  # noqa: PLC0415

    memory = mem0.AsyncMemory.from_config(configuration(directory / "async"))
    (added, *_) = (await memory.add(CONVERSATION, **OWNER))["results"]
    await memory.search("tea", filters=OWNER)
    await memory.get_all(filters=OWNER)
    await memory.get(added["id"])
    await memory.update(added["id"], text="I prefer black tea")
    await memory.history(added["id"])
    await memory.delete(added["id"])
    await memory.delete_all(**OWNER)
    await memory.reset()


def use_hosted_client(mem0: Any, platform_url: str) -> None:
    """A few operations of the hosted client, against a stand-in of its API."""
    client = mem0.MemoryClient(api_key="m0-demo", host=platform_url)
    client.add(CONVERSATION, **OWNER)
    client.search("tea", filters=OWNER)
    client.get_all(filters=OWNER)
    client.update("m1", text="I prefer black tea")
    client.history("m1")
    client.delete("m1")
    client.delete_all(**OWNER)


def report(done: bool) -> dict[str, Any]:  # noqa: FBT001
    """What telemetry has left in this process and on disk."""
    ours = Path(os.environ["MEM0_DIR"], "telemetry")
    migrations = Path(os.environ["MEM0_DIR"], "migrations_qdrant")
    return {
        "done": done,
        "threads": sorted(
            thread.name
            for thread in threading.enumerate()
            if thread.name.startswith("mem0-telemetry") or "posthog" in type(thread).__module__
        ),
        "heavy": sorted(name for name in HEAVY_MODULES if name in sys.modules),
        "files": sorted(str(path.relative_to(ours)) for path in ours.rglob("*")),
        "migrations": migrations.exists(),
    }


if __name__ == "__main__":
    sys.exit(main())
