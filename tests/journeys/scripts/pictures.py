"""A model that says what it is shown, and asks to be shown more."""

from __future__ import annotations

from gemot.abi.messages import Image, Request, ToolResult
from gemot.models.scripted import heard, request


def model(question: Request):
    """Views the file that its goal names, asks what else there is, and exits with a line for each image."""
    names = [one.name for one in heard(question)]
    if not names:
        return request("files/view", path="a.png")
    if "files/view" in names:
        return request("ask", question="What else?")
    parts = [part for one in question.messages for part in one.parts]
    images = [part for part in parts if isinstance(part, Image)]
    images += [image for part in parts if isinstance(part, ToolResult) for image in part.images]
    return request("exit", value=[f"{one.about} ({len(question.images[one.digest])})" for one in images])
