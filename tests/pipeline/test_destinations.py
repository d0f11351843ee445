"""Tests of the destinations that the environment chooses: a typo never sends data to the vendor."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.pipeline.destinations import VENDOR_API_KEY, VENDOR_HOST, DestinationConfig, resolve

if TYPE_CHECKING:
    from pathlib import Path


def only(**environ: str) -> DestinationConfig:
    """Return the one destination that `environ` chooses."""
    chosen = resolve(environ)
    assert chosen.problems == ()
    (config,) = chosen.configs
    return config


def test_default_is_mem0s_posthog() -> None:
    """With nothing set, events go to Mem0's project at PostHog's US cloud."""
    config = only()
    assert (config.name, config.endpoint, config.api_key) == ("posthog", VENDOR_HOST, VENDOR_API_KEY)
    assert config.is_vendor is True


def test_own_posthog() -> None:
    """Our own variables set the key and the host; the application's `POSTHOG_*` never do."""
    config = only(
        MEM0_TELEMETRY_POSTHOG_API_KEY=" phc_own ",
        MEM0_TELEMETRY_POSTHOG_HOST="https://eu.i.posthog.com/",
        POSTHOG_API_KEY="phc_app",
        POSTHOG_HOST="https://app.example.com",
    )
    assert (config.endpoint, config.api_key) == ("https://eu.i.posthog.com", "phc_own")
    assert config.is_vendor is False


