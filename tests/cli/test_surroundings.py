"""`verify` and `demo` remove some variables from the user's environment."""

from __future__ import annotations

import site
import sys
from typing import TYPE_CHECKING

from mem0_telemetry.cli.harness.stage import inherited
from support.processes import run_program

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_variables_that_would_decide_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of switches, destinations, OpenTelemetry and proxies, in any case, are removed; all others are kept."""
    decisive = {"MEM0_TELEMETRY", "MEM0_DIR", "OTEL_SDK_DISABLED", "PYTEST_VERSION", "DO_NOT_TRACK", "CI"}
    decisive |= {"POSTHOG_HOST", "http_proxy", "HTTPS_PROXY", "all_proxy", "grpc_proxy"}
    for name in (*decisive, "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("no_proxy", "intranet.example")
    left = inherited()
    assert not decisive & set(left)
    assert left["SSL_CERT_FILE"] == "given"
    assert (left["NO_PROXY"], left["no_proxy"]) == ("127.0.0.1,localhost", "127.0.0.1,localhost")


def test_packages_of_the_user_are_found(tmp_path: Path) -> None:
    """A program with its own home still finds the packages of `pip install --user`."""
    code = "import site; print(site.getuserbase())"
    result = run_program([sys.executable, "-c", code], {**inherited(), "HOME": str(tmp_path)})
    assert result.stdout == f"{site.getuserbase()}\n"
