"""`Retry` decides about back-off, outages and failing batches without a clock, so its tests need none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem0_telemetry.delivery import Limits
from mem0_telemetry.delivery._attempts import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits()


@dataclass
class World:
    """A destination, its batches, and a clock that advances when the sender waits."""

    waiting: list[str]
    refuses: Callable[[str, float], bool]
    now: float = 1000.0
    retry: Retry = field(default_factory=lambda: Retry(LIMITS))
    sent: list[str] = field(default_factory=list)
    attempts: list[tuple[float, str]] = field(default_factory=list)

    def step(self) -> bool:
        """Make one attempt as the sender does; return False if all batches are sent."""
        if not self.waiting:
            return False
        self.now = max(self.now, self.retry.not_before)
        if not self.retry.in_line(self.waiting, self.now):
            self.now = self.retry.suspects.until
        name = self.retry.in_line(self.waiting, self.now)[0]
        self.attempts.append((self.now, name))
        if self.refuses(name, self.now):
            self.retry.failed([name], self.now, None, more=len(self.waiting) > 1)
        else:
            self.waiting.remove(name)
            self.sent.append(name)
            self.retry.succeeded([name], [], self.now)
        return True

    def run(self, steps: int) -> None:
        """Make up to `steps` attempts."""
        for _ in range(steps):
            if not self.step():
                return


def test_a_healthy_destination_gets_the_oldest_first() -> None:
    """A healthy destination gets the batches in order, without a pause."""
    world = World(list("abcdef"), lambda *_: False)
    world.run(10)
    assert world.sent == list("abcdef")
    assert world.now == 1000.0


def test_pauses_double_until_it_goes_quiet() -> None:
    """The pauses are 1, 2, 4, 8 and 16 s, and then 5 minutes, each less jitter."""
    world = World(["a"], lambda *_: True)
    world.run(9)
    moments = [moment for moment, _ in world.attempts]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    for pause, longest in zip(pauses, [1, 2, 4, 8, 16, 300, 300, 300], strict=True):
        assert longest / 2 <= pause <= longest
    assert world.retry.quiet


def test_all_batches_arrive_after_an_outage() -> None:
    """In an outage no batch becomes a suspect; after it, all batches arrive without further pauses."""
    world = World(list("abc"), lambda _, now: now < 1000 + 86_400)
    world.run(1000)
    assert sorted(world.sent) == list("abc")
    assert world.now - 1000 - 86_400 <= LIMITS.quiet_interval


def test_a_batch_that_fails_goes_to_the_end_of_the_line() -> None:
    """In an outage, each batch is tried in turn."""
    world = World(list("abc"), lambda *_: True)
    world.run(7)
    assert "".join(name for _, name in world.attempts) == "abcabca"


def test_other_batches_overtake_one_that_always_fails() -> None:
    """Other batches overtake a batch that always fails within seconds, and its retries become rarer."""
    world = World(["bad", "good1", "good2", "good3"], lambda name, _: name == "bad")
    world.run(5)
    assert world.sent == ["good1", "good2", "good3"]
    assert world.now - 1000 < 10
    world.run(15)
    assert world.attempts[-1][1] == "bad"
    assert LIMITS.quiet_interval / 2 <= world.attempts[-1][0] - world.attempts[-2][0] <= LIMITS.quiet_interval


def test_failures_of_a_suspect_cause_no_back_off() -> None:
    """The failures of a suspect do not make the destination back off."""
    world = World(["bad", "good"], lambda name, _: name == "bad")
    world.run(5)
    assert world.sent == ["good"]
    assert world.retry.not_before <= world.now
    assert not world.retry.down
    before = world.now
    world.waiting.append("new")
    world.step()
    assert world.sent == ["good", "new"]
    assert world.now == before


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (1e9, 3600.0), (-5.0, 0.5), (float("nan"), 0.5)])
def test_retry_after_applies_up_to_an_hour(asked: float, waited: float) -> None:
    """A `retry_after` applies up to an hour, even after `retry_now`."""
    retry = Retry(LIMITS)
    retry.failed(["a"], 0.0, asked, more=False)
    assert waited <= retry.not_before <= waited + 0.5
    retry.retry_now()
    assert retry.not_before == (waited if asked > 0 else 0.0)


def test_retry_now_tries_the_next_batches_too() -> None:
    """After `retry_now`, a destination that is down gets three attempts with three batches, and then backs off."""
    world = World(list("abcd"), lambda *_: True)
    world.run(2)
    world.retry.retry_now()
    before = world.now
    while world.now == before:
        world.step()
    tried = [name for moment, name in world.attempts if moment == before]
    assert tried[1:] == ["c", "d", "a"]


def test_retry_now_tries_a_single_batch_once() -> None:
    """After `retry_now`, a single batch gets one attempt, because there is no other batch to try."""
    world = World(["a"], lambda *_: True)
    world.retry.retry_now()
    world.run(2)
    assert world.now > 1000.0


def test_retry_now_sends_other_batches_despite_one_that_always_fails() -> None:
    """After `retry_now`, the other batches are sent at once, even if the oldest always fails."""
    world = World(["bad", "good1", "good2"], lambda name, _: name == "bad")
    world.retry.retry_now()
    world.run(3)
    assert world.sent == ["good1", "good2"]
    assert world.now == 1000.0


def test_a_failed_batch_is_sent_despite_steady_arrivals() -> None:
    """A batch that failed once is sent soon, even if a new batch arrives after each request."""
    world = World(["first"], lambda name, now: name == "first" and now == 1000.0)
    for number in range(20):
        world.step()
        world.now += 1.0
        world.waiting.append(f"fresh{number:02}")
    assert "first" in world.sent[:5]
    assert [name for name in world.sent if name != "first"] == sorted(set(world.sent) - {"first"})


def test_many_suspects_in_a_second_outage() -> None:
    """In a second outage, many suspects of the first one do not flood the destination: they share one pause."""
    hours = 3600.0
    down_again = 1000.0 + 12 * hours
    answers = iter([True] * 2)

    def refuses(_: str, now: float) -> bool:
        return now < down_again or next(answers, False) is False

    world = World([f"b{number:03}" for number in range(200)], refuses)
    while world.now < down_again + 6 * hours:
        world.step()
    assert len(world.sent) == 2
    later = [moment for moment, _ in world.attempts if moment > down_again]
    assert 6 * 12 <= len(later) < 6 * 30
    assert world.retry.down
    assert world.retry.quiet
    answers = iter([True] * 1000)
    for _ in range(10_000):
        if not world.step():
            break
    assert world.waiting == []
    assert not world.retry.down


def test_a_suspect_does_not_mark_the_destination_as_down() -> None:
    """A suspect that always fails does not make the destination count as down, and later batches are sent at once."""
    world = World(["bad", "good"], lambda name, _: name == "bad")
    world.run(3)
    assert world.sent == ["good"]
    world.run(8)
    world.waiting.append("late")
    before = world.now
    world.step()
    assert (world.sent, world.now) == (["good", "late"], before)
    assert not world.retry.down


def test_suspects_share_one_pause() -> None:
    """Suspects that always fail share one pause: there is one attempt in each, and each suspect has its turn."""
    world = World(["bad1", "bad2", "bad3", "good"], lambda name, _: name != "good")
    world.run(40)
    assert world.sent == ["good"]
    later = world.attempts[10:]
    pauses = [after[0] - before[0] for before, after in itertools.pairwise(later)]
    assert min(pauses) >= LIMITS.quiet_interval / 2
    assert {name for _, name in later[:3]} == {"bad1", "bad2", "bad3"}


def test_a_new_suspect_does_not_wait_for_an_older_one() -> None:
    """A batch that fails once in an outage does not wait for the long pause of an older suspect."""
    down = False
    world = World(["bad", "good"], lambda name, _: down or name == "bad")
    world.run(12)
    down = True
    world.waiting.append("later")
    world.step()
    assert world.attempts[-1][1] == "later"
    down, before = False, world.now
    world.waiting.append("last")
    world.run(5)
    assert world.sent == ["good", "last", "later"]
    assert world.now - before < 10


def test_a_failed_group_is_tried_one_by_one() -> None:
    """After a failed request with several batches, each next request has one batch."""
    retry = Retry(LIMITS)
    assert retry.may_join("a")
    retry.failed(["a", "b"], 0.0, None, more=True)
    assert retry.in_line(["a", "b"], 0.0) == ["a", "b"]
    assert not retry.may_join("a")
    retry.succeeded(["a"], [], 1.0)
    assert retry.may_join("b")


@settings(max_examples=60, deadline=None)
@given(
    failing=st.sets(st.integers(0, 9), max_size=3),
    outages=st.lists(st.tuples(st.floats(1000, 5000), st.floats(1, 900)), max_size=3),
    waits=st.sets(st.integers(0, 300), max_size=5),
)
def test_every_other_batch_arrives_in_any_mixture_of_failures(
    failing: set[int], outages: list[tuple[float, float]], waits: set[int]
) -> None:
    """In any mixture of outages and batches that always fail, every other batch is sent."""
    bad = {f"b{number:03}" for number in failing}
    world = World(
        [f"b{number:03}" for number in range(10)],
        lambda name, now: name in bad or any(start <= now < start + length for start, length in outages),
    )
    for step in range(600):
        if step % 20 == 0:
            world.waiting.append(f"c{step:03}")
        if step in waits:
            world.retry.retry_now()
        world.step()
    assert {name for name in world.waiting if name.startswith("b")} <= bad


def test_a_batch_that_cannot_be_removed_delays_no_other() -> None:
    """A sent batch that cannot be removed is sent repeatedly, but a batch that failed once still has its turn."""
    retry = Retry(LIMITS)
    retry.succeeded(["stays"], ["stays"], 0.0)
    retry.failed(["once"], 1.0, None, more=True)
    retry.succeeded(["other"], [], 2.0)
    sent, now = [], 2.0
    while "once" not in sent and len(sent) < 5:
        now = max(now, retry.suspects.until)
        name = retry.in_line(["once", "stays"], now)[0]
        sent.append(name)
        retry.succeeded([name], [name] if name == "stays" else [], now)
    assert "once" in sent
