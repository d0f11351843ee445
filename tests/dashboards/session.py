"""Run one installation that uses real Mem0: `session.py JSON`, with the fields of `product.Installation`.

Mem0's own telemetry, or ours, sends to the server in the environment. A seed decides which sampled events are kept, so
each run of the proof has the same result.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from support import loopback_only  # noqa: F401  # for its effect

wanted = json.loads(sys.argv[1])


def redirect_native() -> None:
    """Make Mem0's own telemetry send to the server of this test."""
    import posthog

    build = posthog.Posthog.__init__

    def redirected(self: Any, *arguments: Any, **named: Any) -> None:
        build(self, *arguments, **{**named, "host": wanted["url"]})

    posthog.Posthog.__init__ = redirected


def instrument() -> None:
    """Replace Mem0's telemetry by ours, with a fixed sequence of random numbers."""
    import mem0_telemetry
    from mem0_telemetry.policy import sampling

    mem0_telemetry.instrument()
    draw = random.Random(wanted["seed"]).random  # noqa: S311  # It must be the same in each run.
    sampling.source = lambda: draw


async def use_memory() -> None:
    """Build a memory, add to it, and make the wanted calls one after the other."""
    import mem0

    from mem0_telemetry.cli.harness import fake_models

    async def result(answer: Any) -> Any:
        return await answer if inspect.isawaitable(answer) else answer

    memory: Any = await result(
        getattr(mem0, wanted["cls"]).from_config(fake_models.configuration(Path(os.environ["HOME"])))
    )
    numbers = itertools.count()

    def add() -> Any:
        """Add a new text: Mem0 records no event for a text that it already has."""
        return memory.add(
            [{"role": "user", "content": f"I like tea {wanted['seed']}-{next(numbers)}."}], user_id="alice"
        )

    added = [await result(add()) for _ in range(wanted["adds"])]
    identifier = added[0]["results"][0]["id"]
    calls = {
        "search": lambda **given: memory.search("tea", **given),
        "get": lambda: memory.get(identifier),
        "history": lambda: memory.history(identifier),
    }
    for _ in range(wanted["unknown"]):
        from mem0_telemetry import telemetry

        telemetry.capture_event("mem0.invented", memory, {})
    for name, count, given in wanted["calls"]:
        for _ in range(count):
            await result(calls[name](**given))


def use_client() -> None:
    """Build a hosted client, and search once."""
    import mem0

    client = mem0.MemoryClient(api_key="m0-none", host=wanted["platform"])
    client.search("tea", filters={"user_id": "alice"})


if wanted["native"]:
    redirect_native()
else:
    instrument()
if wanted["cls"] == "MemoryClient":
    use_client()
else:
    asyncio.run(use_memory())
if not wanted["native"]:
    import mem0_telemetry

    assert mem0_telemetry.flush(60)
