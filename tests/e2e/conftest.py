"""What the end-to-end tests share: a stand-in of Mem0's hosted API, and a real OTLP receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from receivers import TestAgent

from mem0_telemetry.cli.demo.platform_stub import PlatformStub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def platform() -> Iterator[PlatformStub]:
    """Mem0's hosted API, on this machine."""
    with PlatformStub() as stub:
        yield stub


@pytest.fixture
def otlp_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAgent]:
    """An OTLP receiver that others wrote, over http and grpc."""
    with TestAgent(tmp_path_factory.mktemp("ddapm")) as agent:
        yield agent
