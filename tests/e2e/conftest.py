"""Fixtures of the end-to-end tests: a real OTLP receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.receivers import TestAgent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def otlp_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAgent]:
    """Run a third-party OTLP receiver, over HTTP and gRPC."""
    with TestAgent(tmp_path_factory.mktemp("ddapm")) as agent:
        yield agent
