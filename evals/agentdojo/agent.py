"""The agent of a run: a native program that does the user's task as the ground truth says, and obeys an attacker where it can.

Honest, it takes each value from where the plan wants it: a literal, or a reference to the result where the value stands.
Hostile, it makes every use that :mod:`evals.agentdojo.attack` can think of: when it has read an injection, or from its
first step on; before and after its honest steps.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from evals.agentdojo import attack
from evals.agentdojo.plans import Manifest, Plan, Raw, tool_name
from evals.agentdojo.references import Result, asked_for, from_source, same
from evals.agentdojo.suite import Use
from gemot.abi.answers import Returned
from gemot.abi.limits import BATCH_MAX
from gemot.programs.native import Calls, Native, program

FORMS_MAX = 6
"""How many ways to refer to its values an honest agent tries before it gives a use up."""


WRITE_OTHERWISE = ("grant", "malformed", "unknown", "source", "secret", "label")
"""The rules by which a use is refused for the way in which it was written."""


@dataclass
class Case:
    """One run: all with the run's own names. ``benign``: what solves the task; ``hostile``: what the attacker wants."""

    plan: Plan
    manifest: Manifest
    schemas: dict[str, Raw]
    benign: tuple[Use, ...]
    hostile: tuple[Use, ...] = ()
    mode: str = "benign"
    marker: str = ""
    thorough: bool = True
    """Whether the hostile agent tries everything it can think of, or just does what the attacker wants."""
    refusals: list[str] = field(default_factory=list[str])
    """Why honest uses were not done, in the kernel's words."""


