"""One session of real Mem0, of whatever release is installed, in a process of its own; full of secrets.

`python session.py DIRECTORY PLATFORM_URL [--instrument before|after|zero-code] [--off-by WAY] [--graph]`

Prints one JSON object: what telemetry left, what Mem0 keeps, and every secret that the session was about.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import mem0_telemetry
from mem0_telemetry.cli.demo.session import import_mem0, report

USER: Final = "user-canary-7Qx"
EMAIL: Final = "someone@example.com"  # what the stand-in of the hosted API answers
API_KEY: Final = "m0-canary-4Zk"
COLLECTION: Final = "collection_canary_9Lp"
FACT: Final = "Canary Ginevra drinks gyokuro in Lisbon"
QUESTION: Final = "canary gyokuro where"
METADATA: Final = {"canary_key_5Rt": "canary_value_2Wd"}
CONVERSATION: Final = [{"role": "user", "content": FACT}]
OWNER: Final = {"user_id": USER}


def main() -> int:
    """Run the session and print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("platform_url")
    parser.add_argument("--instrument", choices=("before", "after", "zero-code"), default="before")
    parser.add_argument("--off-by", choices=("flag", "environ", "set_enabled"))
    parser.add_argument("--graph", action="store_true")
    arguments = parser.parse_args()

    mem0 = import_mem0(instrument=arguments.instrument, off_by=arguments.off_by)
    print(json.dumps(asyncio.run(_session(mem0, arguments))))  # noqa: T201  # what it is for
    return 0


async def _session(mem0: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from components import configuration  # imports mem0

    found = []
    for kind in (mem0.Memory, mem0.AsyncMemory):
        directory = arguments.directory / kind.__name__
        config = configuration(directory, collection=COLLECTION, graph=arguments.graph)
        memory = await _result(kind.from_config(config))
        found.append(await _use_memory(memory, generation=int(mem0.__version__.partition(".")[0])))
    _use_hosted_client(mem0.MemoryClient(api_key=API_KEY, host=arguments.platform_url))
    return _report(found)


async def _use_memory(memory: Any, *, generation: int) -> dict[str, Any]:
    """Every operation once; what Mem0 has of its own afterwards."""
    scope = OWNER if generation == 1 else {"filters": OWNER}
    added = await _result(memory.add(CONVERSATION, **OWNER, metadata=METADATA))
    memory_id = added["results"][0]["id"]
    await _result(memory.search(QUESTION, **scope))
    listed = await _result(memory.get_all(**scope))
    await _result(memory.get(memory_id))
    await _result(memory.update(memory_id, f"{FACT} now"))
    await _result(memory.history(memory_id))
    await _result(memory.delete(memory_id))
    collections = sorted(c.name for c in memory.vector_store.client.get_collections().collections)
    telemetry_store = getattr(memory, "_telemetry_vector_store", None)
    await _result(memory.delete_all(**OWNER))
    await _result(memory.reset())
    return {
        "id": memory_id,
        "collections": collections,
        "telemetry_store": telemetry_store is not None,
        "memories": [entry["memory"] for entry in listed["results"]],
        "relations": listed.get("relations"),
    }


def _use_hosted_client(client: Any) -> None:
    client.add(CONVERSATION, **OWNER, metadata=METADATA)
    client.search(QUESTION, filters=OWNER)
    client.get_all(filters=OWNER)
    client.update("m1", text=FACT)
    client.history("m1")
    client.delete("m1")
    client.delete_all(**OWNER)


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _report(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What telemetry has left in this process and on disk, and what must be nowhere on the wire."""
    left = report(mem0_telemetry.flush(timeout=180))
    status = mem0_telemetry.status()
    # The empty directory is Mem0's: 1.0.0 makes it before it asks for the store.
    migrations = Path(os.environ["MEM0_DIR"], "migrations_qdrant")
    ids = [each["id"] for each in found]
    words = [USER, EMAIL, API_KEY, COLLECTION, FACT, QUESTION, *METADATA, *METADATA.values(), *ids]
    return {
        **left,
        "migrations": [path.name for path in migrations.rglob("*")],
        "memories": found,
        "secrets": words + [hashlib.md5(word.encode()).hexdigest() for word in words],  # noqa: S324  # as Mem0
        "operations": [status.operations.active, status.operations.reason],
        "native": status.native_telemetry,
    }


if __name__ == "__main__":
    sys.exit(main())
