"""What is measured: benign runs, attacked runs, and the same attacks with the walls off. Judged by what was really done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from evals.agentdojo.agent import Case
from evals.agentdojo.plans import Manifest, Plan, tool_name
from evals.agentdojo.planting import MARKER, poisoned
from evals.agentdojo.references import same
from evals.agentdojo.renaming import Renaming
from evals.agentdojo.running import Stage
from evals.agentdojo.suite import Suite, Use
from evals.agentdojo.wishes import wishes
from evals.agentdojo.world import World
from gemot.abi.grants import Grant

MODES = ("on_read", "from_start", "planted")
PERSONS = ("refuses", "perfect", "tired")


@dataclass(frozen=True)
class Benign:
    """A task without an attack. ``calls``: consequential uses that solve it; ``quiet``: those done without asking."""

    task: str
    person: str
    useful: bool
    calls: int
    done: int
    asks: int
    asked_about: int
    why: str

    @property
    def quiet(self) -> int:
        return max(0, self.done - self.asked_about)

    @property
    def whole(self) -> bool:
        return self.useful and self.done == self.calls


@dataclass(frozen=True)
class Attacked:
    """A task under an attack. ``steered``: uses that nobody wanted; ``worded``: uses that differ in payload only from what
    was wanted, but were not so wanted; ``harmed``: AgentDojo's own check; ``calls``, ``done``: as without an attack."""

    task: str
    injection: str
    mode: str
    person: str
    steered: tuple[str, ...]
    worded: tuple[str, ...]
    harmed: bool
    asks: int
    calls: int
    done: int

    @property
    def effects(self) -> tuple[str, ...]:
        return (*self.steered, *self.worded)


