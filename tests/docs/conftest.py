"""What the tests of the documents share: the place of a reader who follows them, and a language model for Mem0."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from openai_standin import OpenAIStandIn  # needs the path above
from reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.exporter.posthog.testing import CaptureServer


@pytest.fixture(scope="session")
def openai() -> Iterator[OpenAIStandIn]:
    """OpenAI's API, on this machine."""
    with OpenAIStandIn() as standin:
        yield standin


@pytest.fixture
def reader(tmp_path: Path, server: CaptureServer, openai: OpenAIStandIn) -> Reader:
    """Somebody in an empty directory, with an OpenAI key, where `server` is in PostHog's place."""
    return Reader(home=tmp_path / "home", posthog_url=server.url, openai_url=openai.url)
