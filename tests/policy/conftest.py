"""Fixtures of the policy's tests."""

import pytest
from hypothesis import HealthCheck, settings

from mem0_telemetry.policy import identity

# On a busy machine Hypothesis generates examples slowly, which says nothing about the code under test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def new_process() -> None:
    """Forget the ephemeral id of an earlier test, as a new process would not have it."""
    identity._ephemeral.cache_clear()
