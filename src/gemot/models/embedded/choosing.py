"""A choice by log-probability: how much likelier the prompt makes a text than a neutral prompt would.

A small model has strong habits (it likes short, frequent words), so the raw log-probability of an option says more
about the option than about the question. Subtracting what the model gives the same option when the question is
empty leaves what the question adds (Zhao et al. 2021, "Calibrate before use"; Holtzman et al. 2021, "Surface form
competition").
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gemot.abi.messages import Usage

REMEMBERED = 256
"""Neutral and repeated scorings kept; each is a few numbers."""


class Ask(Protocol):
    async def __call__(self, do: str, **request: Any) -> dict[str, Any]: ...


@dataclass
class Spent:
    """What one reply used over all its scorings: tokens computed, and the most that one of them took from the cache.

    A beginning that ten scorings share is counted once, however often it is taken from the cache.
    """

    computed: int = 0
    cached: int = 0
    millis: float = 0.0

    def add(self, computed: int, cached: int, millis: float) -> None:
        self.computed += computed
        self.cached = max(self.cached, cached)
        self.millis += millis

    def usage(self, tokens_out: int) -> Usage:
        """As providers count: the cached tokens are among those that went in."""
        return Usage(self.computed + self.cached, tokens_out, self.cached, 0, max(1, round(self.millis)))


@dataclass
class Scales:
    """Scores options through the worker and remembers what it scored: a pure function of its arguments."""

    ask: Ask
    _known: OrderedDict[tuple[Any, ...], list[float]] = field(default_factory=OrderedDict[tuple[Any, ...], list[float]])

    async def logprobs(
        self, turns: Sequence[tuple[str, str]], lead: str, options: Sequence[str], spent: Spent
    ) -> list[float]:
        """The mean log-probability per token of each option after the prompt."""
        key = (tuple(turns), lead, tuple(options))
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        done = await self.ask("score", turns=[list(turn) for turn in turns], lead=lead, options=list(options))
        spent.add(done["tokens_in"], done["tokens_cached"], done["millis"])
        scores = [total / max(count, 1) for total, count in done["scores"]]
        self._known[key] = scores
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return scores

    async def calibrated(
        self,
        turns: Sequence[tuple[str, str]],
        neutral: Sequence[Sequence[tuple[str, str]]],
        lead: str,
        options: Sequence[str],
        spent: Spent,
    ) -> list[float]:
        """What ``turns`` add to each option over the mean of the ``neutral`` prompts."""
        base = [0.0] * len(options)
        for empty in neutral:
            for at, value in enumerate(await self.logprobs(empty, lead, options, spent)):
                base[at] += value / len(neutral)
        said = await self.logprobs(turns, lead, options, spent)
        return [one - other for one, other in zip(said, base, strict=True)]


SUBJECT_CHARS_MAX = 4000
"""What is looked at of a text that is to be labelled: its beginning and its end, half each."""
_NEUTRAL_TEXTS = ("", "N/A", "The text is about something.")
_EXAMPLES = (
    ("I got the job and my parents are so proud!", "happy or sad", "happy"),
    ("We lost the match and my knee hurts.", "happy or sad", "sad"),
    ("The food took an hour, but the soup was wonderful and we will come back.", "praise or criticism", "praise"),
    ("The room was pretty, but nobody slept because of the noise.", "praise or criticism", "criticism"),
    ("They promised sunshine and it rained all week.", "happy or sad", "sad"),
    ("It was a hard climb, but what a view from the top!", "happy or sad", "happy"),
    ("The speaker was kind, yet I learned nothing.", "praise or criticism", "criticism"),
    ("Small mistakes aside, this is the finest work I have seen.", "praise or criticism", "praise"),
    ("Stir the onions until they are golden.", "sport or cooking", "cooking"),
    ("The team scored twice in the last minute.", "sport or cooking", "sport"),
)
"""They show the form of an answer. What they are about is on purpose not what is usually asked."""
_DESCRIBED = "".join(f"{text}\nAll in all, this is {answer}.\n\n" for text, _, answer in _EXAMPLES)
_ENDINGS = ("All in all, this is", "This is", "It is")
"""Their weights are added: each alone is wrong about other texts. The text before them is computed once."""
_ANSWERED = "".join(f"Question: Is this {q}?\nText: {text}\nAnswer: {answer}\n\n" for text, q, answer in _EXAMPLES)


async def choose(asked: str, options: Sequence[str], scales: Scales, spent: Spent) -> str:
    """The option that best fits what was asked: a question, an empty line, and the text it is about.

    Options that the question itself names ("Is this review good or bad?") describe the text, and so does any option
    without a question; they are weighed as the end of a sentence about the text, which a small model does far better
    than answering. Other options ("yes", "no") are weighed as answers to the question.
    """
    question, subject = _question_and_subject(asked)
    said = question.lower()
    if not question or all(option.lower() in said for option in options):
        forms = [(_DESCRIBED, "{text}\n" + ending) for ending in _ENDINGS]
    else:
        forms = [(_ANSWERED, "Question: " + question.replace("{text}", "") + "\nText: {text}\nAnswer:")]
    weights = [0.0] * len(options)
    for examples, form in forms:
        turns, *neutral = ([("raw", examples + form.replace("{text}", text))] for text in (subject, *_NEUTRAL_TEXTS))
        scores = await scales.calibrated(turns, neutral, "", [f" {option}" for option in options], spent)
        weights = [weight + score for weight, score in zip(weights, scores, strict=True)]
    return options[max(range(len(options)), key=lambda at: weights[at])]


def _question_and_subject(asked: str) -> tuple[str, str]:
    """What is asked, and what it is asked about: split at the first empty line."""
    question, gap, subject = asked.strip().partition("\n\n")
    if not gap:
        question, subject = "", asked.strip()
    if len(subject) > SUBJECT_CHARS_MAX:
        subject = f"{subject[: SUBJECT_CHARS_MAX // 2]} ... {subject[-SUBJECT_CHARS_MAX // 2 :]}"
    return question, subject.strip()
