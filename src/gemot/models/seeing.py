"""Which models see, as far as their providers tell: what a refusal of images means, and what is said in an image's place.

No field of any wire says whether a model takes images, and there is no status for one that does not: a server says so in
its own words, when it is asked. Two refusals are told apart, because one is for good. A model that can't see is not shown
an image again; one that sees, and refused these images (damaged, too large, too many), may well take the next.

When in doubt it is the images and not the model: that costs one request more each time, where the other mistake would
blind a model that sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, cast

from gemot.abi.messages import Image

Refused = Literal["model", "images"]
"""What a provider refused: to show its model images at all, or just those that it was sent."""

NOT_HERE = "an image that is not shown here"
NOT_TAKEN = "an image of a format that the provider does not take"
CROWDED = "an image that the provider does not take beside so many others"
UNSEEN = "an image, which this model can't see"
REFUSED = "an image that the provider refused"

IN_WORDS: dict[Refused, str] = {"model": UNSEEN, "images": REFUSED}

_MODEL = re.compile(
    # An API for text alone: its decoder names the first thing that it does not know.
    r"unknown variant [`'\"]*(?:input_)?image|any variant of untagged enum ChatCompletionRequestContent"
    r"|invalid type: sequence, expected a string|cannot unmarshal array into Go struct field \S*content"
    r"|(?:content|messages)\b.{0,60}\b(?:must|should) be a (?:valid )?string|Input should be (?:a valid string|'text')"
    r"|unsupported content (?:part )?type\W{1,8}image|list\[TextContentPart\]|\['text'\]"
    # A model for text alone.
    r"|no endpoints? found that support image|at most 0 images?\b|not compiled for multi-?modal|\bmmproj\b"
    r"|\bnot an? (?:multi-?modal|vision|visual)\b|\bnot (?:multi-?modal|vision[- ]capable)\b|\btext[- ]only (?:model|input|content)"
    r"|(?:does not|doesn't|do not|don't|cannot|can't) (?:currently )?(?:support|accept|allow|take|handle|have|understand|see)"
    r"\b[^.;:]{0,40}\b(?:images?|image_url|vision|visual|multi-?modal)\b"
    r"|\b(?:image_url|image (?:inputs?|urls?|uploads?|blocks?|content|understanding)|images|vision|multi-?modal\w*(?: \w+)?)"
    r"(?: modality)? (?:(?:is|are) )?(?:currently )?"
    r"(?:not (?:currently )?(?:supported|enabled|available|allowed|accepted)|unsupported|only supported (?:by|for|with))"
    r"|\b(?:requires?|without|lacks?|needs?) (?:an? )?(?:vision|multi-?modal)",
    re.IGNORECASE,
)
"""Refusals of OpenAI, Google, Groq, DeepSeek, Mistral's and Fireworks' models, Bedrock, OpenRouter, vLLM, llama.cpp, Ollama,
LM Studio and others; tests/contracts/test_seeing.py has their sentences, and where they were seen."""

_IMAGES = re.compile(
    r"(?:could not|couldn't|unable to|failed to|cannot|can't|error) (?:\w+ ){0,2}?"
    r"(?:process|preprocess|load|decode|parse|download|fetch|read|identify|open)(?:ing)? (?:\w+ ){0,3}?images?\b"
    r"|\b(?:unsupported|invalid|corrupt(?:ed)?|malformed|damaged|truncated|empty|unreadable) (?:\w+ )?(?:image|mime|media)"
    r"|\bimages? (?:provided )?(?:is|was|are|appears|looks)? ?(?:too|not valid|invalid|corrupt|damaged|truncated|empty)"
    r"|\bimages? (?:file )?(?:dimensions?|size|format|type|count|limit|bytes)\b|\bmime[_ ]type|\bmedia[_ ]type"
    r"|\bimages? (?:\w+ ){0,2}?(?:exceeds?|larger|bigger|smaller)|\btoo (?:many|large|big|small)\b.{0,20}\bimages?\b"
    r"|\bonly image types|at most [1-9]\d* images?\b|\bimage_(?:parse_error|too_large|too_small|content_policy)"
    r"|\binvalid_(?:base64_)?image|number of images"
    # Images of results stand in a message of the user's, which Mistral's servers do not take after a result.
    r"|unexpected role 'user' after role 'tool'",
    re.IGNORECASE,
)

_MENTION = re.compile(
    r"\bimages?\b|image_url|\bpictures?\b|\bvision\b|multi-?modal|inline_?data|contains an invalid argument", re.I
)
"""What makes a refusal that is in no table a likely one of images; the last are Google's only words for many of them."""

_NEVER = frozenset([401, 402, 403, 408, 409, 425, 429])
"""Statuses that are about who asks, or when, whatever the words."""
_TEXT_MAX = 300
"""How much of one sentence is looked at: some servers put the whole request after it, and that holds anybody's words."""


def in_words(image: Image, why: str) -> str:
    """What stands in the place of an image that is not shown."""
    return f"[{why}: {image.about}]" if image.about else f"[{why}]"


def refused(status: int | None, body: object, message: str) -> Refused | None:
    """What a provider refused that had been sent images; None where it was something else. ``status`` is None for an error
    in the middle of a reply; ``body`` is the error as it came, ``message`` stands for one that has no sentence in it."""
    if status in _NEVER:
        return None
    said = "\n".join(text[:_TEXT_MAX] for text in list(_sentences(body)) or [message])
    if _IMAGES.search(said):
        return "images"
    if _MODEL.search(said):
        return "model"
    if status == 413 or (status is not None and status < 500 and _MENTION.search(said)):
        return "images"  # what is too large where images are is most likely too large because of them
    return None


def _sentences(body: object) -> Iterator[str]:
    """The texts of an error body that say what is wrong; a router puts its provider's own error into ``raw``."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, list):
        for one in cast(list[object], body)[:8]:
            yield from _sentences(one)
    elif isinstance(body, dict):
        inner = cast(dict[str, Any], body)
        for key in ("message", "msg", "error", "detail", "details", "errors", "metadata", "raw"):
            if key in inner:
                yield from _sentences(inner[key])
