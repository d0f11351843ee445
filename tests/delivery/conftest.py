"""Fixtures of the delivery's tests, which import no other part of `mem0_telemetry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from mem0_telemetry.delivery._mailbox import Mailbox
    from mem0_telemetry.delivery._status import Drops


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs locks where both locks and fork are hidden."""
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
    """Where the spool will be; it does not exist yet."""
    return tmp_path / "home" / "telemetry"


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Delivery]]:
    """Return what builds deliveries (in `directory`, with quick limits), which end with the test."""
    made = []

    def build(*destinations: Any, **kwargs: Any) -> Delivery:
        where = kwargs.pop("directory", directory)
        delivery = support.pipeline(where, *destinations, **{"limits": support.quick_limits(), **kwargs})
        made.append(delivery)
        return delivery

    yield build
    for delivery in made:
        delivery.shutdown(0)
    # None of their threads is to meet what the next test puts in the place of something.
    support.wait_until(lambda: not any(delivery.status().threads for delivery in made))


@pytest.fixture
def drops() -> Drops:
    """Where the mailboxes of a test count."""
    from mem0_telemetry.delivery._status import Drops

    return Drops()


@pytest.fixture
def mailbox(directory: Path, drops: Drops) -> Callable[..., Mailbox]:
    """Return what makes mailboxes of one destination, as different processes would."""
    from mem0_telemetry.delivery import Limits
    from mem0_telemetry.delivery._mailbox import Mailbox

    def make(root: Path | None = directory, **limits: int) -> Mailbox:
        return Mailbox(root=root, name="loop-abc123", limits=Limits(**limits), drops=drops)

    return make


@pytest.fixture
def pause() -> Iterator[support.Pause]:
    """One, which ends with the test."""
    made = support.Pause()
    yield made
    made.end()
