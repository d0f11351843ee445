"""Every check between a call and the queue, in this process with telemetry on: pytest's default of off hides no fault.

`make mutants-switches` removes one check at a time; then a test here, or of the truth table of consent, must fail.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import mem0_telemetry
from mem0_telemetry import environment_variables
from mem0_telemetry.base import guard as _guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.mem0_internals import drop_in, native_module
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.pipeline import pipeline as pipeline_module
from mem0_telemetry.policy import identity, notice, sampling, state_file
from mem0_telemetry.usage import dry_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Start = Callable[..., tuple[Any, Any]]

MODULES = ("usage.switches", "usage.recorder", "usage.current", "telemetry")
"""The modules that are executed again for each test."""
NAMES = [
    value for name, value in vars(environment_variables).items() if name.isupper() and type(value) is str
]


class FakePipeline:
    """A fake pipeline, which records the calls that it receives."""

    def __init__(self, configs: Any = (), **given: Any) -> None:
        self.configs, self.given, self.delivery = configs, given, self
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.dropped: dict[str, int] = {}
        self.discarded = 0
        self.installation_id: str | None = None
        self.followed: list[str | None] = []

    def enqueue(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Record an event."""
        self.events.append((name, dict(attributes)))

    def count_dropped(self, reason: str, count: int = 1) -> None:
        """Count dropped events."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def discard(self) -> None:
        """Count the call."""
        self.discarded += 1

    def follow(self, installation_id: str | None) -> None:
        """Record the id."""
        self.followed.append(installation_id)

    def identity(self) -> SimpleNamespace:
        """Return an identity with the id `made`."""
        return SimpleNamespace(id="made")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that executes the drop-in again, with `MEM0_TELEMETRY=true` and a fake pipeline."""
    monkeypatch.setattr(pipeline_module, "Pipeline", FakePipeline)

    def executed(**environ: str | None) -> tuple[Any, Any]:
        monkeypatch.setattr(_guard, "_reported", set())
        for name in NAMES:
            if name != "MEM0_DIR":
                monkeypatch.delenv(name, raising=False)
        for name, value in {"MEM0_TELEMETRY": "true", "MEM0_TELEMETRY_SAMPLE_RATE": "1", **environ}.items():
            if value is not None:
                monkeypatch.setenv(name, value)
        for name in MODULES:
            monkeypatch.delitem(sys.modules, f"mem0_telemetry.{name}", raising=False)
        telemetry = importlib.import_module("mem0_telemetry.telemetry")
        for name in MODULES:  # monkeypatch removes the module when the test ends
            monkeypatch.setitem(
                sys.modules, f"mem0_telemetry.{name}", sys.modules.pop(f"mem0_telemetry.{name}")
            )
        return telemetry, telemetry._usage

    return executed


def call(telemetry: Any, usage: Any) -> list[str]:
    """Make one call of each kind that Mem0 makes; return the names of the events that were queued."""
    already = len(usage.recorder.pipeline.events) if usage.recorder.pipeline else 0
    telemetry.capture_event("mem0.init", object(), {})
    telemetry.capture_client_event("client.init", object(), {})
    telemetry.AnonymousTelemetry().capture_event("mem0.reset", {})
    return [name for name, _ in usage.recorder.pipeline.events[already:]] if usage.recorder.pipeline else []


ALL = ["mem0.init", "mem0.client.init", "mem0.reset"]


