"""Under real servers that fork workers, every request's event arrives once, and the server ends in time."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interpreter, pytest.mark.posix]

APPLICATION = """
from support.delivery import *
d = to_sink({directory!r}, {port}, exit_timeout=20)
enqueue_numbers(d, [0])
def wsgi(environ, start_response):
    enqueue_numbers(d, [int(environ["PATH_INFO"][1:])])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        enqueue_numbers(d, [int(scope["path"][1:])])
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"ok"}})
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        d.flush(20)  # uvicorn ends by SIGTERM, which runs no exit handler
        await send({{"type": "lifespan.shutdown.complete"}})
"""
SERVERS = {
    "gunicorn": ["gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "application:wsgi"],
    "gunicorn --preload": ["gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:{port}", "application:wsgi"],
    "gunicorn gevent": [
        *("gunicorn", "-k", "gevent", "--preload", "-w", "2", "-b", "127.0.0.1:{port}"),
        # This worker often ignores SIGTERM, even without our package: gunicorn then kills it after this time.
        *("--graceful-timeout", "2", "application:wsgi"),
    ],
    "uvicorn": [
        *("uvicorn", "--workers", "2", "--port", "{port}"),
        # By default it kills a worker that does not answer for 5 s, which a busy machine may take.
        *("--timeout-worker-healthcheck", "60", "application:asgi"),
    ],
}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, number: int) -> bool:
    """Return whether the server answers a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/{number}")
        return connection.getresponse().read() == b"ok"
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_workers_deliver_their_own(server: str, tmp_path: Path, sink: support.Sink) -> None:
    """Workers deliver all events without a hang, if the first event is before or after the fork, or under gevent."""
    for module in ("gunicorn", "gevent") if "gevent" in server else (server.split(maxsplit=1)[0],):
        pytest.importorskip(module, reason=f"{module} is not installed")
    directory = tmp_path / "telemetry"
    (tmp_path / "application.py").write_text(APPLICATION.format(directory=str(directory), port=sink.port))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", *(word.format(port=port) for word in SERVERS[server])],
        cwd=tmp_path,
        env=support.environment(PYTHONWARNINGS="ignore:This process", HOME=str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for number in range(1, 31):
            assert support.wait_until(lambda n=number: answers(port, n)), number
        if "gevent" in server:  # gunicorn may kill its workers, and their queues with them
            assert sink.wait_for(31)
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=180)
    assert "Traceback" not in err
    support.deliver_the_rest(directory, sink)
    assert set(sink.numbers()) == set(range(-1, 31))
    assert set(sink.doubled()) <= {0}  # each worker that imports the application enqueues a 0
