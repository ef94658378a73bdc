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
from gemot.models.embedded.arguments import Filling, Scene, fill, refers_back, without_spans
from gemot.models.embedded.choosing import Scales, Spent
from gemot.models.embedded.goal import Clause, clauses, parse
from gemot.models.embedded.kinds import text_arguments, writes
from gemot.models.embedded.meanings import MEANINGS, SENTENCES, beyond, changes, only_asks
from gemot.models.embedded.results import Step, answers, asks_for_lines, derives, names_only

GOAL_CHARS_MAX = 6000
"""What is read of a goal; its beginning."""
CLAUSES_MAX = 12
"""Steps of a goal that are done; a longer list is a plan, and this is no planner."""
FAILURES_MAX = 3
"""Failed requests after which the task ends with the last error."""
LOOKS_MAX = 2
"""Preparing actions for one step of a goal."""

MODEL_WEIGHT = 1.0
WORD_WEIGHT = 0.5
SOUGHT_WEIGHT = 1.5
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
                return _not_done(clause, seen, found)
            if not waiting:
                return action
            step = waiting.pop(0)
            changed = any(writes(offer) for offer in offers if offer.name == step.name)
            step = replace(step, within=True, asked=clause.text, changes=changed)
            seen.append(step)
            if step.ok and ((step.name == action.offer.name and action.clause is clause) or looks >= LOOKS_MAX):
                found = _without_used(found, step)
                found.append(_Found(step, clause, writes(action.offer)))
                break
            looks += 1
        earlier.append(clause)
        seen = [replace(step, within=False) for step in seen]
    if not found:
        return Ending(failures[-1].text if failures else "nothing was asked for", failed=True)
    return _told(found)


def _not_done(clause: Clause, seen: Sequence[Step], found: Sequence[_Found]) -> Ending:
    """The honest end: which part was not done, why if a tool said so, and what was done before it."""
    errors = [step.text for step in seen if step.within and not step.ok]
    part = f'could not do this part of the goal: "{clause.text[:300]}"'
    if errors:
        part += f" ({errors[-1][:300]})"
    done = [one.step.text.strip()[:200] for one in found if one.wrote]
    return Ending(f"{part}; done before it: {'; '.join(done)}" if done else f"{part}; nothing was changed", failed=True)


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


def _told(found: list[_Found]) -> Ending:
    looked: list[str] = []
    for one in found:
        if one.wrote:
            continue
        answer = answers(one.step, without_spans(one.clause.text, one.clause.paths))
        counts_some = derives(one.clause.text) and bool(one.clause.sought)
        if answer is None or (counts_some and not set(one.clause.sought) & set(map(str, one.step.arguments.values()))):
            return Ending(
                f'could not work this out: "{one.clause.text[:300]}"; found only: {one.step.body[:1000]}', failed=True
            )
        looked.append(answer)
    return Ending("\n".join(dict.fromkeys(looked)) if looked else found[-1].step.text)


