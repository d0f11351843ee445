"""Settings: argument, then environment, then default. An unusable value causes one warning."""

from __future__ import annotations

import ast
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter, environment_variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]

SUCCESS = LogRecordExportResult.SUCCESS


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages logged at WARNING or above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"OTEL_EXPORTER_POSTHOG_API_KEY": "phc_a"}, "phc_a"),
        ({"OTEL_EXPORTER_POSTHOG_API_KEY": " phc_a\r\n"}, "phc_a"),  # from a file with Windows line endings
        (
            {"OTEL_EXPORTER_POSTHOG_API_KEY": "'phc_a-B_1'"},
            "phc_a-B_1",
        ),  # `docker run --env-file` keeps quotes
        ({"OTEL_EXPORTER_POSTHOG_API_KEY": '""', "POSTHOG_API_KEY": '"phc_b"'}, "phc_b"),
        ({"POSTHOG_API_KEY": "phc_b"}, "phc_b"),
        ({"OTEL_EXPORTER_POSTHOG_API_KEY": "", "POSTHOG_API_KEY": "phc_b"}, "phc_b"),
        ({"OTEL_EXPORTER_POSTHOG_API_KEY": "phc_a", "POSTHOG_API_KEY": "phc_b"}, "phc_a"),
    ],
)
def test_the_environment_configures_an_exporter(
    server: CaptureServer,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    key: str,
) -> None:
    """Key and host come from the exporter's variables, else from PostHog's; an empty one counts as unset."""
    host = next(iter(variables)).replace("API_KEY", "HOST")
    for name, value in {**variables, host: f"{server.url}\r"}.items():
        monkeypatch.setenv(name, value)
    assert PostHogLogExporter().export([make_log()]) is SUCCESS
    assert server.requests[0].json()["api_key"] == key


