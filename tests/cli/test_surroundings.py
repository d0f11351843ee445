"""What `verify` and `demo` leave out of the user's environment, with Mem0 itself in front of a user's proxy."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from processes import clean_environ

from mem0_telemetry.cli.surroundings import inherited
from opentelemetry.exporter.posthog.testing import CaptureServer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_would_decide_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches, destinations, the application's OpenTelemetry and proxies are out, in any spelling; the rest is in."""
    decisive = {"MEM0_TELEMETRY", "MEM0_DIR", "OTEL_SDK_DISABLED", "PYTEST_VERSION", "DO_NOT_TRACK", "CI"}
    decisive |= {"POSTHOG_HOST", "http_proxy", "HTTPS_PROXY", "all_proxy", "grpc_proxy"}
    for name in (*decisive, "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("no_proxy", "intranet.example")
    left = inherited()
    assert not decisive & set(left)
    assert left["SSL_CERT_FILE"] == "given"
    assert (left["NO_PROXY"], left["no_proxy"]) == ("127.0.0.1,localhost", "127.0.0.1,localhost")


def test_the_demonstration_uses_no_proxy(tmp_path: Path) -> None:
    """`demo` succeeds where a proxy is set for the world, and the proxy hears nothing of it."""
    with CaptureServer() as proxy:
        settings = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "grpc_proxy"), proxy.url)
        result = subprocess.run(
            [sys.executable, "-m", "mem0_telemetry", "demo"],
            env=clean_environ(tmp_path, **settings, no_proxy="intranet.example"),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert proxy.requests == []