@pytest.mark.parametrize(
    ("environ", "endpoint", "headers", "protocol"),
    [
        ({}, "http://localhost:4318/v1/logs", {}, "http/protobuf"),
        ({"MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc"}, "http://localhost:4317", {}, "grpc"),
        (
            {
                "MEM0_TELEMETRY_OTLP_ENDPOINT": "https://otel.example.com/base/",
                "MEM0_TELEMETRY_OTLP_HEADERS": "X-Key=a%20b, other=c",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-app=secret",
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://app.example.com/logs",
            },
            "https://otel.example.com/base/v1/logs",
            {"x-key": "a b", "other": "c"},
            "http/protobuf",
        ),
        (
            {"MEM0_TELEMETRY_OTLP_HEADERS": "k=v", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://app.example.com"},
            "http://localhost:4318/v1/logs",
            {"k": "v"},
            "http/protobuf",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"},
            "http://c:4318/v1/logs",
            {"a": "b"},
            "http/protobuf",
        ),
        (
            {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:4318/mine", "OTEL_EXPORTER_OTLP_PROTOCOL": ""},
            "http://c:4318/mine",
            {},
            "http/protobuf",
        ),
        (
            {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"},
            "http://c:4317",
            {},
            "grpc",
        ),
    ],
)
def test_otlp(environ: dict[str, str], endpoint: str, headers: dict[str, str], protocol: str) -> None:
    """If one of our own variables is set, the standard ones are ignored; otherwise the standard ones apply."""
    config = only(MEM0_TELEMETRY_EXPORTER="otlp", **environ)
    assert (config.endpoint, config.url) == (endpoint, endpoint)
    assert (config.headers, config.protocol) == (headers, protocol)


def test_standard_certificates(tmp_path: Path) -> None:
    """Of the standard variables, the certificate for logs takes precedence over the general one."""
    logs, key = tmp_path / "logs.pem", tmp_path / "key.pem"
    logs.touch()
    key.touch()
    config = only(
        MEM0_TELEMETRY_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_CERTIFICATE="general.pem",
        OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=str(logs),
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(key),
    )
    assert config.files == {"certificate": str(logs), "client_key": str(key)}


def test_grpc_that_is_not_installed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """If `grpc` cannot be imported, choosing it is a problem; HTTP does not need it."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    (problem,) = resolve({"MEM0_TELEMETRY_EXPORTER": "otlp", "MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc"}).problems
    assert "not installed for grpc; pip install" in problem
    assert only(MEM0_TELEMETRY_EXPORTER="otlp").protocol == "http/protobuf"


def test_several_in_the_order_given() -> None:
    """A list keeps its order, ignores the case of our own names, and drops duplicates."""
    chosen = resolve({"MEM0_TELEMETRY_EXPORTER": "otlp, PostHog ,console,posthog"})
    assert [config.name for config in chosen.configs] == ["otlp", "posthog", "console"]


def test_installed_entry_point() -> None:
    """Any installed `opentelemetry_logs_exporter` can be named."""
    assert only(MEM0_TELEMETRY_EXPORTER="otlp_proto_http").name == "otlp_proto_http"


@pytest.mark.parametrize("value", ["none", "NONE", "posthog,none"])
def test_none_chooses_no_destination(value: str) -> None:
    """`none`, alone or in a list, chooses no destination and is not a problem."""
    chosen = resolve({"MEM0_TELEMETRY_EXPORTER": value})
    assert (chosen.configs, chosen.problems, chosen.none) == ((), (), True)
    assert chosen.reason_for_none == "MEM0_TELEMETRY_EXPORTER chooses none"


UNUSABLE = [
    ("MEM0_TELEMETRY_EXPORTER", "postog"),
    ("MEM0_TELEMETRY_EXPORTER", " , "),
    ("MEM0_TELEMETRY_POSTHOG_API_KEY", "phx_personal"),
    ("MEM0_TELEMETRY_EXPORTER", "posthog,phx_personal"),
    *(
        ("MEM0_TELEMETRY_POSTHOG_API_KEY", key)
        for key in (
            "'phx_personal'",
            '"phx_personal"',
            "phs_secret_of_a_project",
            "Bearer phx_personal",
            "Bearer phc_project",
            "project key",
            "PHC_project",
            "phc_",
            "phc_" + "k" * 61,
            "phc_one\nphx_personal",
            "phc_one\r\nX: phx_personal",
            "phc_\u202eterces",
            "phc_\u200bkey",
            "phc_k\u00e4y",
            "phc_\x00",
            "phc_a,phc_b",
            "\ufeffphc_project",
        )
    ),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "us.i.posthog.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "ftp://us.i.posthog.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://host:port"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://[::1"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://a b.example.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://user:secret@example.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://phx_personal@example.com:99999"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://us.i.posthog.com\\.example.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://us.i%2eposthog.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://us..posthog.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://us.i.post\thog.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://\u202eexample.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://stra\u00dfe.example.com"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://example.com/?token=secret"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://example.com/#fragment"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://example.com/a path"),
    ("MEM0_TELEMETRY_POSTHOG_HOST", "https://example.com/p\u00e4th"),
]


@pytest.mark.parametrize(("variable", "value"), UNUSABLE)
def test_unusable_value_builds_no_destination(variable: str, value: str) -> None:
    """A typo chooses no destination. One sentence names the variable, and never its value."""
    chosen = resolve(
        {variable: value, **({} if "EXPORTER" in variable else {"MEM0_TELEMETRY_EXPORTER": "posthog"})}
    )
    assert [config.name for config in chosen.configs] == ["posthog"] * value.startswith("posthog,")
    (problem,) = chosen.problems
    assert problem.startswith(variable)
    assert chosen.reason_for_none == (None if chosen.configs else problem)
    words = value.replace("=", " ").replace("@", " ").replace(",", " ").split()
    assert [word for word in words if len(word) > 8 and word in problem] == []
    assert "personal" not in problem.replace("a personal key", "")


def test_the_hint_for_a_posthog_host_is_a_posthog_host() -> None:
    """A mistyped PostHog host gets a hint with a PostHog host, not with the address of an OpenTelemetry collector."""
    (problem,) = resolve({"MEM0_TELEMETRY_POSTHOG_HOST": "eu.posthog.com"}).problems
    assert "https://eu.i.posthog.com" in problem
    assert "otel" not in problem


@pytest.mark.parametrize("value", ["postog", "OLTP", "otlp_http"])
def test_a_mistyped_exporter_name_is_shown(value: str) -> None:
    """A problem shows a mistyped exporter name. Any other name may be a secret and is hidden, as tested above."""
    (problem,) = resolve({"MEM0_TELEMETRY_EXPORTER": value}).problems
    assert f"has the name {value!r}, which is no installed exporter" in problem


@pytest.mark.parametrize(
    "variable", ["MEM0_TELEMETRY_OTLP_ENDPOINT", "MEM0_TELEMETRY_POSTHOG_HOST", "OTEL_EXPORTER_OTLP_ENDPOINT"]
)
def test_an_address_without_a_scheme_is_a_problem(variable: str) -> None:
    """Many people consider `localhost:4318` a URL, so the problem says that the scheme is missing, if it is."""
    name = "posthog" if "POSTHOG" in variable else "otlp"
    (problem,) = resolve({"MEM0_TELEMETRY_EXPORTER": name, variable: "localhost:4318"}).problems
    assert problem.startswith(f"{variable} has no http:// or https://")
    (problem,) = resolve({"MEM0_TELEMETRY_EXPORTER": name, variable: "http://localhost:port"}).problems
    assert problem.startswith(f"{variable} is not a URL")


def test_credentials_in_a_host_are_refused_by_name() -> None:
    """A host with a user name or password is not used, and the problem says why without the secret."""
    (problem,) = resolve({"MEM0_TELEMETRY_POSTHOG_HOST": "https://user:secret@example.com"}).problems
    assert "user name or password" in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "localhost:4318"),
        ("MEM0_TELEMETRY_OTLP_PROTOCOL", "http/json"),
        ("MEM0_TELEMETRY_OTLP_HEADERS", "no-equals"),
        ("MEM0_TELEMETRY_OTLP_HEADERS", "a=b%0Ac"),
        ("MEM0_TELEMETRY_OTLP_HEADERS", "a b=c"),
        ("MEM0_TELEMETRY_OTLP_HEADERS", "a=%C3%A4"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com?token=a secret"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com?token=secret#fragment"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com?token=s\u00e4cret"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com?token=secret\r\nX:\tsecret"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com/v1/traces"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://example.com/v1/metrics/"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "carrier-pigeon"),
    ],
)
def test_unusable_otlp_leaves_the_others(variable: str, value: str) -> None:
    """A problem with one destination does not stop the others."""
    chosen = resolve({"MEM0_TELEMETRY_EXPORTER": "otlp,console", variable: value})
    assert [config.name for config in chosen.configs] == ["console"]
    (problem,) = chosen.problems
    assert problem.split()[0] == variable
    assert value not in problem
    assert chosen.reason_for_none is None


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY"])
def test_an_unreadable_certificate_is_a_problem_for_https(variable: str) -> None:
    """An unreadable certificate is a problem for an https endpoint; for http it is never read."""
    chosen = {"MEM0_TELEMETRY_EXPORTER": "otlp", variable: "/nowhere/file.pem"}
    (problem,) = resolve({**chosen, "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1"}).problems
    assert problem.split()[0] == variable
    assert resolve({**chosen, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1"}).problems == ()


def test_a_module_without_a_spec_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake `grpc` module of a program's own tests, which has no spec, causes no error."""
    monkeypatch.setitem(sys.modules, "grpc", ModuleType("grpc"))
    otlp = {"MEM0_TELEMETRY_EXPORTER": "otlp", "MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc"}
    assert [config.name for config in resolve(otlp).configs] == ["otlp"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://example.com?token=secret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "dns:example.com:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///run/collector.sock"),
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "localhost:4317"),
        *(("OTEL_EXPORTER_OTLP_HEADERS", f"{name}=value") for name in ("x-bin", "x!y", "x*", ":path")),
    ],
)
def test_values_that_grpc_does_not_accept_are_problems(variable: str, value: str) -> None:
    """An address or header that gRPC cannot express is a problem, and is not dropped silently."""
    protocol = variable.rpartition("_")[0] + "_PROTOCOL"
    chosen = resolve({"MEM0_TELEMETRY_EXPORTER": "otlp", protocol: "grpc", variable: value})
    assert chosen.configs == ()
    (problem,) = chosen.problems
    assert problem.split()[0] == variable
    assert value not in problem


@pytest.mark.parametrize("name", ["x-bin", "x!y", "x*"])
def test_http_accepts_header_names_that_grpc_does_not(name: str) -> None:
    """Over HTTP every token is a header name, and the value may be empty."""
    headers = f"{name}=value,empty="
    chosen = resolve(
        {"MEM0_TELEMETRY_OTLP_ENDPOINT": "http://127.0.0.1", "MEM0_TELEMETRY_OTLP_HEADERS": headers}
    )
    assert [config.headers for config in chosen.configs] == [{name: "value", "empty": ""}]


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({"ENDPOINT": "http://Collector:4317/v1/logs"}, "http://collector:4317"),
        ({"ENDPOINT": "collector:4317"}, "https://collector:4317"),
        ({"ENDPOINT": "collector:4317", "INSECURE": "TRUE"}, "http://collector:4317"),
        ({"ENDPOINT": "collector:4317", "INSECURE": "true", "LOGS_INSECURE": "no"}, "https://collector:4317"),
        ({"ENDPOINT": "https://collector:4317", "INSECURE": "true"}, "https://collector:4317"),
        ({"LOGS_ENDPOINT": "[::1]:4317", "LOGS_INSECURE": "true"}, "http://[::1]:4317"),
    ],
)
def test_standard_grpc_address(environ: dict[str, str], endpoint: str) -> None:
    """Over gRPC a path is ignored, and an address without a scheme uses TLS unless `INSECURE` is true."""
    standard = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()}
    config = only(MEM0_TELEMETRY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **standard)
    assert (config.endpoint, config.query) == (endpoint, "")


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("MEM0_TELEMETRY_OTLP_ENDPOINT", "http://a:1/i/?token=S&b=%20", "http://a:1/i/v1/logs?token=S&b=%20"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1?token=S", "http://a:1/v1/logs?token=S"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://a:1/i?token=S?", "http://a:1/i?token=S?"),
    ],
)
def test_a_query_is_sent_and_not_shown(variable: str, value: str, url: str) -> None:
    """The signal's path goes before the query. The shown endpoint has no query. Another query means another mailbox."""
    config = only(MEM0_TELEMETRY_EXPORTER="otlp", **{variable: value})
    assert config.url == url
    assert config.endpoint == url.partition("?")[0]
    other = only(MEM0_TELEMETRY_EXPORTER="otlp", **{variable: value.replace("S", "T")})
    assert other.fingerprint != config.fingerprint


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("http://a:1/otlp/", "http://a:1/otlp/"),
        ("http://a:1/otlp", "http://a:1/otlp"),
        ("http://a:1/otlp/?token=S", "http://a:1/otlp/"),
        ("http://a:1/", "http://a:1"),
    ],
)
def test_the_standard_endpoint_for_logs_is_used_as_it_is(given: str, endpoint: str) -> None:
    """A slash at the end of a path stays, because a server may redirect the path without it."""
    config = only(MEM0_TELEMETRY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=given)
    assert config.endpoint == endpoint


