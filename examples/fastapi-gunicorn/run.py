"""Start the receiver and the service, use the service, stop it, and print the received events."""
# ruff: noqa: INP001, T201

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from receiver import Receiver

HERE = Path(__file__).parent
USERS = ("alice", "bob", "carol")
EXPECTED = {"mem0.init": 2, "mem0.add": len(USERS), "mem0.search": len(USERS)}
"""One memory for each worker; one call of each kind for each user."""


def main() -> int:
    """Return 0 if every event arrived once."""
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as listener, Receiver() as receiver:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        service = start_service(listener, scratch, receiver.url)
        try:
            use(url)
            wait_for_all(receiver)
        finally:
            service.terminate()
            service.wait(30)
        print("The service's own receiver got:")
        for name, count in sorted(receiver.events.items()):
            print(f"  {name:<12} {count}")
        return 0 if receiver.events == EXPECTED else 1


def start_service(listener: socket.socket, scratch: str, receiver_url: str) -> subprocess.Popen[bytes]:
    """Start gunicorn on a bound socket, and send its usage telemetry to the receiver."""
    listener.listen()
    environ = {
        **os.environ,
        "HOME": scratch,
        "MEM0_DIR": f"{scratch}/.mem0",
        "MEM0_TELEMETRY_EXPORTER": "otlp",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": receiver_url,
        "MEM0_TELEMETRY_SAMPLE_RATE": "1",  # Keep each call; the default keeps one in ten.
    }
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", HERE / "gunicorn.conf.py", "--pythonpath", HERE]
    bind = ["--bind", f"fd://{listener.fileno()}"]
    return subprocess.Popen([*gunicorn, *bind], cwd=scratch, env=environ, pass_fds=[listener.fileno()])  # noqa: S603


def use(url: str) -> None:
    """Store and search something for each user."""
    for user in USERS:
        ask(f"{url}/memories/{user}?text=I+prefer+green+tea.", method="POST")
        ask(f"{url}/memories/{user}?query=tea")


def ask(url: str, method: str = "GET") -> None:
    """Send one request; the first requests wait until a worker runs."""
    request = urllib.request.Request(url, method=method)  # noqa: S310  # this machine
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        response.read()


def wait_for_all(receiver: Receiver) -> None:
    """Wait for the last event, which arrives within a second while the service runs."""
    deadline = time.monotonic() + 30
    while receiver.events != EXPECTED and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