@dataclass
class _Chooser:
    offers: Sequence[ToolOffer]
    scales: Scales
    spent: Spent

    async def choose(self, scene: Scene) -> Action | None:
        """The best action for this step of the goal; a look first if a text must be made from something unseen."""
        if beyond(scene.clause, tuple(self.offers)):
            return None
        failed = [step for step in scene.steps if step.within and not step.ok]
        offers = self.offers
        if failed or changes(scene.clause):
            offers = [offer for offer in offers if writes(offer)]
        elif only_asks(scene.clause):
            offers = [offer for offer in offers if not writes(offer)]
        if failed:  # only what does the same may take its place: overwriting for writing
            same = {name for step in failed for name in step.arguments}
            offers = [offer for offer in offers if set(offer.schema.get("required", [])) == same]
        action = await self._best(scene, offers)
        if action is None or action.filling.waits_for is None:
            return action
        words = action.filling.waits_for
        lookers = [offer for offer in self.offers if not text_arguments(offer)]
        return await self._best(Scene(parse(f"Show me {words}"), scene.earlier, scene.steps), lookers)

    async def _best(self, scene: Scene, offers: Sequence[ToolOffer]) -> Action | None:
        tried = {(step.name, _frozen(step.arguments)) for step in scene.steps if step.within}
        possible: list[Action] = []
        for offer in offers:
            filling = fill(offer, scene)
            if (
                filling is not None
                and not _needs_a_word(scene.clause, offer)
                and (offer.name, _frozen(filling.arguments)) not in tried
            ):
                possible.append(Action(offer, filling, scene.clause))
        alike = _likenesses(scene.clause, [one.offer for one in possible], self.offers)
        related = [one for one, likeness in zip(possible, alike, strict=True) if likeness or one.filling.used]
        if len(related) < 2:
            return related[0] if related else None
        possible = related
        weights = await self.weigh(scene.clause, possible)
        return possible[max(range(len(possible)), key=lambda at: weights[at])]

    async def weigh(self, clause: Clause, possible: Sequence[Action]) -> list[float]:
        def turns(request: str) -> tuple[tuple[str, str], ...]:
            return (("raw", f"Request: {request}\nThis asks to"),)

        sentences = [f" {_sentence(offer)}." for offer in self.offers]
        heard = await self.scales.calibrated(
            turns(clause.text[:600]), [turns(text) for text in _NEUTRAL], "", sentences, self.spent
        )
        by_name = dict(zip((offer.name for offer in self.offers), heard, strict=True))
        alike = _likenesses(clause, [one.offer for one in possible], self.offers)
        named = {*clause.named, *clause.said, *clause.swap}
        sought = set(clause.sought)
        return [
            MODEL_WEIGHT * by_name[one.offer.name]
            + WORD_WEIGHT * alike[at]
            - IGNORED_WEIGHT * len(named - one.filling.used)
            - SOUGHT_WEIGHT * len(sought - one.filling.used)
            - (UNSAID_WEIGHT if _unsaid(clause, one.offer) else 0.0)
            - GUESS_WEIGHT * one.filling.guesses
            - (UNSAID_WEIGHT if not alike[at] and writes(one.offer) else 0.0)
            for at, one in enumerate(possible)
        ]


def _sentence(offer: ToolOffer) -> str:
    """What asks for this tool, as a person would say it; of an uncommon tool, what it says of itself."""
    gist = _gist(offer)
    return SENTENCES.get(_short_name(offer)) or f"{gist[:1].lower()}{gist[1:].rstrip('.:')}"


def _short_name(offer: ToolOffer) -> str:
    return offer.name.rpartition("/")[2].lower()


def _needs_a_word(clause: Clause, offer: ToolOffer) -> bool:
    """Facts and the time answer no other question: without a word that asks for them they are no candidates."""
    said = {_stem(word) for word in clause.words}
    name = _short_name(offer)
    return name in ("facts", "stat", "now") and not _meant(said, _stems("facts") if name != "now" else {"now"})


def _unsaid(clause: Clause, offer: ToolOffer) -> bool:
    """What replaces everything is no new file."""
    said = {_stem(word) for word in clause.words}
    return _short_name(offer) == "write" and bool(said & _REPLACES_ALL)


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
    said = {_stem(word) for word in clause.words if word not in _COMMON and word != "now"}

    def likeness(offer: ToolOffer) -> float:
        own, meant = said & texts[offer.name], _meant(said, names[offer.name])
        rarity = sum(
            math.log(1 + len(offers) / used_by[stem]) * (2.0 if stem in names[offer.name] else 1.0) for stem in own
        )
        return rarity + meant * MEANT_WEIGHT

    return [likeness(offer) for offer in chosen]


_MEANINGS = tuple(_stems(words) for words in MEANINGS)


_REPLACES_ALL = _stems("overwrite everything whole throw scrap empty clear wipe discard")


def _meant(said: set[str], name: set[str]) -> int:
    """How many words of the step mean what the tool's name means."""
    return max((len(said & meaning) for meaning in _MEANINGS if name & meaning), default=0)
