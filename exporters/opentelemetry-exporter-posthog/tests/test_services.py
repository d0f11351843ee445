"""Small services as a new user would write them, and the events that they send to PostHog."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

_README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
_INSTRUMENT = (
    "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; sys.exit(run())"
)
_SECRETS = {"Authorization": "Bearer hunter2", "Cookie": "session=hunter2", "X-Forwarded-For": "203.0.113.77"}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def posthog() -> Iterator[CaptureServer]:
    """Run a local PostHog, and check the requests that it received against PostHog's rules."""
    with CaptureServer() as server:
        yield server
        for request in server.requests:
            assert check_batch(request.body) == []


def _environment(posthog: CaptureServer, home: Path, **more: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ},
        "HOME": str(home),
        "PYTHONPATH": str(home),
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test",
        "OTEL_EXPORTER_POSTHOG_HOST": posthog.url,
        **more,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A service in its own process, by default under `opentelemetry-instrument`."""

    def __init__(
        self, command: list[str], environment: dict[str, str], log: Path, *, instrument: bool = True
    ) -> None:
        before = [sys.executable, "-c", _INSTRUMENT] if instrument else []
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", *command], env=environment, stdout=output, stderr=output
            )
        self._log = log

    def get(self, url: str, headers: dict[str, str] | None = None) -> int:
        """Request `url` as soon as the service answers; return the status."""
        end = time.monotonic() + 120
        request = urllib.request.Request(url, headers=headers or {})  # noqa: S310  # a local URL
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # a local URL
                    return int(answer.status)
            except OSError as error:  # noqa: PERF203  # the service may not listen yet
                if isinstance(error, urllib.error.HTTPError):
                    return error.code
                assert self.process.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop the service with SIGTERM, like a container runtime."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


_FASTAPI = """
import logging
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry._logs import get_logger

{lifespan}

app = FastAPI(lifespan=lifespan)


@app.get("/reset/{{token}}")
def reset(token: str):
    trace.get_current_span().set_attribute("user.id", "u-17")
    get_logger("shop").emit(event_name="password.reset", attributes={{"channel": "mail"}})
    return {{}}


@app.get("/fail")
def fail():
    raise RuntimeError("card 4111")
"""


def test_fastapi_without_code(posthog: CaptureServer, tmp_path: Path) -> None:
    """The events of a request's span and log record have its user's id, and no secret of the request."""
    pytest.importorskip("opentelemetry.instrumentation.fastapi")
    (lifespan,) = re.findall(r"```python\n(# lifespan.*?)```", _README, re.DOTALL)
    (tmp_path / "shop.py").write_text(_FASTAPI.format(lifespan=lifespan))
    port = _free_port()
    more = {
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
        "OTEL_BLRP_SCHEDULE_DELAY": "600000",
    }
    command = ["uvicorn", "shop:app", "--port", str(port)]
    service = Running(command, _environment(posthog, tmp_path, **more), tmp_path / "log")
    url = f"http://127.0.0.1:{port}/reset/hunter2?token=hunter2"
    assert service.get(url, _SECRETS) == 200
    assert posthog.events == []
    service.stop()  # the README's lifespan flushes the unsent batches
    found = {event["event"]: event for event in posthog.events}
    assert sorted(found) == ["GET /reset/{token}", "password.reset"]
    assert len(posthog.events) == 2
    assert {event["distinct_id"] for event in posthog.events} == {"u-17"}
    bodies = b"".join(request.body for request in posthog.requests)
    for secret in (b"hunter2", b"203.0.113.77", b'"127.0.0.1"'):
        assert secret not in bodies, bodies


_FLASK = """
import logging
from flask import Flask, request
from opentelemetry import trace

app = Flask("shop")


@app.get("/orders/<int:user>")
def order(user):
    trace.get_current_span().set_attributes({"user.id": f"u-{user}", "session.id": request.args["session"]})
    if user == 3:
        raise RuntimeError("card 4111")
    return "ok"
