"""A model that writes a report under a name that is not taken, each time it is started."""

from __future__ import annotations

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request


def model(question: Request):
    last = heard(question)
    if not last:
        return [request("status", note="looking"), request("files/find", pattern="report-*.md")]
    found = next((one for one in last if one.name == "files/find"), None)
    if found is not None:
        number = sum(line.startswith("report-") for line in found.text.splitlines()) + 1
        return [request("files/write", path=f"report-{number:02d}.md", content=f"Report {number}\n")]
    return [request("exit", value="reported")]
