"""A fake of the part of PostHog's API that the importer uses."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mem0_telemetry.cli.harness.fake_servers import JSONServer

PROJECT = "7"
REFUSALS = {
    401: "Invalid personal API key.",
    403: "API key missing required scope 'insight:write'",
    404: "Project not found.",
    500: "A server error occurred.",
}


class FakePostHog(JSONServer):
    """Keeps dashboards and insights; refuses requests on demand.

    Attributes:
        kept: the objects by kind and number.
        written: the method and kind of each request except GET.
        refuse: the status that refuses a request, by the request's index in `written`.
        page: the number of objects on a page of a listing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, dict[int, dict[str, Any]]] = {"dashboards": {}, "insights": {}}
        self.written: list[tuple[str, str]] = []
        self.refuse: dict[int, int] = {}
        self.page = 3
        handler: Any = self.RequestHandlerClass
        self.RequestHandlerClass = type("Handler", (handler,), {"do_PATCH": handler.do_POST})
        self._number = 100

    def put(self, kind: str, **fields: Any) -> int:
        """Add an object, and return its number."""
        self._number += 1
        self.kept[kind][self._number] = {"id": self._number, "deleted": False, **fields}
        return self._number

    def visible(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects that are not deleted."""
        return [each for each in self.kept[kind].values() if not each["deleted"]]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Answer as PostHog does."""
        address = urlsplit(path)
        parts = address.path.strip("/").split("/")
        if parts[:3] != ["api", "projects", PROJECT]:
            return 404, {"detail": REFUSALS[404]}
        kind = parts[3]
        if method == "GET":
            query = parse_qs(address.query)
            return 200, self._listed(kind, int(query["offset"][0]))
        self.written.append((method, kind))
        status = self.refuse.get(len(self.written) - 1)
        if status:
            return status, {"detail": REFUSALS[status]}
        fields = self._fields(body)
        if method == "POST":
            return 201, self.kept[kind][self.put(kind, **fields)]
        self.kept[kind][int(parts[4])].update(fields)
        return 200, self.kept[kind][int(parts[4])]

    def _listed(self, kind: str, offset: int) -> dict[str, Any]:
        visible = self.visible(kind)
        more = len(visible) > offset + self.page
        return {"results": visible[offset : offset + self.page], "next": self.url if more else None}

    @staticmethod
    def _fields(body: bytes) -> dict[str, Any]:
        """Return the fields of a request, with the dashboards in the form of PostHog's responses."""
        fields: dict[str, Any] = json.loads(body)
        if "dashboards" in fields:
            numbers = fields.pop("dashboards")
            fields["dashboard_tiles"] = [{"id": 0, "dashboard_id": number} for number in numbers]
        return fields
