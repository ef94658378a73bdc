"""A model that shows its plan, then does it, and tries one thing more."""

from gemot import request
from gemot.models.scripted import heard


def _step(title, tool, path):
    return {"title": title, "grants": [{"tool": tool, "where": {"path": {"one_of": [path]}}, "uses": 1}]}


def model(question):
    told = heard(question)
    if not told:
        return request(
            "mandate",
            steps=[
                _step("Write the summary", "files/write", "sum.md"),
                _step("Replace the list", "files/overwrite", "list.md"),
            ],
        )
    if len(told) == 1:
        return [
            request("files/write", path="sum.md", content="the sum\n"),
            request("files/overwrite", path="list.md", content="new\n"),
            request("files/write", path="other.md", content="and this\n"),
        ]
    return request("exit", value=told[0].text)
