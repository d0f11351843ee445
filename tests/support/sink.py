"""A destination on the loopback interface that answers as a test configures it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Answer:
    """How the sink answers a request."""

    status: int = 200
    delay: float = 0.0
    """Seconds before the answer. A delay longer than the test models a server that accepts and stalls."""
    headers: dict[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class Sink:
    """A destination on the loopback interface that keeps requests and answers as configured. Thread-safe."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.answer: Callable[[list[dict[str, Any]]], Answer] = lambda _: Answer()
        """Returns the answer to a request; its events count as arrived if the status is 200."""
        self.arrived: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer_all(self, status: int = 200, **kwargs: Any) -> None:
        """Give this answer to every request from now on."""
        answer = Answer(status=status, **kwargs)
        self.answer = lambda _: answer

    def numbers(self, key: str = "n") -> list[Any]:
        """Return the value of `key` in each event that arrived, in order of arrival."""
        with self.lock:
            return [event[key] for event in self.arrived]

    def doubled(self, key: str = "n") -> list[Any]:
        """Return the value of `key` in each event that arrived more than once."""
        return [number for number, times in Counter(self.numbers(key)).items() if times > 1]

    def wait_for(self, count: int, timeout: float = 60.0) -> bool:
        """Wait until `count` different events have arrived; return whether they have."""
        return wait_until(lambda: len(set(self.numbers())) >= count, timeout)

    def close(self) -> None:
        """Stop the server, and end every request that still waits for its answer."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                try:
                    events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                except (ValueError, OSError):  # The client was killed during the request.
                    return
                with sink.lock:
                    sink.requests.append(events)
                answer = sink.answer(events)
                if sink.ended.wait(answer.delay):
                    return
                with sink.lock:
                    if answer.status == 200:
                        sink.arrived.extend(events)
                with contextlib.suppress(OSError):
                    self.send_response(answer.status)
                    for header, value in answer.headers.items():
                        self.send_header(header, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
                pass

        return Handler


def wait_until(condition: Callable[[], Any], timeout: float = 60.0) -> bool:
    """Poll until `condition` holds; return False if it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause.wait(0.005)
    return True


@contextlib.contextmanager
def sinks(count: int) -> Iterator[list[Sink]]:
    """Yield `count` sinks."""
    made = [Sink() for _ in range(count)]
    try:
        yield made
    finally:
        for sink in made:
            sink.close()