def test_switched_on_each_call_is_queued(start: Start) -> None:
    """With telemetry on, each call is queued with its data, and the decision names its source."""
    telemetry, usage = start()
    assert telemetry.MEM0_TELEMETRY is True
    assert type(telemetry.client_telemetry) is telemetry.AnonymousTelemetry
    assert call(telemetry, usage) == ALL
    assert (usage.switches.consent().enabled, usage.switches.consent().source) == (True, "MEM0_TELEMETRY")
    assert not usage.switches.leaves_off()
    assert usage.recorder.pipeline.dropped == {}
    assert usage.switches.chosen.configs == usage.recorder.pipeline.configs != ()
    telemetry.capture_event("mem0.search", object(), {"sync_type": "sync"})
    telemetry.capture_event("mem0.search", object(), [("sync_type", "sync")])
    assert [event["mem0.sync_type"] for _, event in usage.recorder.pipeline.events[3:4]] == ["sync"]
    assert "mem0.sync_type" not in usage.recorder.pipeline.events[4][1]


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({"MEM0_TELEMETRY": "False"}, "MEM0_TELEMETRY"),
        ({"DO_NOT_TRACK": "1"}, "DO_NOT_TRACK"),
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED"),
        ({"MEM0_TELEMETRY": None}, "PYTEST_VERSION"),
        ({"MEM0_TELEMETRY_EXPORTER": "none"}, "destination"),
        ({"MEM0_TELEMTRY": "False"}, "destination"),
    ],
    ids=str,
)
def test_off_from_the_start(
    environ: dict[str, str | None], source: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the environment says off at the start, there is no event, handle or id, even after the variable is removed."""
    monkeypatch.setenv("PYTEST_VERSION", "9")
    reads: list[str] = []
    real = state_file.read
    monkeypatch.setattr(state_file, "read", lambda directory: reads.append(directory) or real(directory))
    telemetry, usage = start(PYTEST_VERSION="9", **environ)
    monkeypatch.setenv("MEM0_TELEMETRY", "true")
    for name in ("DO_NOT_TRACK", "OTEL_SDK_DISABLED", "MEM0_TELEMETRY_EXPORTER", "MEM0_TELEMTRY"):
        monkeypatch.delenv(name, raising=False)
    assert bool(reads) == (source == "destination")
    assert usage.switches.decide().source == source
    check_off(telemetry, usage)
    assert usage.switches.consent().source == source
    assert usage.recorder.pipeline is None
    assert telemetry.MEM0_TELEMETRY is (environ.get("MEM0_TELEMETRY", "") != "False")


def check_off(telemetry: Any, usage: Any, made_before: Any = None) -> None:
    """Assert that no event is observed or queued, and that there is no handle and no id."""
    seen: list[object] = []
    usage.recorder.observe, observe = (lambda *call: seen.append(call)), usage.recorder.observe
    assert call(telemetry, usage) == []
    if made_before is not None:
        made_before.capture_event("mem0.reset")
    usage.recorder.observe = observe
    assert seen == []
    assert telemetry.AnonymousTelemetry().posthog is None
    assert telemetry.AnonymousTelemetry().user_id is None
    assert telemetry.get_or_create_user_id() is None
    assert usage.recorder.make_installation_id() is None
    assert usage.switches.leaves_off()
    assert not usage.switches.consent().enabled


@pytest.mark.parametrize("value", [False, "False", "off", None, 0, 1])
def test_run_time_flag(value: object, start: Start) -> None:
    """A flag other than `True` and its spellings is off at the next call; `True` withdraws it; a reload keeps it."""
    telemetry, usage = start()
    anonymous = telemetry.AnonymousTelemetry()
    telemetry.MEM0_TELEMETRY = value
    check_off(telemetry, usage, anonymous)
    assert usage.switches.consent().source == "set_enabled"
    importlib.reload(telemetry)
    assert telemetry.MEM0_TELEMETRY is value
    assert not usage.switches.flags.say_on()
    telemetry.MEM0_TELEMETRY = "yes"
    assert call(telemetry, usage) == ALL


def test_set_enabled(start: Start) -> None:
    """`set_enabled(False)` discards events and holds; `set_enabled(True)` discards nothing and only withdraws it."""
    telemetry, usage = start()
    mem0_telemetry.set_enabled("false")
    anonymous = telemetry.AnonymousTelemetry()
    check_off(telemetry, usage)
    mem0_telemetry.set_enabled("true")
    assert call(telemetry, usage) == ALL
    mem0_telemetry.set_enabled(enabled=False)
    assert (usage.switches.decide().enabled, usage.switches.off, usage.recorder.pipeline.discarded) == (
        True,
        True,
        1,
    )
    telemetry.MEM0_TELEMETRY = True
    anonymous.posthog = object()
    check_off(telemetry, usage, anonymous)
    mem0_telemetry.set_enabled(enabled=True)
    assert usage.recorder.pipeline.discarded == 1
    assert call(telemetry, usage) == ALL


def test_environment_applies_until_the_first_event(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set before the first event applies; calls do not read the environment after that event."""
    telemetry, usage = start()
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert usage.switches.consent().enabled  # no call has read the environment since
    assert call(telemetry, usage) == []
    assert usage.switches.consent().source == "DO_NOT_TRACK"
    telemetry, usage = start()
    assert call(telemetry, usage) == ALL
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert call(telemetry, usage) == ALL
    _, usage = start()
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert usage.recorder.make_installation_id() is None


def test_stored_choice(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored no is off. `state.json` is read at each batch and on request, but never on an event."""
    telemetry, usage = start()
    assert call(telemetry, usage) == ALL
    allowed = usage.recorder.pipeline.given["allowed"]
    assert allowed() is True
    assert usage.recorder.pipeline.followed == [None]
    write_state(disabled=True)
    assert allowed() is False
    assert usage.switches.decide(read_state=False).enabled
    assert not usage.switches.decide().enabled
    write_state(disabled=False)
    assert allowed() is False  # a process that was off stays off
    write_state(disabled=True)
    telemetry, usage = start()
    check_off(telemetry, usage)
    assert usage.switches.consent().source == "state.json"
    usage = type(usage)()
    assert usage.switches.decide(read_state=False).source == "state.json"
    assert type(usage)().switches.consent().source == "state.json"
    write_state(disabled=False)
    telemetry, usage = start()
    usage.recorder.pipeline = None
    monkeypatch.setattr(
        pipeline_module, "Pipeline", lambda configs, **given: (given["allowed"](), FakePipeline(configs))[1]
    )
    assert call(telemetry, usage) == ALL  # `allowed` ran during the build, without a pipeline


def write_state(**fields: Any) -> None:
    """Write `state.json` as another process does."""
    directory = Path(state_file.telemetry_dir(state_file.mem0_dir(os.environ)))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.joinpath("state.json").write_text(json.dumps(fields))


def test_flag_of_mem0s_own_module(start: Start) -> None:
    """`False` in Mem0's own module counts. While we are off, that flag is `False`; after that, a `True` is restored."""
    telemetry, usage = start()
    native = ModuleType("native")
    native.MEM0_TELEMETRY = True
    usage.switches.meet_native(native)
    assert native.MEM0_TELEMETRY is True
    assert call(telemetry, usage) == ALL
    native.MEM0_TELEMETRY = False
    assert call(telemetry, usage) == []
    assert usage.switches.consent().source == "set_enabled"
    usage.set_enabled(False)
    usage.set_enabled(True)
    assert native.MEM0_TELEMETRY is False  # set by the application, so we do not restore it
    native.MEM0_TELEMETRY = True
    usage.set_enabled(False)
    usage.switches.decide()
    assert native.MEM0_TELEMETRY is False
    usage.set_enabled(True)
    assert native.MEM0_TELEMETRY is True
    usage.set_enabled(False)
    usage.switches.meet_native(None)
    assert native.MEM0_TELEMETRY is False
    native.MEM0_TELEMETRY = True
    usage.switches.meet_native(native)
    assert native.MEM0_TELEMETRY is False


@pytest.mark.parametrize("name", ["AnonymousTelemetry", "_get_oss_telemetry", "client_telemetry"])
def test_replaced_objects_of_mem0_record_nothing(name: str, start: Start) -> None:
    """If the application has replaced an object through which Mem0 hands on an event, that event is not recorded."""
    telemetry, usage = start()
    stub = SimpleNamespace(capture_event=lambda *_: None)
    setattr(telemetry, name, lambda *_: stub)
    recorded = {
        "AnonymousTelemetry": ["mem0.client.init"],
        "_get_oss_telemetry": ["mem0.client.init", "mem0.reset"],
        "client_telemetry": ["mem0.init", "mem0.reset"],
    }
    assert call(telemetry, usage) == recorded[name]
    client = telemetry.client_telemetry
    assert importlib.reload(telemetry).client_telemetry is client


@pytest.mark.parametrize("name", ["__init__", "capture_event"])
def test_replaced_method_records_nothing(name: str, start: Start) -> None:
    """If the application has replaced a method, which Mem0's own module would call, no event is recorded."""
    telemetry, usage = start()
    setattr(telemetry.AnonymousTelemetry, name, lambda *_: None)
    assert call(telemetry, usage) == []


def test_silenced_client_records_nothing(start: Start) -> None:
    """A telemetry object that the application closed, or gave another PostHog client, records nothing; others do."""
    telemetry, usage = start()
    telemetry.client_telemetry.close()
    assert call(telemetry, usage) == ["mem0.init", "mem0.reset"]
    usage.recorder.pipeline.events.clear()
    telemetry.client_telemetry.posthog = SimpleNamespace(capture=print)
    assert call(telemetry, usage) == ["mem0.init", "mem0.reset"]


def test_sampling(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only hot events of `Memory` are sampled; the events of `Memory` carry their sample rate."""
    telemetry, usage = start(MEM0_TELEMETRY_SAMPLE_RATE="0")
    telemetry.capture_event("mem0.search", object(), {})
    telemetry.capture_event("mem0.init", object(), {})
    telemetry.capture_client_event("client.search", object(), {})
    monkeypatch.setattr(sampling, "keep", lambda rate: rate == 0.5)
    telemetry.MEM0_TELEMETRY_SAMPLE_RATE = 0.5
    telemetry.capture_event("mem0.search", object(), {})
    telemetry.capture_event("mem0.init", object(), {})
    rates = [(name, event.get("mem0.sample_rate")) for name, event in usage.recorder.pipeline.events]
    names = ["mem0.init", "mem0.client.search", "mem0.search", "mem0.init"]
    assert rates == list(zip(names, (1.0, None, 0.5, 1.0), strict=True))


@pytest.mark.parametrize(("written", "kept"), [("1", True), (1, True), ("0", False), (0.0, False)])
def test_sample_rate_written_as_text(written: object, kept: bool, start: Start) -> None:  # noqa: FBT001
    """The module's `MEM0_TELEMETRY_SAMPLE_RATE` accepts the same values as the variable, text included."""
    telemetry, usage = start()
    telemetry.MEM0_TELEMETRY_SAMPLE_RATE = written
    for _ in range(5):
        telemetry.capture_event("mem0.search", object(), {})
    rates = [event["mem0.sample_rate"] for _, event in usage.recorder.pipeline.events] if kept else []
    assert rates == [1.0] * 5 * kept
    assert usage.recorder.dropped_before() == {}


def test_drops_are_counted(start: Start) -> None:
    """Events that the registry does not know are counted before, during and after the build of the pipeline."""
    telemetry, usage = start()
    telemetry.capture_event("unheard", object(), {})
    assert usage.recorder.dropped_before() == {"unknown_event": 1}
    assert call(telemetry, usage) == ALL
    telemetry.capture_event("unheard", object(), {})
    assert usage.recorder.pipeline.dropped == {"unknown_event": 2}
    pipeline, usage.recorder.pipeline = usage.recorder.pipeline, None

    @contextmanager
    def built_meanwhile() -> Iterator[None]:
        usage.recorder.pipeline = pipeline
        yield

    usage.recorder._lock = SimpleNamespace(of_this_process=built_meanwhile)
    usage.recorder.drop("unknown_event")
    assert usage.recorder.pipeline.dropped == {"unknown_event": 3}


def test_a_dry_run_builds_nothing(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that starts as a dry run stays one: it prints events, and never builds a pipeline."""
    telemetry, usage = start(MEM0_TELEMETRY_DEBUG="1")
    monkeypatch.delenv("MEM0_TELEMETRY_DEBUG")
    usage.switches.decide()
    assert call(telemetry, usage) == []
    assert capsys.readouterr().err.count("\n") >= 3
    assert usage.recorder.ensure_pipeline() is None
    assert not usage.recorder._is_admitted()
    assert telemetry.get_or_create_user_id(object()) is None
    telemetry, usage = start()
    usage.switches.off = True
    assert not usage.recorder._is_admitted()
    assert usage.recorder.ensure_pipeline() is None


def test_run_that_shows_the_notice_records_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that shows the notice records nothing and reports why; `state.json` decides whether a run shows it."""
    asked: list[Any] = []
    monkeypatch.setattr(notice, "admits", lambda *_, **given: asked.append(given) or False)
    write_state(disabled=False)
    telemetry, usage = start()
    native = ModuleType("native")
    native.MEM0_TELEMETRY = True
    usage.switches.meet_native(native)
    assert call(telemetry, usage) == []
    assert (usage.switches.consent().source, usage.switches.off, native.MEM0_TELEMETRY) == (
        notice.SOURCE,
        True,
        False,
    )
    assert usage.recorder.dropped_before() == {}
    assert asked[0]["vendor"] is True
    assert asked[0]["state"] is usage.switches.state
    usage = type(usage)()
    usage.recorder._is_admitted()
    assert asked[1]["state"] == state_file.State()


def test_a_pipeline_is_built_once(start: Start, monkeypatch: pytest.MonkeyPatch, reported: list[str]) -> None:
    """An event that interrupts the pipeline's build is dropped and counted; a failed build switches telemetry off."""
    telemetry, usage = start()

    def interrupted(*_: object, **given: Any) -> FakePipeline:
        assert usage.recorder.ensure_pipeline() is None
        telemetry.capture_event("mem0.init", object(), {})
        return FakePipeline(**given)

    monkeypatch.setattr(pipeline_module, "Pipeline", interrupted)
    assert call(telemetry, usage) == ALL
    assert usage.recorder.pipeline.dropped == {"not_ready": 1}
    built = usage.recorder.pipeline
    usage.recorder._build_once()  # as if another thread had built the pipeline first
    assert usage.recorder.pipeline is built
    monkeypatch.setattr(pipeline_module, "Pipeline", lambda *_, **__: 1 / 0)
    telemetry, usage = start()
    telemetry.capture_event("mem0.init", object(), {})
    assert len(reported) == 1
    reported.clear()
    assert (usage.switches.consent().source, usage.switches.off, usage.recorder.dropped_before()) == (
        "opentelemetry-sdk",
        True,
        {"not_ready": 1},
    )
    assert call(telemetry, usage) == []
    assert usage.recorder.dropped_before() == {"not_ready": 1}


@pytest.mark.parametrize("raised", [RecursionError, MemoryError, KeyboardInterrupt])
def test_temporary_failures_leave_telemetry_on(
    raised: type[BaseException], start: Start, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    """An event that meets a full stack, full memory or Ctrl-C counts as dropped; the next one builds the pipeline."""
    telemetry, usage = start()
    sound = pipeline_module.Pipeline

    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(pipeline_module, "Pipeline", fail)
    with suppress(RecursionError, MemoryError, KeyboardInterrupt):
        usage.recorder.pipeline_if_allowed()  # not called for an event, so no event is lost
    assert usage.recorder.dropped_before() == {}
    with suppress(KeyboardInterrupt):
        telemetry.capture_event("mem0.init", object(), {})
    assert usage.recorder.dropped_before() == {"not_ready": 1}
    reported.clear()
    monkeypatch.setattr(pipeline_module, "Pipeline", sound)
    assert call(telemetry, usage) == ALL


def test_source_of_the_installation_id(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id is that of the running pipeline, else the stored one, else None; only the pipeline creates one."""
    telemetry, usage = start()
    assert telemetry.AnonymousTelemetry().user_id is None
    monkeypatch.setattr(identity, "current", lambda _: SimpleNamespace(id="stored"))
    assert telemetry.AnonymousTelemetry().user_id == "stored"
    assert telemetry.get_or_create_user_id() == "made"
    assert telemetry.AnonymousTelemetry().user_id == "stored"
    usage.recorder.pipeline.installation_id = "running"
    anonymous = telemetry.AnonymousTelemetry()
    anonymous.user_id = "fixed"
    assert anonymous.user_id == "running"
    stored = SimpleNamespace(id=7, payload={"user_id": "in the store"})
    store = SimpleNamespace(list=lambda **_: [[stored]], get=lambda **_: stored, insert=lambda **_: None)
    assert telemetry.get_or_create_user_id(store) != "made"
    anonymous.close()
    anonymous.capture_event("mem0.reset")
    assert (anonymous.posthog, anonymous.user_id) == (None, None)
    assert usage.recorder.pipeline.events == []
    monkeypatch.setattr(native_module, "native_attribute", lambda name: name)
    assert telemetry.unheard == "unheard"
    with pytest.raises(AttributeError):
        telemetry.__path__  # noqa: B018


def test_problems_are_logged_once(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each problem is logged once: when the drop-in is executed, at the first event, or by `set_enabled`."""
    telemetry, usage = start(MEM0_TELEMETRY_EXPORTER="posthgo", MEM0_TELEMETRY_EXIT_TIMEOUT="soon")
    assert len(warnings(caplog)) == 1
    usage.switches.warn()
    assert len(warnings(caplog)) == 1
    telemetry, usage = start()
    monkeypatch.setenv("MEM0_TELEMETRY_EXPORTER", "console,late")
    assert call(telemetry, usage) == ALL
    assert len(warnings(caplog)) == 2
    telemetry, usage = start()
    monkeypatch.setenv("MEM0_TELEMETRY_EXPORTER", "console,later")
    usage.set_enabled(True)
    assert len(warnings(caplog)) == 3
    caplog.set_level("DEBUG", "mem0_telemetry")
    telemetry, usage = start(MEM0_TELEMETRY_EXIT_TIMEOUT="soon")
    assert call(telemetry, usage) == ALL
    assert any("MEM0_TELEMETRY_EXIT_TIMEOUT" in record.getMessage() for record in caplog.records)


def test_imports_are_done_only_with_consent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The imports for the first event take place if telemetry is on; not if it is off, or before consent is decided."""
    prepared: list[bool] = []
    monkeypatch.setattr(fork_gate, "hold", lambda: nullcontext(prepared.append(True)))
    sampling.source.cache_clear()
    _, usage = start()
    assert len(prepared) == 1
    assert sampling.source.cache_info().misses == 1
    usage.set_enabled(True)
    assert len(prepared) == 2
    assert sampling.source.cache_info().misses == 1  # the source of random numbers is created once
    usage.set_enabled(False)
    usage.recorder.prepare()
    type(usage)().recorder.prepare()  # no source of consent has been asked
    start(MEM0_TELEMETRY="False")
    assert len(prepared) == 2


def test_pipeline_that_cannot_be_imported(
    start: Start, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    """If the pipeline cannot be imported, telemetry is off, and one drop is counted; a dry run needs no pipeline."""
    monkeypatch.setitem(sys.modules, "mem0_telemetry.pipeline.pipeline", None)
    monkeypatch.delattr("mem0_telemetry.pipeline.pipeline")
    _, usage = start(MEM0_TELEMETRY_DEBUG="1")
    assert (usage.switches.off, reported) == (False, [])
    _, usage = start()
    assert (usage.switches.off, usage.switches.consent().source) == (True, "opentelemetry-sdk")
    assert usage.recorder.dropped_before() == {"not_ready": 1}
    assert len(reported) == 1
    reported.clear()


def test_a_dry_run_says_why_it_shows_nothing(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run prints why telemetry is off; nothing is printed if telemetry is on, or if it is not a dry run."""
    monkeypatch.setattr(dry_run, "_said", set())
    start(MEM0_TELEMETRY="False")
    start(MEM0_TELEMETRY_DEBUG="1")
    assert capsys.readouterr().err == ""
    start(MEM0_TELEMETRY_DEBUG="1", MEM0_TELEMETRY="False")
    assert capsys.readouterr().err.count("so nothing is shown (MEM0_TELEMETRY: ") == 1


def test_drop_in_leaves_warnings_to_instrument(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The drop-in leaves warnings to an `instrument()` that decided first; while off, it reports no unusable number."""
    telemetry, usage = start()
    usage.switches.chosen = destinations.Destinations((), ("another",), none=False, remarks=("a remark",))
    usage.switches.decide = lambda **_: None
    usage.enter(vars(telemetry))
    assert warnings(caplog) == []
    usage.switches.warn()
    assert len(warnings(caplog)) == 2
    caplog.clear()
    start(MEM0_TELEMETRY="False", MEM0_TELEMETRY_EXIT_TIMEOUT="soon")
    assert [record.getMessage() for record in caplog.records] == []


def test_directory_flags_and_id_are_kept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mem0's directory is determined once, the given flags are used, and an unreadable `state.json` changes no id."""
    telemetry, usage = start()
    assert type(usage.switches)(usage.switches.flags).flags is usage.switches.flags
    assert call(telemetry, usage) == ALL
    with monkeypatch.context() as patched:
        patched.setattr(state_file, "read", lambda _: state_file.State(readable=None))
        assert usage.recorder.pipeline.given["allowed"]() is None
    assert usage.recorder.pipeline.followed == []
    monkeypatch.setenv("MEM0_DIR", "elsewhere")
    before = usage.switches.directory
    usage.switches.decide()
    assert usage.switches.directory == before


class FakeDropIn:
    """A fake drop-in, which records the calls that it receives."""

    def __init__(self, module: Any, *, found: Callable[[Any], None]) -> None:
        self.module, self.found = module, found
        self.asked: list[object] = []

    def replace(self) -> None:
        """Record the call."""
        self.asked.append("replace")

    def restore(self, *, opted_out: bool) -> None:
        """Record the argument."""
        self.asked.append(opted_out)


def test_replaced_and_restored(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has one drop-in; the flag of Mem0's own module counts from its discovery until `restore_native`."""
    monkeypatch.setattr(drop_in, "DropIn", FakeDropIn)
    telemetry, usage = start()
    usage.restore_native()
    assert usage.drop_in is None
    usage.replace_native(telemetry)
    replaced = usage.drop_in
    usage.replace_native(telemetry)
    assert (usage.drop_in, replaced.module) == (replaced, telemetry)
    native = SimpleNamespace(MEM0_TELEMETRY=True)
    replaced.found(native)
    assert call(telemetry, usage) == ALL
    native.MEM0_TELEMETRY = False
    assert call(telemetry, usage) == []
    usage.restore_native()
    assert replaced.asked == ["replace", "replace", True]
    assert call(telemetry, usage) == ALL


def test_posthog_is_our_inert_class(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Posthog`, which Mem0's own tests replace, is our inert class, and no other module is searched for it."""
    monkeypatch.setattr(native_module, "native_attribute", lambda _: None)
    telemetry, _ = start()
    assert telemetry.Posthog is telemetry._InertClient


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that were logged at WARNING."""
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
