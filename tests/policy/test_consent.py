"""Tests of consent: the truth table of `conformance/consent.json`, and that only an explicit yes is a yes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0_telemetry.policy.consent import Consent, decide
from mem0_telemetry.policy.state_file import State

TABLE = json.loads((Path(__file__).parents[2] / "conformance" / "consent.json").read_text())
STATES = {"enabled": State(), "disabled": State(disabled=True), "unreadable": State(readable=False)}
SWITCHES = ("MEM0_TELEMETRY", "OTEL_SDK_DISABLED", "DO_NOT_TRACK", "PYTEST_VERSION", "PYTEST_CURRENT_TEST")


@pytest.mark.parametrize("case", TABLE["decisions"], ids=lambda case: json.dumps(case)[:120])
def test_the_truth_table_holds(case: dict[str, Any]) -> None:
    """`decide` returns every decision of the truth table, with its source."""
    consent = decide(
        case["environment"],
        flag=case.get("switch", True),
        state=STATES[case.get("choice", "enabled")],
        destination_problem=case.get("destination_problem"),
    )
    assert (consent.enabled, consent.source) == (case["enabled"], case["source"])
    if "also" in case:
        assert [source for source, _ in consent.also] == case["also"]


def test_the_truth_table_names_every_switch() -> None:
    """No switch can be added to the code without a line in the truth table."""
    sources = {case["source"] for case in TABLE["decisions"]}
    assert sources == {*SWITCHES, "default", "set_enabled", "state.json", "destination"}


def test_the_truth_table_has_each_stored_choice() -> None:
    """The truth table covers every choice that can be stored."""
    assert {case["choice"] for case in TABLE["decisions"] if "choice" in case} == {*STATES}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"environ": {}}, "nothing says off"),
        ({"environ": {"MEM0_TELEMETRY": "Yes"}}, "MEM0_TELEMETRY='Yes'"),
        ({"environ": {}, "flag": False}, "running program"),
        ({"environ": {}, "state": STATES["disabled"]}, "`mem0-telemetry disable`"),
        ({"environ": {}, "state": STATES["unreadable"]}, "`mem0-telemetry enable`"),
        ({"environ": {"PYTEST_VERSION": "9"}}, "MEM0_TELEMETRY=true"),
        ({"environ": {}, "destination_problem": "no key is set"}, "no key is set"),
    ],
    ids=str,
)
def test_the_reason_names_the_setting_or_command(setting: dict[str, Any], said: str) -> None:
    """Each decision's reason names the setting behind it, or the command that undoes it."""
    assert said in decide(**setting).reason


def test_every_source_that_says_off_is_listed() -> None:
    """The decision also lists the other sources that say off, with their reasons."""
    environ = {
        "DO_NOT_TRACK": "1",
        "OTEL_SDK_DISABLED": "true",
        "PYTEST_VERSION": "9",
        "PYTEST_CURRENT_TEST": "t",
    }
    consent = decide(environ, state=STATES["disabled"])
    assert consent.source == "OTEL_SDK_DISABLED"
    assert [source for source, _ in consent.also] == [
        "DO_NOT_TRACK",
        "state.json",
        "PYTEST_VERSION",  # which stands for pytest; the other variable is only there while a test runs
    ]
    assert all(reason for _, reason in consent.also)


@given(
    environ=st.dictionaries(st.sampled_from(SWITCHES), st.text(max_size=8)),
    flag=st.booleans(),
    state=st.sampled_from([*STATES.values(), State(readable=None)]),
    problem=st.one_of(st.none(), st.text(min_size=1, max_size=8)),
)
def test_anything_off_wins(*, environ: dict[str, str], flag: bool, state: State, problem: str | None) -> None:
    """If any source says off, telemetry is off, whatever the other sources say."""
    consent = decide(environ, flag=flag, state=state, destination_problem=problem)
    if not flag or state.disabled or state.readable is False or problem is not None:
        assert not consent.enabled
    if consent.enabled:
        assert consent.source in {"default", "MEM0_TELEMETRY"}
        assert consent.also == ()
    for worse in (
        decide(environ, flag=False, state=state, destination_problem=problem),
        decide(environ, flag=flag, state=STATES["unreadable"], destination_problem=problem),
        decide({**environ, "DO_NOT_TRACK": "1"}, flag=flag, state=state, destination_problem=problem),
        decide({**environ, "MEM0_TELEMETRY": "0"}, flag=flag, state=state, destination_problem=problem),
        decide(environ, flag=flag, state=state, destination_problem="nowhere"),
    ):
        assert not worse.enabled


@given(st.text())
def test_only_three_spellings_keep_it_on(value: str) -> None:
    """`MEM0_TELEMETRY` keeps telemetry on for `true`, `1` and `yes` in any case, and for nothing else."""
    assert decide({"MEM0_TELEMETRY": value}).enabled == (value.lower() in {"true", "1", "yes"})


def test_a_reason_shows_a_value_without_its_control_characters() -> None:
    """The reason contains no control characters of the value, which could affect a terminal, and is short."""
    reason = decide({"MEM0_TELEMETRY": "\x1b[2J" + "x" * 500}).reason
    assert "\x1b" not in reason
    assert len(reason) < 100


def test_consent_cannot_be_changed() -> None:
    """A decision is immutable: assigning to it raises."""
    consent = decide({})
    with pytest.raises(AttributeError):
        consent.enabled = True
    assert consent == Consent(enabled=True, source="default", reason=consent.reason)
