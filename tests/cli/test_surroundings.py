"""What `verify` and `demo` leave out of the user's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mem0_telemetry.cli.harness.stage import inherited

if TYPE_CHECKING:
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