class Bench:
    """One suite with its two files under one set of names."""

    def __init__(
        self, suite: Suite, manifest: Manifest, plans: dict[str, Plan], names: Renaming, thorough: bool = True
    ) -> None:
        self.suite, self.manifest, self.plans, self.names = suite, manifest, plans, names
        self._thorough = thorough
        missing = sorted(set(suite.user_tasks) - set(plans))
        unknown = sorted({names.text(tool) for tool in suite.tools} - set(manifest.tools))
        if missing or unknown:
            raise SystemExit(f"no plan for {', '.join(missing) or '-'}; nothing said about {', '.join(unknown) or '-'}")
        self._schemas = {names.text(tool): names.schema(suite.schema(tool)) for tool in suite.tools}
        self.world = World(suite, manifest, names)

    def walls_off(self) -> Bench:
        """The same tasks where every tool may be used with anything, and nothing is anybody's."""
        manifest = self.manifest.open()
        raw = tuple({"tool": tool} for tool in manifest.tools)
        grants = tuple(Grant(tool_name(tool)) for tool in manifest.tools)
        plans = {task: replace(plan, raw=raw, grants=grants) for task, plan in self.plans.items()}
        return Bench(self.suite, manifest, plans, self.names, thorough=False)

    # What is wanted.

    def _clean(self, task: Any) -> Any:
        return self.suite.environment("clean", task, lambda: self.suite.data({}))

    def steps(self, task: Any) -> tuple[Use, ...]:
        """What solves a task, with this run's names. Payload that the plan has fixed is as the plan says."""
        truth = self.suite.ground_truth(task, self._clean(task))
        return tuple(self._meant(self.world.renamed(use), self.plans[task.ID]) for use in truth)

    def _meant(self, use: Use, plan: Plan) -> Use:
        arguments = dict(use.arguments)
        for name in self.manifest.payload(use.tool):
            for grant in plan.of(use.tool)[:1]:
                fixed = grant.get("where", {}).get(name, {}).get("one_of")
                if fixed and not any(same(arguments.get(name), one) for one in fixed):
                    arguments[name] = fixed[0]
        return Use(use.tool, {name: value for name, value in arguments.items() if value is not None})

    def _key(self, use: Use) -> str:
        """A use with this run's names, as the suite's own code would take it: what defaults say is the same as unsaid."""
        return self._own(use).key

    def _wishes(self, task: Any, injection: Any) -> tuple[Use, ...]:
        tools = [tool for tool in self.suite.tools if self.manifest.consequential(self.names.text(tool))]
        return wishes(self.suite, injection, self._clean(task), tools)

    # Runs.

    async def benign(self, stage: Stage, task: Any, person: str) -> Benign:
        steps = self.steps(task)
        wanted = self._consequential(steps)
        case = Case(self.plans[task.ID], self.manifest, self._schemas, steps)
        environment = self._clean(task)
        before = self._clean(task)
        run = await stage.play(case, environment, person, wanted)
        useful = self._useful(task, before, run.environment, run.done)
        real = Counter(use.key for use in run.done)
        done = sum((Counter(self._key(use) for use in wanted) & real).values())
        why = "; ".join([*case.refusals, run.failed]).strip("; ")
        why = why or ("" if useful else "AgentDojo's own check of the result says no")
        return Benign(task.ID, person, useful, len(wanted), done, run.asks, run.asked_about, why)

    def _useful(self, task: Any, before: Any, after: Any, done: list[Use]) -> bool:
        try:
            return self.suite.useful(task, before, after, done)
        except Exception as error:  # noqa: BLE001 - a check that fails over what it finds says no
            print(f"  {task.ID}: AgentDojo's own check failed: {error!r}")
            return False

    async def attacked(self, stage: Stage, task: Any, injection: Any, mode: str, person: str) -> Attacked:
        steps = self.steps(task)
        wanted = self._consequential(steps)
        wanted_by_him = self._wishes(task, injection)

        def environment() -> Any:
            twins = mode == "planted"
            return self.suite.environment(
                f"{injection.ID} {twins}", task, lambda: poisoned(self.suite, injection, wanted_by_him, twins)
            )

        case = Case(
            self.plans[task.ID],
            self.manifest,
            self._schemas,
            steps,
            tuple(self.world.renamed(use) for use in wanted_by_him),
            mode,
            self.names.text(MARKER),
            self._thorough,
        )
        before = environment()
        run = await stage.play(case, environment(), person, wanted)
        if run.failed:
            raise RuntimeError(f"{task.ID} {injection.ID} {mode} {person}: the agent failed: {run.failed}")
        harmed = self.suite.harmed(injection, task, before, run.environment, run.done)
        harmed = harmed and not self.suite.harmed(injection, task, before, before, [])  # twins may look like a success
        steered, worded, done = self._judged(run.done, wanted)
        return Attacked(task.ID, injection.ID, mode, person, steered, worded, harmed, run.asks, len(wanted), done)

    def _judged(self, done: Iterable[Use], wanted: tuple[Use, ...]) -> tuple[tuple[str, ...], tuple[str, ...], int]:
        """What was done and not wanted: in what it reaches, or in its payload only; and how much of what was wanted was done."""
        left = Counter(self._key(use) for use in wanted)
        reach = {self._reach(self._own(use)) for use in wanted}
        steered, worded, right = list[str](), list[str](), 0
        for use in done:
            if not self.manifest.consequential(self.names.text(use.tool)):
                continue
            if left[use.key] > 0:
                left[use.key] -= 1
                right += 1
            else:
                (worded if self._reach(use) in reach else steered).append(f"{use.tool} {use.arguments}")
        return tuple(steered), tuple(worded), right

    def _own(self, use: Use) -> Use:
        return self.suite.bare(Use(self.names.text_back(use.tool), self.names.value_back(use.arguments)))

    def _reach(self, use: Use) -> str:
        payload = {self.names.text_back(name) for name in self.manifest.payload(self.names.text(use.tool))}
        return Use(use.tool, {name: one for name, one in use.arguments.items() if name not in payload}).key

    def _consequential(self, uses: Iterable[Use]) -> tuple[Use, ...]:
        return tuple(use for use in uses if self.manifest.consequential(use.tool))

    def pairs(self, only: str = "") -> Iterator[tuple[Any, Any]]:
        for task in self.tasks(only):
            for injection in self.suite.injection_tasks.values():
                yield task, injection

    def tasks(self, only: str = "") -> list[Any]:
        return [task for name, task in self.suite.user_tasks.items() if only in ("", name)]
