"""Which action comes next: the model chooses a tool for each step of the goal among those that are possible for it.

The goal's steps are done in order. For one step, every offered tool whose required arguments can be filled from the
goal or from earlier results is a candidate; a candidate's weight is its calibrated log-probability, plus how much of
the tool's own description the step's words share, minus what the step names and the candidate ignores. A tool that
needs a text which has not been looked at yet ("write the first line of a.txt to b.txt") is preceded by the action
that looks. When no step is left, the task ends with what was found.

Nothing is remembered between two calls: the place in the goal is worked out again from the requests and results in
the conversation. Everything is deterministic.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gemot.abi.messages import ToolOffer
from gemot.models.embedded.arguments import Filling, Scene, fill, refers_back, text_arguments, writes
from gemot.models.embedded.choosing import Scales, Spent
from gemot.models.embedded.goal import Clause, clauses, parse
from gemot.models.embedded.results import Step, asks_for_lines, derive, derives, names_only

GOAL_CHARS_MAX = 6000
"""What is read of a goal; its beginning."""
CLAUSES_MAX = 12
"""Steps of a goal that are done; a longer list is a plan, and this is no planner."""
FAILURES_MAX = 3
"""Failed requests after which the task ends with the last error."""
LOOKS_MAX = 2
"""Preparing actions for one step of a goal."""

WORD_WEIGHT = 0.5
IGNORED_WEIGHT = 2.5
GUESS_WEIGHT = 0.8
MEANT_WEIGHT = 2.0
UNSAID_WEIGHT = 5.0
_NEUTRAL = ("...", "Do it.", "N/A")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be by can do does first for from give has have how i in into is it its last like look me my of on one or "
        "please some such tell that the their them there this to what where which with you your",
    )
)


@dataclass(frozen=True)
class Action:
    """A tool and its arguments; ``clause`` is the step of the goal that it is for."""

    offer: ToolOffer
    filling: Filling
    clause: Clause


@dataclass(frozen=True)
class Ending:
    """Nothing is left to do; ``text`` is what was found, empty where nothing was. ``failed``: it is an error."""

    text: str
    failed: bool = False


async def next_action(
    goal: str, steps: Sequence[Step], offers: Sequence[ToolOffer], scales: Scales, spent: Spent
) -> Action | Ending:
    """The action that follows ``steps`` in working on ``goal``."""
    failures = [step for step in steps if not step.ok]
    if len(failures) >= FAILURES_MAX:
        return Ending(failures[-1].text, failed=True)
    chooser = _Chooser(offers, scales, spent)
    waiting = list(steps)
    seen: list[Step] = []
    earlier: list[Clause] = []
    found: list[_Found] = []
    for clause in clauses(goal[:GOAL_CHARS_MAX])[:CLAUSES_MAX]:
        if found and _asks_about_found(clause, found[-1]):
            found[-1] = replace(found[-1], clause=clause)
            continue
        looks = 0
        while True:
            scene = Scene(clause, tuple(earlier), tuple(seen))
            action = await chooser.choose(scene)
            if action is None:
                break
            if not waiting:
                return action
            step = replace(waiting.pop(0), within=True, asked=clause.text)
            seen.append(step)
            if step.ok and ((step.name == action.offer.name and action.clause is clause) or looks >= LOOKS_MAX):
                found = _without_used(found, step)
                found.append(_Found(step, clause, writes(action.offer)))
                break
            looks += 1
        earlier.append(clause)
        seen = [replace(step, within=False) for step in seen]
    if not found:
        return Ending(failures[-1].text, failed=True) if failures else Ending(steps[-1].text if steps else "")
    return Ending(_told(found))


@dataclass(frozen=True)
class _Found:
    """What the last action for one step of the goal gave. ``wrote``: it put a text somewhere rather than looked."""

    step: Step
    clause: Clause
    wrote: bool


def _asks_about_found(clause: Clause, last: _Found) -> bool:
    """Whether a step asks only for a part of what the step before it gave ("then count them")."""
    if clause.named or last.wrote or not derives(clause.text) or not refers_back(clause):
        return False
    return not names_only(last.step) or not asks_for_lines(clause.text)


def _without_used(found: list[_Found], step: Step) -> list[_Found]:
    """Findings that went into this step's arguments have served; the rest is still to be told."""
    values = [value for value in step.arguments.values() if isinstance(value, str) and value]
    return [one for one in found if one.wrote or not any(value in one.step.text for value in values)]


def _told(found: list[_Found]) -> str:
    looked = [derive(one.step, one.clause.text) for one in found if not one.wrote]
    return "\n".join(dict.fromkeys(looked)) if looked else found[-1].step.text


