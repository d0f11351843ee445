"""A fake of the part of PostHog's API that the importer uses."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from mem0_telemetry.cli.harness.fake_servers import as_json
from opentelemetry.exporter.posthog.testing import Answer, CapturedRequest, CaptureServer

PROJECT = "7"
REFUSALS = {
    401: "Invalid personal API key.",
    403: "API key missing required scope 'insight:write'",
    404: "Project not found.",
    500: "A server error occurred.",
}


class FakePostHog(CaptureServer):
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
        self._number = 100
        self.answer_always(self._answer)

    def put(self, kind: str, **fields: Any) -> int:
        """Add an object, and return its number."""
        self._number += 1
        self.kept[kind][self._number] = {"id": self._number, "deleted": False, **fields}
        return self._number

    def visible(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects that are not deleted."""
        return [each for each in self.kept[kind].values() if not each["deleted"]]

    def _answer(self, request: CapturedRequest) -> Answer:
        """Answer as PostHog does."""
        address = urlsplit(request.path)
        parts = address.path.strip("/").split("/")
        if parts[:3] != ["api", "projects", PROJECT]:
            return as_json({"detail": REFUSALS[404]}, 404)
        kind = parts[3]
        if request.method == "GET":
            query = parse_qs(address.query)
            return as_json(self._listed(kind, int(query["offset"][0])))
        self.written.append((request.method, kind))
        status = self.refuse.get(len(self.written) - 1)
        if status:
            return as_json({"detail": REFUSALS[status]}, status)
        fields = self._fields(request.json())
        if request.method == "POST":
            return as_json(self.kept[kind][self.put(kind, **fields)], 201)
        self.kept[kind][int(parts[4])].update(fields)
        return as_json(self.kept[kind][int(parts[4])])

    def _listed(self, kind: str, offset: int) -> dict[str, Any]:
        visible = self.visible(kind)
        more = len(visible) > offset + self.page
        return {"results": visible[offset : offset + self.page], "next": self.url if more else None}

    @staticmethod
    def _fields(fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a request, with the dashboards in the form of PostHog's responses."""
        if "dashboards" in fields:
            numbers = fields.pop("dashboards")
            fields["dashboard_tiles"] = [{"id": 0, "dashboard_id": number} for number in numbers]
        return fields
