"""Fixtures for the delivery tests, which import no other part of `mem0_telemetry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from mem0_telemetry.delivery._mailbox import Mailbox
    from mem0_telemetry.delivery._status import Drops


# On a busy machine Hypothesis generates examples slowly, which says nothing about the code under test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that need locks if locks and fork are hidden."""
    left_out = [item for item in items if item.get_closest_marker("posix") and support.NO_LOCKS]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def sink() -> Iterator[support.Sink]:
    """Run a destination that answers 200."""
    sink = support.Sink()
    yield sink
    sink.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the directory of the spool, which does not exist yet."""
    return tmp_path / "home" / "telemetry"


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Delivery]]:
    """Return a function that builds deliveries (in `directory`, with quick limits), which end with the test."""
    made = []

    def build(*destinations: Any, **kwargs: Any) -> Delivery:
        where = kwargs.pop("directory", directory)
        delivery = support.pipeline(where, *destinations, **{"limits": support.quick_limits(), **kwargs})
        made.append(delivery)
        return delivery

    yield build
    for delivery in made:
        delivery.shutdown(0)
    # Wait for the threads to end: they must not run into the next test's monkeypatches.
    support.wait_until(lambda: not any(delivery.status().threads for delivery in made))


@pytest.fixture
def drops() -> Drops:
    """Return the drop counts of the test's mailboxes."""
    from mem0_telemetry.delivery._status import Drops

    return Drops()


@pytest.fixture
def mailbox(directory: Path, drops: Drops) -> Callable[..., Mailbox]:
    """Return a function that makes mailboxes of one destination, each like that of another process."""
    from mem0_telemetry.delivery import Limits
    from mem0_telemetry.delivery._mailbox import Mailbox

    def make(root: Path | None = directory, **limits: int) -> Mailbox:
        return Mailbox(root=root, name="loop-abc123", limits=Limits(**limits), drops=drops)

    return make


@pytest.fixture
def pause() -> Iterator[support.Pause]:
    """Return a `Pause` that ends with the test."""
    made = support.Pause()
    yield made
    made.end()
