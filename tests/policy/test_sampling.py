"""Tests of sampling: it works as in Mem0, and does not affect the application's random numbers."""

import logging
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0_telemetry.base import guard
from mem0_telemetry.environment_variables import MEM0_TELEMETRY_SAMPLE_RATE, number, unusable_numbers
from mem0_telemetry.policy.sampling import keep, rate_of


def rate_from(value: str) -> float:
    """Return the rate for a value of the variable."""
    return number({MEM0_TELEMETRY_SAMPLE_RATE: value}, MEM0_TELEMETRY_SAMPLE_RATE)


@pytest.mark.parametrize(
    ("value", "rate"),
    [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (" 0.5 ", 0.5), ("1e-3", 0.001)],
)
def test_a_rate_is_read(value: str, rate: float) -> None:
    """A number from 0 to 1 is used as the rate."""
    assert rate_from(value) == rate


@pytest.mark.parametrize("value", ["", "half", "1.1", "-0.1", "nan", "inf", "50%", "0,5"])
def test_an_unusable_rate_is_the_default(value: str) -> None:
    """Any value except a number from 0 to 1 gives Mem0's own default."""
    assert rate_from(value) == rate_from("") == number({}, MEM0_TELEMETRY_SAMPLE_RATE) == 0.1


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        *[("1", 1.0), ("0.25", 0.25), ("half", 0.1), ("50", 0.1)],
        *[(1, 1.0), (0.25, 0.25), (True, 1.0), (50, 1.0), (10**400, 1.0)],
        *[(0, 0.0), (False, 0.0), (-1, 0.0), (None, 0.0), ({}, 0.0), (float("nan"), 0.0)],
    ],
)
def test_a_rate_assigned_in_the_drop_in(
    written: object, rate: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A string is read like the variable, a number works as in Mem0, and any other value keeps nothing."""
    caplog.set_level(logging.DEBUG, "mem0_telemetry")
    assert [rate_of(written), rate_of(written)] == [rate, rate]
    assert {record.levelname for record in caplog.records} <= {"DEBUG"}


def test_an_unusable_rate_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unusable rate is reported at DEBUG, with the name of the variable; a usable or missing one is not."""
    monkeypatch.setattr(guard, "_reported", set())
    caplog.set_level(logging.DEBUG, "mem0_telemetry")
    assert [rate_of("0.125"), unusable_numbers({})] == [0.125, []]
    assert caplog.records == []
    rate_of("a quarter")
    (record,) = caplog.records
    assert (record.levelname, MEM0_TELEMETRY_SAMPLE_RATE in record.message) == ("DEBUG", True)


@given(st.text())
def test_reading_a_rate_never_raises(value: str) -> None:
    """The rate is from 0 to 1 for any value of the variable."""
    assert 0 <= rate_from(value) <= 1


def test_the_share_that_is_kept_is_the_rate() -> None:
    """0 keeps no event, 1 keeps all, and a rate between them keeps about that share."""
    assert not any(keep(0.0) for _ in range(1000))
    assert all(keep(1.0) for _ in range(1000))
    assert 1500 < sum(keep(0.1) for _ in range(20_000)) < 2500


def test_the_applications_random_numbers_are_left_alone() -> None:
    """The application's seed does not affect sampling, and sampling does not affect the application's sequence."""
    random.seed(7)
    expected = [random.random() for _ in range(5)]  # noqa: S311  # the application's numbers
    random.seed(7)
    seen = []
    for _ in range(5):
        keep(0.5)
        seen.append(random.random())  # noqa: S311
    assert seen == expected
    random.seed(7)
    first = [keep(0.5) for _ in range(64)]
    random.seed(7)
    assert first != [keep(0.5) for _ in range(64)]


def test_forked_workers_do_not_keep_the_same_events() -> None:
    """Two forked children of one process use different random sequences."""
    keep(0.5)
    drawn = []
    for _ in range(2):
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writable, bytes(keep(0.5) for _ in range(64)))
            os._exit(0)
        os.close(writable)
        drawn.append(os.read(readable, 64))
        os.close(readable)
        os.waitpid(child, 0)
    assert len(drawn[0]) == 64
    assert drawn[0] != drawn[1]