"""
_SESSION = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"


def test_flask_under_gunicorn(posthog: CaptureServer, tmp_path: Path) -> None:
    """Each request's event has its user's id and session, and a failed request sends an `$exception`, too."""
    pytest.importorskip("opentelemetry.instrumentation.flask")
    pytest.importorskip("gunicorn")
    (tmp_path / "shop.py").write_text(_FLASK)
    port = _free_port()
    more = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_EXPORTER_POSTHOG_EXCEPTIONS": "true"}
    command = ["gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "shop:app"]
    service = Running(command, _environment(posthog, tmp_path, **more), tmp_path / "log")
    for user in range(1, 9):
        status = service.get(f"http://127.0.0.1:{port}/orders/{user}?session={_SESSION}")
        assert status == (500 if user == 3 else 200)
    assert posthog.wait_for(9, timeout=120)
    service.stop()
    orders = [event for event in posthog.events if event["event"] == "GET /orders/<int:user>"]
    assert {event["distinct_id"] for event in orders} == {f"u-{user}" for user in range(1, 9)}
    assert {event["properties"]["$session_id"] for event in orders} == {_SESSION}
    failures = [event for event in posthog.events if event["event"] == "$exception"]
    assert failures
    for failure in failures:
        assert failure["distinct_id"] == "u-3"
        assert failure["properties"]["$exception_list"][0]["type"] == "RuntimeError"


_CELERY = """
from celery import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry import trace
from opentelemetry._logs import get_logger, get_logger_provider
from opentelemetry.instrumentation.celery import CeleryInstrumentor

app = Celery("shop", broker="memory://", backend="cache+memory://")
CeleryInstrumentor().instrument()


@app.task(name="shop.charge")
def charge(user):
    trace.get_current_span().set_attribute("user.id", user)
    get_logger("shop").emit(event_name="order.paid", attributes={"tenant.id": "acme"})


with start_worker(app, perform_ping_check=False, pool="solo"):
    with trace.get_tracer("shop").start_as_current_span("checkout"):
        results = [charge.delay(f"u-{number}") for number in range(3)]
    for result in results:
        result.get(timeout=60)
