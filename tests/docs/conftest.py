"""Fixtures of the tests of the documents: a reader that runs their code, and a fake language model for Mem0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.fake_openai import FakeOpenAI
from support.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer


@pytest.fixture(scope="session")
def openai() -> Iterator[FakeOpenAI]:
    """Run a fake of OpenAI's API."""
    with FakeOpenAI() as fake:
        yield fake


@pytest.fixture
def reader(tmp_path: Path, server: CaptureServer, openai: FakeOpenAI) -> Reader:
    """Return a reader in an empty directory, with an OpenAI key; `server` is the fake PostHog."""
    return Reader(home=tmp_path / "home", posthog_url=server.url, openai_url=openai.url)
