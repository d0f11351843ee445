"""Switched off, in each way and order, with any supported release of Mem0: nothing of telemetry's exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessions import each_once

from mem0_telemetry.cli.demo.run import OPT_OUTS

if TYPE_CHECKING:
    from conftest import RunSession

    from mem0_telemetry.cli.demo.run import OptOut


@pytest.mark.parametrize(("opt_out", "order"), each_once([*OPT_OUTS], lambda opt_out: opt_out.shown))
def test_nothing_exists(opt_out: OptOut, order: str, run_session: RunSession) -> None:
    """No request, thread, file, heavy import or migrations store; `Memory`, `AsyncMemory` and the client all ran."""
    outcome = run_session("--instrument", order, *opt_out.arguments, **opt_out.environ)
    report = outcome.report
    heavy = {
        name for name in report["heavy"] if order == "before" or name != "posthog"
    }  # Mem0 imports posthog
    if not opt_out.environ:  # it was on when the drop-in loaded what the first event needs
        heavy = {name for name in heavy if not name.startswith("opentelemetry.")}
    assert outcome.requests == []
    assert report["threads"] == []
    assert report["files"] == []
    assert heavy == set()
    assert report["migrations"] == []
    assert [memory["telemetry_store"] for memory in report["memories"]] == [False, False]
    assert [len(memory["memories"]) for memory in report["memories"]] == [1, 1]