@dataclass
class _Chooser:
    offers: Sequence[ToolOffer]
    scales: Scales
    spent: Spent

    async def choose(self, scene: Scene) -> Action | None:
        """The best action for this step of the goal; a look first if a text must be made from something unseen."""
        action = await self._best(scene, self.offers)
        if action is None or action.filling.waits_for is None:
            return action
        words = action.filling.waits_for
        lookers = [offer for offer in self.offers if not text_arguments(offer)]
        look = await self._best(Scene(parse(f"Show me {words}"), scene.earlier, scene.steps), lookers)
        return look or action

    async def _best(self, scene: Scene, offers: Sequence[ToolOffer]) -> Action | None:
        tried = {(step.name, _frozen(step.arguments)) for step in scene.steps if step.within}
        possible: list[Action] = []
        for offer in offers:
            filling = fill(offer, scene)
            if filling is not None and (offer.name, _frozen(filling.arguments)) not in tried:
                possible.append(Action(offer, filling, scene.clause))
        alike = _likenesses(scene.clause, [one.offer for one in possible], self.offers)
        related = [one for one, likeness in zip(possible, alike, strict=True) if likeness or one.filling.used]
        if len(related) < 2:
            return related[0] if related else None
        possible = related
        weights = await self.weigh(scene.clause, possible)
        return possible[max(range(len(possible)), key=lambda at: weights[at])]

    async def weigh(self, clause: Clause, possible: Sequence[Action]) -> list[float]:
        listed = "\n".join(f"- {offer.name}: {_gist(offer)}" for offer in self.offers)
        system = ("system", f"You choose the tool for a request.\n{listed}")

        def turns(request: str) -> tuple[tuple[str, str], ...]:
            return (system, ("user", f"Request: {request}"))

        names = [f" {offer.name}" for offer in self.offers]
        heard = await self.scales.calibrated(
            turns(clause.text[:600]), [turns(text) for text in _NEUTRAL], "Tool:", names, self.spent
        )
        by_name = dict(zip((offer.name for offer in self.offers), heard, strict=True))
        alike = _likenesses(clause, [one.offer for one in possible], self.offers)
        named = set(clause.named)
        return [
            by_name[one.offer.name]
            + WORD_WEIGHT * alike[at]
            - IGNORED_WEIGHT * len(named - one.filling.used)
            - GUESS_WEIGHT * one.filling.guesses
            - (UNSAID_WEIGHT if not alike[at] and writes(one.offer) else 0.0)
            for at, one in enumerate(possible)
        ]


def _gist(offer: ToolOffer) -> str:
    """The first sentence of a description: enough to tell tools apart, and short for a small model."""
    return re.split(r"(?<=[.:])\s|\n", offer.description.strip(), maxsplit=1)[0][:160]


def _frozen(arguments: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(value)) for key, value in arguments.items()))


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[a-z]+", text.lower()) if word not in _COMMON}


def _likenesses(clause: Clause, chosen: Sequence[ToolOffer], offers: Sequence[ToolOffer]) -> list[float]:
    """How much of each tool's own words the clause uses; a word that many tools use counts little, a name double."""
    names = {offer.name: _stems(re.sub(r"[/_]", " ", offer.name.partition("/")[2] or offer.name)) for offer in offers}
    texts = {offer.name: _stems(f"{offer.name} {offer.description[:400]}".replace("_", " ")) for offer in offers}
    used_by = Counter(stem for stems in texts.values() for stem in stems)
    said = {_stem(word) for word in clause.words if word not in _COMMON}

    def likeness(offer: ToolOffer) -> float:
        own, meant = said & texts[offer.name], _meant(said, names[offer.name])
        rarity = sum(
            math.log(1 + len(offers) / used_by[stem]) * (2.0 if stem in names[offer.name] else 1.0) for stem in own
        )
        return rarity + meant * MEANT_WEIGHT

    return [likeness(offer) for offer in chosen]


_MEANINGS = tuple(
    _stems(words)
    for words in (
        "read show display print open view cat content text says said written line word",
        "list ls overview names everything",
        "find locate named called ends",
        "search grep mention contain occur",
        "write create make new save put store copy duplicate record note",
        "overwrite write replace everything whole",
        "edit change replace swap correct",
        "facts stat size big large long bytes changed modified old kind when",
        "evaluate calculate compute sum add multiply divide subtract much",
        "now time clock date day today hour weekday when",
    )
)
"""Everyday words for what tools are commonly called; the first of each line is the common name."""


def _meant(said: set[str], name: set[str]) -> int:
    """How many words of the step mean what the tool's name means."""
    return max((len(said & meaning) for meaning in _MEANINGS if name & meaning), default=0)
