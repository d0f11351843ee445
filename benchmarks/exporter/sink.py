"""Run a server in this process that answers every request with 200."""

from __future__ import annotations

import asyncio


async def sink() -> None:
    """Answer every request with 200; answer a GET with the number of body bytes received so far."""
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or 0)
                await reader.readexactly(length)
                received += length
                answer = str(received).encode() if head.startswith(b"GET") else b'{"status":"Ok"}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(sink())
