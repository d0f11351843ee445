"""A service that remembers."""
# ruff: noqa: E402, INP001  # Instrument first, so that Mem0 never builds its own client.

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mem0_telemetry

mem0_telemetry.instrument()

from fastapi import FastAPI
from mem0 import Memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Build the memory in each worker."""
    app.state.memory = await asyncio.to_thread(build_memory)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/memories/{user}")
async def remember(user: str, text: str) -> dict[str, Any]:
    """Remember what a user says."""
    return await asyncio.to_thread(app.state.memory.add, text, user_id=user)


@app.get("/memories/{user}")
async def recall(user: str, query: str) -> dict[str, Any]:
    """Find what a user has said."""
    return await asyncio.to_thread(app.state.memory.search, query, filters={"user_id": user})


def build_memory() -> Memory:
    """Build a memory with fake models, so that the example needs no key; use `Memory.from_config({...})` instead.

    Embedded Qdrant serves one process, so each worker has its own; in production the workers share a server.
    """
    from mem0_telemetry.cli.harness.fake_models import configuration  # noqa: PLC0415  # Only the example needs it.

    return Memory.from_config(configuration(Path(f"worker-{os.getpid()}")))
