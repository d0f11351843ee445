"""Fixtures of the policy's tests."""

import pytest

from mem0_telemetry.policy import identity


@pytest.fixture
def new_process() -> None:
    """Forget the ephemeral id of an earlier test, as a new process would not have it."""
    identity._ephemeral.cache_clear()
