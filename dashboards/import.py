"""Put the dashboards into a project of PostHog's, or bring them up to date there.

    POSTHOG_PERSONAL_API_KEY=phx_... python dashboards/import.py --host https://us.posthog.com --project 123 [--apply]

Without `--apply` it only reads, and prints what it would do. It creates missing dashboards and insights, and updates
those that it created before, which it recognizes by their name and the end of their description. If an object of
somebody else has such a name, it changes nothing. If a request fails halfway, it undoes its changes. The key needs the
scopes `dashboard:write` and `insight:write`. This file needs only Python.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KEY = "POSTHOG_PERSONAL_API_KEY"
MADE_BY = "Made by mem0-telemetry."
PAGE = 100
TIMEOUT = 30.0

Object = dict[str, Any]


class Problem(Exception):  # noqa: N818  # a message for the user
    """The import cannot be done; the message is a sentence for the user."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow no redirect, because the key is for this host only."""


class Project:
    """A project in PostHog, accessed through its API."""

    def __init__(self, host: str, project: str, key: str) -> None:
        self._host = host
        self._project = project
        self._key = key
        self._opener = urllib.request.build_opener(_NoRedirect)

    def every(self, kind: str) -> list[Object]:
        """Return all objects of a kind, which is `dashboards` or `insights`."""
        found: list[Object] = []
        while True:
            page = self._request("GET", f"{kind}/?limit={PAGE}&offset={len(found)}&basic=true")
            try:
                results = page["results"]
            except (KeyError, TypeError):
                raise Problem(f"{self._host} does not answer as PostHog does.") from None
            found += results
            if not results or not page.get("next"):
                return found

    def create(self, kind: str, body: Object) -> Object:
        """Create an object of a kind, and return it."""
        created: Object = self._request("POST", f"{kind}/", body)
        return created

    def change(self, kind: str, number: int, body: Object) -> None:
        """Change fields of an object."""
        self._request("PATCH", f"{kind}/{number}/", body)

    def _request(self, method: str, path: str, body: Object | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # `checked_host` has checked the scheme.
            f"{self._host}/api/projects/{self._project}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise Problem(self._refused(error)) from None
        except ValueError:
            raise Problem(f"{self._host} does not answer as PostHog does.") from None
        except OSError as error:
            raise Problem(f"{self._host} cannot be reached: {getattr(error, 'reason', error)}.") from None

    def _refused(self, error: urllib.error.HTTPError) -> str:
        try:
            said = str(json.load(error)["detail"]).rstrip(".")
        except (ValueError, KeyError, TypeError, OSError):
            said = error.reason
        if error.code == HTTPStatus.UNAUTHORIZED:
            return f"{self._host} does not accept the key in {KEY}: {said}."
        if error.code == HTTPStatus.FORBIDDEN:
            return f"The key may not do this: {said}. It needs the scopes dashboard:write and insight:write."
        if error.code == HTTPStatus.NOT_FOUND:
            return f"There is no project {self._project} at {self._host}, or the key cannot see it."
        return f"{self._host} answers {error.code}: {said}."


def named(objects: list[Object], name: str) -> Object | None:
    """Return our object of this name, or None if no object has it.

    Raises:
        Problem: the name belongs to an object that we did not create.
    """
    found = [each for each in objects if each.get("name") == name and not each.get("deleted")]
    ours = [each for each in found if str(each.get("description") or "").endswith(MADE_BY)]
    if found and not ours:
        raise Problem(f'There is already a "{name}" that this did not make. Rename it, and try again.')
    return ours[0] if ours else None


def dashboards_of(insight: Object) -> set[int]:
    """Return the dashboards of an insight, in a response or in a request body."""
    if "dashboard_tiles" in insight:
        return {tile["dashboard_id"] for tile in insight["dashboard_tiles"]}
    return set(insight.get("dashboards", ()))


def state(each: Object) -> list[Any]:
    """Return the fields of a dashboard or insight that the importer sets, without PostHog's additions to a query."""
    query = each.get("query") or {}
    drawn = [query.get("display"), query.get("chartSettings")]
    return [each.get("description"), dashboards_of(each), (query.get("source") or {}).get("query"), *drawn]


class Importer:
    """Brings a project up to date, or lists what it would do.

    Args:
        project: the project to change.
        apply: whether to change it, or only read.
    """

    def __init__(self, project: Project, *, apply: bool) -> None:
        self._project = project
        self._apply = apply
        self._undo: list[tuple[str, int, Object]] = []
        self.lines: list[str] = []
        """What the importer did, or would do."""

    def run(self, files: list[Object]) -> None:
        """Read all dashboards and insights, then write.

        Raises:
            Problem: the import cannot be done. Its changes are undone, or the message names what stays changed.
        """
        dashboards, insights = (self._project.every(kind) for kind in ("dashboards", "insights"))
        plan = [
            (
                file["dashboard"],
                named(dashboards, file["dashboard"]["name"]),
                [(body, named(insights, body["name"])) for body in file["insights"]],
            )
            for file in files
        ]
        try:
            for body, existing, tiles in plan:
                number = self._write("dashboards", body, existing)
                for tile, before in tiles:
                    on = sorted({*dashboards_of(before or {}), number})
                    self._write("insights", {**tile, "dashboards": on}, before)
        except (Problem, KeyboardInterrupt) as error:
            raise Problem(f"{str(error) or 'Interrupted.'} {self._take_back()}") from None

    def _write(self, kind: str, body: Object, existing: Object | None) -> int:
        """Create or change an object if needed; return its number, or 0 if it would be created."""
        what = f"{kind[:-1]} {body['name']}"
        if existing is None:
            self.lines.append(f"create {what}")
            if not self._apply:
                return 0
            number = int(self._project.create(kind, body)["id"])
            self._undo.append((kind, number, {"deleted": True}))
            return number
        number = int(existing["id"])
        changed = state(body) != state(existing)
        self.lines.append(f"{'change' if changed else 'leave '} {what}")
        if changed and self._apply:
            before = {name: existing[name] for name in body if name in existing}
            if kind == "insights":
                before["dashboards"] = sorted(dashboards_of(existing))
            self._project.change(kind, number, body)
            self._undo.append((kind, number, before))
        return number

    def _take_back(self) -> str:
        if not self._undo:
            return "Nothing was changed."
        left = []
        for kind, number, body in reversed(self._undo):
            try:
                self._project.change(kind, number, body)
            except Problem:  # noqa: PERF203  # Try each of them.
                left.append(f"{kind[:-1]} {number}")
        if left:
            return f"It could not be taken back for: {', '.join(left)}. Look at these in PostHog."
        return "What had been written was taken back."


def main() -> None:
    """Import the dashboards; exit with 1 if that cannot be done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--host", required=True, help="PostHog's address in the browser: https://us.posthog.com"
    )
    parser.add_argument("--project", required=True, help="the number of the project, as in that address")
    parser.add_argument("--apply", action="store_true", help="do it; without this nothing is written")
    given = parser.parse_args()
    files = [
        json.loads(path.read_bytes()) for path in sorted((Path(__file__).parent / "posthog").glob("*.json"))
    ]
    try:
        importer = Importer(Project(checked_host(given.host), given.project, key()), apply=given.apply)
        importer.run(files)
    except Problem as problem:
        sys.exit(str(problem))
    print("\n".join(importer.lines))
    print("Done." if given.apply else "Nothing was written: --apply does it.")


def key() -> str:
    """Return the personal API key of the environment."""
    found = os.environ.get(KEY, "").strip()
    if not found:
        raise Problem(f"{KEY} is not set: make a personal API key in PostHog's settings.")
    if found.startswith("phc_"):
        raise Problem(
            f"{KEY} holds a project's key, which can only send events: it has to be a personal one."
        )
    return found


def checked_host(host: str) -> str:
    """Return the address without a final slash; it must be HTTPS, because the key is sent there, or this machine."""
    address = urlsplit(host)
    local = address.scheme == "http" and address.hostname in {"127.0.0.1", "localhost"}
    if not address.hostname or not (address.scheme == "https" or local):
        raise Problem(f"{host} is no address that begins with https://.")
    return host.rstrip("/")


if __name__ == "__main__":
    main()