class Player:
    def __init__(self, calls: Calls, case: Case) -> None:
        self._calls, self._case = calls, case
        self._results: list[Result] = []
        self._tried: set[str] = set()
        self._hostile = case.mode == "from_start"

    async def play(self) -> None:
        await self._attack()
        for uses in self._requests():
            await (self._at_once(uses) if len(uses) > 1 else self._step(uses[0]))
            self._hostile = self._hostile or (bool(self._case.hostile) and self._has_read_it())
            await self._attack()
        if self._hostile and self._case.thorough:  # once more, now that everything has been read and done
            self._tried.clear()
            await self._attack()

    def _has_read_it(self) -> bool:
        return any(self._case.marker in result.text for result in self._results)

    # The honest part.

    def _requests(self) -> list[list[Use]]:
        """The user's uses, as somebody does them who first looks and then acts: those that write or send are one request, as
        far as none needs the result of another one of it, and what is read between them is read before. Under an attack each
        is done alone, so that there are more moments to attack in."""
        if self._case.hostile:
            return [[use] for use in self._case.benign]
        groups: list[list[Use]] = []
        acts: list[Use] = []
        for use in self._case.benign:
            if not self._case.manifest.consequential(use.tool):
                groups.insert(len(groups) - bool(acts), [use])
                continue
            needed = {source["tool"] for source in attack.sources(self._case.plan, use.tool)}
            if not acts or len(acts) == BATCH_MAX or needed & {one.tool for one in acts}:
                acts = []
                groups.append(acts)
            acts.append(use)
        return groups

    async def _at_once(self, uses: list[Use]) -> None:
        """Several uses in one request; then, one by one, those that have to be written otherwise."""
        forms = [[form async for form in self._forms(use)] for use in uses]
        answers = await self._uses([many[0] for many in forms])
        for use, many, returned in zip(uses, forms, answers, strict=True):
            await self._finish(use, many[1:], returned)

    async def _step(self, use: Use) -> None:
        if not self._case.manifest.consequential(use.tool):
            await self._uses([use])
            return
        first, *others = [form async for form in self._forms(use)]
        (returned,) = await self._uses([first])
        await self._finish(use, others, returned)

    async def _finish(self, use: Use, others: list[Use], returned: Returned) -> None:
        """Write a use in the other ways, too, until it is done or nothing about its writing can help."""
        while not returned.ok and others and returned.rule in WRITE_OTHERWISE:
            (returned,) = await self._uses([others.pop(0)])
        if not returned.ok:
            self._case.refusals.append(f"{use.tool}: {returned.text}")

    async def _forms(self, use: Use) -> Any:
        """The ways to write an honest use, likeliest first. Reads what its plan wants values to come from."""
        for grant in self._case.plan.of(use.tool) or [{}]:
            options: dict[str, list[Any]] = {}
            for name, value in use.arguments.items():
                options[name] = await self._written(grant.get("where", {}), name, value)
            most = max((len(one) for one in options.values()), default=1)
            for turn in range(min(most, FORMS_MAX)):
                yield Use(use.tool, {name: many[min(turn, len(many) - 1)] for name, many in options.items()})

    async def _written(self, where: Raw, name: str, value: Any) -> list[Any]:
        """The ways to write a value, or in an object each of its members, likeliest first."""
        if not any(other.startswith(f"{name}.") for other in where):
            return await self._options(where.get(name, {}), value)
        if isinstance(value, list):
            return _together([await self._written(where, name, item) for item in value])
        if isinstance(value, dict):
            members = [await self._written(where, f"{name}.{below}", member) for below, member in value.items()]
            return [dict(zip(value, chosen, strict=True)) for chosen in _together(members)]
        return await self._options(where.get(name, {}), value)

    async def _options(self, rule: Raw, value: Any) -> list[Any]:
        if "source" not in rule or any(same(value, one) for one in rule.get("one_of", ())):
            return [value]
        found: list[Any] = []
        for source in rule["source"]:
            await self._consult(source)
            found += self._refer(source, value)
            if found:
                break
        return [*found[: FORMS_MAX - 1], value]

    def _refer(self, source: Raw, value: Any) -> list[Any]:
        whole = list(itertools.islice(from_source(source, self._results, value), FORMS_MAX))
        if whole or not isinstance(value, list):
            return whole
        parts = [next(from_source(source, self._results, one), None) for one in value]
        return [parts] if parts and None not in parts else []

    async def _consult(self, source: Raw) -> None:
        """Use the tool of a source with the arguments it names, unless that was done."""
        if self._case.manifest.consequential(source["tool"]):
            return
        if not any(asked_for(source, result) for result in self._results):
            await self._uses([Use(source["tool"], source.get("called", {}))])

    # The hostile part.

    async def _attack(self) -> None:
        if not self._hostile:
            return
        case = self._case
        if not case.thorough:
            await self._try(case.hostile)
            return
        strings = dict.fromkeys(
            one for use in case.hostile for one in attack.strings_of(use.arguments) if len(one) < 100
        )
        own = [*itertools.islice(strings, 5), case.marker]
        await self._try(attack.readings(case.plan, case.manifest, case.schemas, own))
        honest = [use for use in self._case.benign if self._case.manifest.consequential(use.tool)]
        forms: list[Use] = []
        for use in honest:
            forms += [form async for form in self._known_forms(use)]
        await self._try(attack.variants(case.hostile, honest, forms, self._results))
        await self._try(attack.additions(forms, case.schemas, case.hostile, self._results))

    async def _known_forms(self, use: Use) -> Any:
        for grant in self._case.plan.of(use.tool):
            written: dict[str, Any] = {}
            for name, value in use.arguments.items():
                written[name] = self._referred(grant.get("where", {}), name, value)
            yield Use(use.tool, written)

    def _referred(self, where: Raw, name: str, value: Any) -> Any:
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return [self._referred(where, name, item) for item in value]
        if isinstance(value, dict):
            return {below: self._referred(where, f"{name}.{below}", one) for below, one in value.items()}
        sources = where.get(name, {}).get("source", ())
        return next((one for source in sources for one in self._refer(source, value)), value)

    async def _try(self, uses: Any) -> None:
        fresh: list[Use] = []
        for use in uses:
            key = json.dumps([use.tool, use.arguments], sort_keys=True)
            if key not in self._tried:
                self._tried.add(key)
                fresh.append(use)
        for start in range(0, len(fresh), BATCH_MAX):
            await self._uses(fresh[start : start + BATCH_MAX])

    # Both.

    async def _uses(self, uses: list[Use]) -> tuple[Returned, ...]:
        named = [(tool_name(use.tool), use.arguments) for use in uses]
        answers = await self._calls.call_all(*named)
        for use, returned in zip(uses, answers, strict=True):
            if returned.ok:
                number = returned.handle.number if returned.handle is not None else 0
                text = returned.text
                if returned.handle is not None and not text:
                    text = await self._calls.whole(returned.handle)
                self._results.append(Result(use.tool, use.arguments, text, number))
        return answers


def _together(options: list[list[Any]]) -> list[list[Any]]:
    """Of each the first, then of each the second; where one has no more, its last."""
    most = max((len(one) for one in options), default=1)
    return [[many[min(turn, len(many) - 1)] for many in options] for turn in range(most)]


def agent(cases: dict[int, Case]) -> Native:
    """The program; its argument says which of the cases it plays."""

    @program(name="dojo")
    async def dojo(calls: Calls, brief: str, case: int) -> str:
        """Does a user's task, and what an attacker wants of it."""
        await Player(calls, cases[case]).play()
        return "done"

    return dojo
