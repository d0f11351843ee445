"""The exporter's own metrics, which the SDK's variable for internal metrics switches on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.metrics import NoOpCounter, NoOpHistogram, NoOpMeterProvider, NoOpUpDownCounter
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable


def _points(reader: InMemoryMetricReader) -> dict[tuple[str, str | None], Any]:
    """Return the points by metric and `error.type`."""
    data = reader.get_metrics_data()
    return {
        (metric.name, point.attributes.get("error.type")): point
        for resource in (data.resource_metrics if data else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


@pytest.mark.parametrize(("exporter", "signal"), [(PostHogLogExporter, "log"), (PostHogSpanExporter, "span")])
def test_metrics_follow_the_semantic_conventions(  # noqa: PLR0913, PLR0917  # fixtures
    server: CaptureServer,
    monkeypatch: pytest.MonkeyPatch,
    make_log: Callable[..., Any],
    make_span: Callable[..., Any],
    exporter: Any,
    signal: str,
) -> None:
    """The metrics count exported records by `error.type`, records in flight, and durations, by component."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    built = exporter(
        api_key="phc_a", host=server.url, meter_provider=meter_provider, retry=False, filter=_named
    )
    make = make_log if signal == "log" else make_span
    name = "event_name" if signal == "log" else "name"
    server.answer(Answer(), Answer(status=401), Answer(status=503))
    built.export([make(), make(), make(**{name: "unwanted"})])
    built.export([make()])
    built.export([make()])
    points = _points(reader)
    prefix = f"otel.sdk.exporter.{signal}"
    exported = {
        error: point.value for (metric, error), point in points.items() if metric == f"{prefix}.exported"
    }
    assert exported == {None: 2, "unauthorized": 1, "HTTP 503": 1}
    assert points[f"{prefix}.inflight", None].value == 0
    durations = {
        error: point.count for (metric, error), point in points.items() if metric.endswith("duration")
    }
    assert durations == {None: 2, "HTTP 503": 1}
    attributes = points[f"{prefix}.exported", None].attributes
    assert attributes["otel.component.type"] == f"posthog_{signal}_exporter"
    assert attributes["otel.component.name"].startswith(f"posthog_{signal}_exporter/")
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", server.port)
    meter_provider.shutdown()


def _named(record: Any) -> bool:
    return getattr(record, "name", None) != "unwanted" and (
        getattr(getattr(record, "log_record", None), "event_name", None) != "unwanted"
    )


@pytest.mark.parametrize("switch", ["false", "1", "", None])
def test_without_the_switch_there_are_no_metrics(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch, make_log: Callable[..., Any], switch: str | None
) -> None:
    """Without the SDK's switch there are no metrics, even with a `meter_provider`."""
    if switch is not None:
        monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", switch)
    reader = InMemoryMetricReader()
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    PostHogLogExporter(api_key="phc_a", host=server.url, meter_provider=meter_provider).export([make_log()])
    assert _points(reader) == {}
    meter_provider.shutdown()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (None, ("us.i.posthog.com", 443)),
        ("https://ph.test", ("ph.test", 443)),
        ("http://ph.test", ("ph.test", 80)),
    ],
)
@pytest.mark.parametrize(
    ("exporter", "unit"), [(PostHogLogExporter, "{log_record}"), (PostHogSpanExporter, "{span}")]
)
def test_metrics_name_the_server_and_each_exporter(
    monkeypatch: pytest.MonkeyPatch, exporter: Any, unit: str, host: str | None, address: tuple[str, int]
) -> None:
    """Without `meter_provider`, the global one counts: in OTel's units, by server, and by exporter."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.exporter.posthog._stats.get_meter_provider", lambda: provider)
    for _ in range(2):
        built = exporter(api_key="phc_a", host=host)
        built.shutdown()
        built.export([object()])
    data = reader.get_metrics_data()
    assert data
    metrics = {one.name.rpartition(".")[2]: one for one in data.resource_metrics[0].scope_metrics[0].metrics}
    assert (metrics["exported"].unit, metrics["inflight"].unit, metrics["duration"].unit) == (unit, unit, "s")
    points = [dict(point.attributes or {}) for point in metrics["exported"].data.data_points]
    assert [(one["server.address"], one["server.port"]) for one in points] == [address] * 2
    assert points[0]["otel.component.name"] != points[1]["otel.component.name"]
    provider.shutdown()


def test_a_meter_provider_of_a_wrong_type_is_ignored(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch, make_log: Callable[..., Any]
) -> None:
    """With a `meter_provider` that is none, there are no metrics, and events still arrive."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    PostHogLogExporter(api_key="phc_a", host=server.url, meter_provider=object()).export([make_log()])  # type: ignore[arg-type]
    assert len(server.events) == 1


def _fail(*_: Any, **__: Any) -> None:
    raise RuntimeError("a broken instrument")


@pytest.mark.parametrize("broken", ["add", "record"])
def test_an_instrument_that_raises_does_not_stop_an_export(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch, make_log: Callable[..., Any], broken: str
) -> None:
    """If the application's meter provider raises, events still arrive, and the context is restored."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    for kind in (NoOpCounter, NoOpUpDownCounter, NoOpHistogram):
        if hasattr(kind, broken):
            monkeypatch.setattr(kind, broken, _fail)
    before = dict(get_current())
    exporter = PostHogLogExporter(api_key="phc_a", host=server.url, meter_provider=NoOpMeterProvider())
    assert exporter.export([make_log()]) is LogRecordExportResult.SUCCESS
    assert len(server.events) == 1
    assert exporter.stats.exported == 1
    assert dict(get_current()) == before
