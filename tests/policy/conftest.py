"""Fixtures of the policy's tests."""

import pytest

from mem0_telemetry.policy import identity


@pytest.fixture
def new_process() -> None:
    """Nothing is known of an id that an earlier test had for its process."""
    identity._ephemeral.cache_clear()
