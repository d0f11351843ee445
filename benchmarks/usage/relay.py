"""A TCP relay that simulates distance: a connection takes one round trip, and each piece of data takes half of one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def distant(port: int, round_trip: float) -> Iterator[int]:
    """Yield a local port that leads to `port`, with a round trip of `round_trip` seconds."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # Processes may end with open connections.
    started: asyncio.Future[int] = loop.create_future()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                # Delay each piece separately, so that the next one does not wait for it.
                loop.call_later(round_trip / 2, writer.write, data)
            await asyncio.sleep(round_trip / 2)
            writer.close()

    async def meet(near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)  # Model TCP's handshake, which the relay itself answers at once.
        far, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(near, far_writer), carry(far, near_writer))

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        started.set_result(server.sockets[0].getsockname()[1])

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    loop.create_task(serve())  # noqa: RUF006  # The task ends with its loop.
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_wait(started), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(_end_the_others(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _wait(future: asyncio.Future[int]) -> int:
    return await future