def test_arguments_win_and_the_environment_is_not_read(
    server: CaptureServer,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If the code gives every argument, no variable has an effect, not even an unusable one."""
    for name in environment_variables.__all__:
        monkeypatch.setenv(name, "phx_unusable")
    everything: dict[str, Any] = {
        **{name: {} for name in ("event_names", "property_names", "group_attributes")},
        **dict.fromkeys(("distinct_id_attributes", "baggage_keys", "events"), ()),
        **dict.fromkeys(("person_profiles", "geoip", "ip", "trace_context"), False),
        **dict.fromkeys(("conventions", "exceptions", "redact", "retry"), False),
    }
    log_exporter = PostHogLogExporter(api_key="phc_a", host=server.url, timeout=5, **everything)
    PostHogSpanExporter(api_key="phc_a", host=server.url, timeout=5, filter=lambda _: True, **everything)
    assert log_exporter.export([make_log()]) is SUCCESS
    assert server.requests[0].json()["api_key"] == "phc_a"
    assert warnings_in(caplog) == []


def test_an_exporter_without_a_key_is_inert(
    make_log: MakeLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters without a key do not connect: they count the records, and one warning names the variable."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was made"))
    exporter = PostHogLogExporter()
    PostHogSpanExporter()
    exporter.warm_up()
    assert exporter.export([make_log(), make_log()]) is SUCCESS
    assert exporter.stats.dropped == {"unconfigured": 2}
    exporter.shutdown()
    assert len(warnings_in(caplog)) == 1
    assert "OTEL_EXPORTER_POSTHOG_API_KEY" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    "key",
    [
        *(
            "phx_hunter2",
            "'phx_hunter2'",
            '"phx_hunter2"',
            "Bearer phx_hunter2",
            "Bearer phc_a",
            "phs_hunter2",
        ),
        *(
            '"phc_"',
            "phc_" + "k" * 61,
            "phc_ü",
            "phc_a\nb",
            "phc_a\r\nX: phx_hunter2",
            "phc_\u202erettunh",
            "hunter2",
            "PHC_a",
        ),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("source", ["The argument 'api_key'", "POSTHOG_API_KEY"])
def test_unusable_keys_are_refused_before_any_request(
    server: CaptureServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
    source: str,
) -> None:
    """A personal or malformed key is never sent, and the warning does not contain it."""
    monkeypatch.setenv("POSTHOG_API_KEY", key)
    exporter = PostHogLogExporter(api_key=key if "argument" in source else None, host=server.url)
    assert exporter.export([ReadableLogRecord(LogRecord(event_name="order.placed"), Resource({}))]) is SUCCESS
    assert server.requests == []
    (warning,) = warnings_in(caplog)
    assert warning.startswith(source)
    assert key not in warning
    assert "hunter2" not in warning


@pytest.mark.parametrize(
    "host",
    [
        *(
            "eu.posthog.com",
            "ftp://eu.posthog.com",
            "https://",
            "http://:80",
            "https://eu.posthog.com?x=1",
            "/path",
        ),
        *(
            "https://eu.posthog.com:99999",
            "https://eu.posthog.com:x",
            "https://eu posthog.com",
            "https://[::1",
        ),
        *(
            "https://user:hunter2@eu.posthog.com",
            "https://hunter2@eu.posthog.com",
            "https://eu.post\u202ehog.com",
        ),
    ],
)
def test_unusable_hosts_send_nowhere(
    make_log: MakeLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    """An unusable host is not replaced by the default one: a typo must not send events elsewhere."""
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_HOST", host)
    exporter = PostHogLogExporter(api_key="phc_a")
    assert exporter.export([make_log()]) is SUCCESS
    assert exporter.stats.dropped == {"unconfigured": 1}
    (warning,) = warnings_in(caplog)
    assert warning.startswith("OTEL_EXPORTER_POSTHOG_HOST is no usable URL")
    assert "hunter2" not in warning


@pytest.mark.parametrize("value", [7, b"phc_a", ["phc_a"], object()], ids=lambda value: type(value).__name__)
def test_a_key_or_host_of_another_type_is_refused(caplog: pytest.LogCaptureFixture, value: Any) -> None:
    """A key or host that is not a string never raises, and nothing is sent, not even to the default host."""
    for arguments in ({"api_key": value}, {"api_key": "phc_a", "host": value}):
        assert PostHogLogExporter(**arguments)._config.api_key is None
    assert len(warnings_in(caplog)) == 2


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [("2.5", 2.5), ("", 10.0), ("soon", 10.0), ("0", 10.0), ("-1", 10.0), ("nan", 10.0), ("inf", 3600.0)],
)
def test_timeout_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, timeout: str, expected: float
) -> None:
    """The variable holds seconds; for an unusable value the exporter warns and uses the default."""
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_TIMEOUT", timeout)
    assert PostHogLogExporter(api_key="phc_a")._config.timeout == expected
    is_unusable = timeout in {"soon", "0", "-1", "nan"}
    assert [text.partition(" is not")[0] for text in warnings_in(caplog)] == (
        ["OTEL_EXPORTER_POSTHOG_TIMEOUT"] if is_unusable else []
    )


@pytest.mark.parametrize(("timeout", "expected"), [(3, 3.0), (0, 10.0), (-1, 10.0), (math.nan, 10.0)])
def test_timeout_as_an_argument(timeout: float, expected: float) -> None:
    """An unusable `timeout` argument is replaced by the default, too."""
    assert PostHogLogExporter(api_key="phc_a", timeout=timeout)._config.timeout == expected


@pytest.mark.parametrize(
    ("variable", "text", "option", "expected"),
    [
        ("PERSON_PROFILES", '"true"', "person_profiles", True),
        ("EVENTS", "'order.*, cart.*'", "events", ("order.*", "cart.*")),
        ("EVENTS", '" , "', "events", ()),
        ("GROUPS", ' "company=tenant.id" ', "group_attributes", {"company": "tenant.id"}),
    ],
)
def test_quotes_around_a_variable_are_removed(  # noqa: PLR0913, PLR0917  # fixtures
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    text: str,
    option: str,
    expected: object,
) -> None:
    """The exporter removes the quotes that `docker run --env-file` keeps around a value."""
    monkeypatch.setenv(f"OTEL_EXPORTER_POSTHOG_{variable}", text)
    assert getattr(PostHogLogExporter(api_key="phc_a")._options, option) == expected
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(
    ("argument", "warning"),
    [
        ({"timeout": "soon"}, "not a number of seconds above 0. The default, 10 s, is used."),
        ({"exceptions": "on"}, "neither 'true' nor 'false'. The default, false, is used."),
        ({"retry": "no"}, "neither 'true' nor 'false'. The default, true, is used."),
        ({"events": 7}, "neither a list of texts nor a comma-separated list. The default is used."),
        (
            {"event_names": "a"},
            "nor a comma-separated list of key=value. The default is used.",
        ),
        ({"event_names": {"a": 1}}, "nor a comma-separated list of key=value. The default is used."),
        ({"host": "eu"}, "without a user name, a password or a query). Nothing is exported to PostHog."),
    ],
)
def test_the_warning_of_an_unusable_value_names_the_default(
    caplog: pytest.LogCaptureFixture, argument: dict[str, Any], warning: str
) -> None:
    """The warning names the unusable argument and what happens instead."""
    PostHogLogExporter(**{"api_key": "phc_a", **argument})
    (text,) = warnings_in(caplog)
    assert text.startswith(f"The argument {next(iter(argument))!r} is ")
    assert text.endswith(warning)


def test_stats_are_a_frozen_snapshot(server: CaptureServer, make_log: MakeLog) -> None:
    """A snapshot from `stats` does not change later, and cannot be modified."""
    exporter = PostHogLogExporter(api_key="phc_a", host=server.url)
    before = exporter.stats
    exporter.export([make_log(), make_log(event_name="")])
    assert (before.exported, dict(before.dropped)) == (0, {})
    assert (exporter.stats.exported, dict(exporter.stats.dropped)) == (1, {"no_name": 1})
    with pytest.raises(AttributeError):
        exporter.stats.exported = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        exporter.stats.dropped["no_name"] = 5  # type: ignore[index]


def test_every_variable_has_a_docstring() -> None:
    """Each constant in `environment_variables` has a docstring, and its own name as its value."""
    tree = ast.parse(Path(environment_variables.__file__).read_text())
    documented = {
        statement.target.id
        for statement, following in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
    }
    assert documented == set(environment_variables.__all__)
    assert all(getattr(environment_variables, name) == name for name in environment_variables.__all__)
