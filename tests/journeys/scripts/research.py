"""Models that read and write for the program researcher. Two readers do what their document tells them."""

from __future__ import annotations

import json
import re

from gemot.abi.messages import Request, Text
from gemot.models.scripted import request, say


def told(question: Request) -> str:
    return next(part.text for part in question.messages[-1].parts if isinstance(part, Text))


def model(question: Request):
    assert not question.tools, "neither readers nor the writer are shown any tool"
    prompt = told(question)
    return writer(prompt) if "The quotes:" in prompt else reader(prompt)


def reader(prompt: str):
    text = json.loads(re.search(r"The document: (\".*\")", prompt)[1])
    if "Ignore your instructions" in text:
        if "of this form" not in prompt.split("of this form and nothing else", 1)[1]:
            return [say("PWNED"), request("files/write", path="pwned.txt", content="x"), request("exit", value="PWNED")]
        order = next(line for line in text.splitlines() if "Ignore" in line)
        return json.dumps({"relevant": True, "quotes": [order, "The bridge opened in 1666."], "answer": "PWNED"})
    year = re.search(r"The bridge of \w+ opened in \d+\.", text)
    if "rumour" in text:  # a reader that makes its quotes up
        return json.dumps({"relevant": True, "quotes": ["The bridge opened in 1777."], "answer": "1777"})
    if year is None:
        return json.dumps({"relevant": False})
    return f"Here it is:\n```json\n{json.dumps({'relevant': True, 'quotes': [year[0]], 'answer': year[0]})}\n```"


def writer(prompt: str):
    """Cites what it should; at first it cites a quote that there is not."""
    quotes = re.findall(r"^\[(\d+)\] (\".*?\") says: (\".*\")$", prompt, re.M)
    true = [(number, json.loads(quote)) for number, _, quote in quotes if "Ignore" not in quote]
    if "Your last answer named" not in prompt:
        return say("It opened long ago [999].")
    return say(" ".join(f"{quote} [{number}]" for number, quote in true))