get_logger_provider().force_flush()
trace.get_tracer_provider().force_flush()
"""


def test_celery(posthog: CaptureServer, tmp_path: Path) -> None:
    """A log event within a task has the id of the task's user, and the group."""
    pytest.importorskip("opentelemetry.instrumentation.celery")
    pytest.importorskip("celery")
    (tmp_path / "tasks.py").write_text(_CELERY)
    more = {
        "OTEL_EXPORTER_POSTHOG_GROUPS": "company=tenant.id",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery",
    }
    environment = _environment(posthog, tmp_path, **more)
    command = [sys.executable, "-c", _INSTRUMENT, sys.executable, str(tmp_path / "tasks.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    paid = [event for event in posthog.events if event["event"] == "order.paid"]
    assert sorted(event["distinct_id"] for event in paid) == ["u-0", "u-1", "u-2"]
    assert {event["properties"]["$groups"]["company"] for event in paid} == {"acme"}


def test_genai_is_routed(posthog: CaptureServer) -> None:
    """The README's recipe sends GenAI spans to PostHog's AI endpoint, and other spans to `/batch/`."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    (recipe,) = re.findall(r"```python\n(# genai.*?)```", _README, re.DOTALL)
    code = recipe.replace("https://eu.i.posthog.com", posthog.url) + (
        "tracer = provider.get_tracer('shop')\n"
        "with tracer.start_as_current_span('checkout', attributes={'user.id': 'u-17'}):\n"
        "    with tracer.start_as_current_span('chat m', attributes={'gen_ai.request.model': 'm'}): pass\n"
        "provider.shutdown()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [event["event"] for event in posthog.events] == ["checkout"]
    to_ai = [request for request in posthog.requests if request.path.startswith("/i/v0/ai/otel")]
    assert b"chat m" in b"".join(request.body for request in to_ai)
    assert b"checkout" not in b"".join(request.body for request in to_ai)
    posthog._requests[:] = [request for request in posthog.requests if request not in to_ai]


_LOGGING = """
import logging
from opentelemetry import trace
from opentelemetry._logs import get_logger_provider
log = logging.getLogger("shop")
with trace.get_tracer("shop").start_as_current_span("request", attributes={"user.id": "u-17"}):
    log.warning("paid", extra={"otel.event.name": "order.paid", "items": 3})
    log.warning("not an event")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("it failed")
get_logger_provider().force_flush()
trace.get_tracer_provider().force_flush()
"""


def test_logging(posthog: CaptureServer, tmp_path: Path) -> None:
    """`logging` sends named records and `logger.exception()`, both with the id of the span's user."""
    pytest.importorskip("opentelemetry.instrumentation.logging.handler")
    (tmp_path / "app.py").write_text(_LOGGING)
    environment = _environment(posthog, tmp_path, OTEL_EXPORTER_POSTHOG_EXCEPTIONS="true")
    command = [sys.executable, "-c", _INSTRUMENT, sys.executable, str(tmp_path / "app.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = {event["event"]: event for event in posthog.events}
    assert sorted(found) == ["$exception", "order.paid", "request"]
    assert {event["distinct_id"] for event in posthog.events} == {"u-17"}
    assert found["$exception"]["properties"]["$exception_list"][0]["type"] == "ZeroDivisionError"


_CONFIGURATION = """
file_format: "1.0"
logger_provider:
  processors:
    - batch:
        exporter:
          posthog:
            api_key: phc_test
            host: {url}
            events: ["order.*"]
            group_attributes: {{company: tenant.id}}
            exceptions: true
            redakt: true
tracer_provider:
  processors:
    - simple:
        exporter:
          posthog: {{api_key: phc_test, host: {url}, filter: all}}
"""
_CONFIGURED = """
from opentelemetry import trace
from opentelemetry._logs import get_logger, get_logger_provider
from opentelemetry.configuration.file import configure_sdk, load_config_file
configure_sdk(load_config_file("otel.yaml"))
from opentelemetry.exporter.posthog import PostHogContextProcessor
PostHogContextProcessor.install()
with trace.get_tracer("shop").start_as_current_span("request", attributes={"user.id": "u-17"}):
    get_logger("shop").emit(event_name="order.paid", attributes={"tenant.id": "acme"})
    get_logger("shop").emit(event_name="other")
get_logger_provider().force_flush()
"""


def test_declarative_configuration(posthog: CaptureServer, tmp_path: Path) -> None:
    """A configuration file sets arguments; an unknown key causes a warning, not a failure of the SDK."""
    pytest.importorskip("opentelemetry.configuration.file")
    (tmp_path / "otel.yaml").write_text(_CONFIGURATION.format(url=posthog.url))
    environment = _environment(posthog, tmp_path)
    command = [sys.executable, "-c", _CONFIGURED]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {event["event"]: event for event in posthog.events}
    assert sorted(found) == ["order.paid", "request"], done.stderr
    assert found["order.paid"]["distinct_id"] == "u-17"
    assert found["order.paid"]["properties"]["$groups"] == {"company": "acme"}
    assert done.stderr.count("'redakt'") == 1


def test_the_configuration_file_of_the_readme(posthog: CaptureServer, tmp_path: Path) -> None:
    """The README's file works as printed under `opentelemetry-instrument`; the variable gives the host."""
    pytest.importorskip("opentelemetry.configuration.file")
    (printed,) = re.findall(r"```yaml\n(.*?)```", _README, re.DOTALL)
    (tmp_path / "otel.yaml").write_text(printed)
    (tmp_path / "app.py").write_text(
        "from opentelemetry._logs import get_logger\n"
        "get_logger('shop').emit(event_name='order.placed', attributes={'tenant.id': 'acme'})\n"
    )
    environment = _environment(posthog, tmp_path, OTEL_CONFIG_FILE=str(tmp_path / "otel.yaml"))
    command = [sys.executable, "-c", _INSTRUMENT, sys.executable, str(tmp_path / "app.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (event,) = posthog.events
    assert event["event"] == "order.placed"
    assert event["properties"]["$groups"] == {"company": "acme"}