@pytest.mark.parametrize("alone", ["CLIENT_KEY", "CLIENT_CERTIFICATE"])
def test_grpc_needs_key_and_certificate_of_the_client(alone: str, tmp_path: Path) -> None:
    """One of the two alone is a problem, because gRPC would end the process; over HTTP one file may contain both."""
    file = tmp_path / "client.pem"
    file.touch()
    otlp = {
        "MEM0_TELEMETRY_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4317",
        f"OTEL_EXPORTER_OTLP_{alone}": str(file),
    }
    chosen = resolve({**otlp, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert chosen.configs == ()
    assert f"OTEL_EXPORTER_OTLP_{alone} " in chosen.problems[0]
    plain = {**otlp, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}  # without TLS they are not used
    assert resolve({**plain, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}).problems == ()
    assert resolve(otlp).problems == ()


def test_the_variables_of_a_third_party_exporter_name_its_mailbox() -> None:
    """Events that wait for one address of an exporter that reads its own variables never go to another address."""
    chosen = {"MEM0_TELEMETRY_EXPORTER": "otlp_proto_http"}
    prints = {
        only(**chosen, **settings).fingerprint
        for settings in (
            {},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:2"},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:2", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"},
        )
    }
    other = only(MEM0_TELEMETRY_EXPORTER="otlp_proto_grpc").fingerprint
    assert len(prints | {other}) == 5
    assert only(**chosen, OTEL_SERVICE_NAME="shop").fingerprint in prints


def test_fingerprint_names_the_address() -> None:
    """The fingerprint differs with endpoint, key, headers and protocol, is stable, and contains only hex digits."""
    base = {"MEM0_TELEMETRY_EXPORTER": "otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": "http://a:1"}
    variants = [
        only(**base),
        only(**{**base, "MEM0_TELEMETRY_OTLP_ENDPOINT": "http://b:1"}),
        only(**base, MEM0_TELEMETRY_OTLP_HEADERS="k=v"),
        only(**base, MEM0_TELEMETRY_OTLP_PROTOCOL="grpc"),
        only(),
        only(MEM0_TELEMETRY_POSTHOG_API_KEY="phc_other"),
    ]
    prints = [variant.fingerprint for variant in variants]
    assert len(set(prints)) == len(prints)
    assert only(**base).fingerprint == prints[0]
    assert all(len(print_) == 12 and int(print_, 16) >= 0 for print_ in prints)
