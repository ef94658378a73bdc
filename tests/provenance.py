"""Two laws about rights, from books of their own: a count that a person gave is a count in the whole tree, and a plan binds
everybody below it.

The books know the events and effects, the grants that stand in the kernel's tables, and nothing of how those came there. What a
person gave is what the event says. What was done is what the machine was told to start.

- ``uses``: the uses that are left under a counted gift, with all processes that could have had a part of it, and those that
  were begun, are together at most what was given. Where a gift counts a tool, nobody below holds that tool without a count.
- ``plan``: nothing that writes or sends begins outside of a plan that was endorsed for its process or one above.

A fork that a person makes belongs to the original here: together they have what one of them was given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from checkers import LawBroken, _obeys, name_lies_in

from gemot.abi.answers import Ok
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, End, StartTool
from gemot.abi.events import Arrived, Copied, Event, Installed, Trapped
from gemot.abi.grants import Grant
from gemot.abi.syscalls import ALWAYS_ALLOWED, Call, Exec, Mandate, Syscall, name_of
from gemot.abi.tools import ToolSpec
from gemot.kernel import Kernel


class Gift:
    """What a person gave or endorsed. ``holders``: the processes that it was given to; all below them share it. ``plan``: it is
    a plan, so it counts only what writes or sends."""

    def __init__(self, grants: Iterable[Grant], holders: set[int], plan: bool) -> None:
        self.grants = tuple(grants)
        self.holders, self.plan = holders, plan
        self.begun: Counter[str] = Counter()
        self.by_group: defaultdict[str, list[Grant]] = defaultdict(list)
        wide = any(one.tool == "*" and one.uses is not None for one in self.grants)
        for one in self.grants:
            if one.uses is not None and one.tool not in ALWAYS_ALLOWED:
                self.by_group["*" if wide and "/" in one.tool else _group(one.tool)].append(one)

    def group(self, tool: str) -> str:
        """The group of counted grants that such a tool, or pattern of tools, is counted in; empty where it is not counted."""
        for name, grants in self.by_group.items():
            if any(name_lies_in(tool, one.tool) for one in grants) and not any(
                one.uses is None and (name_lies_in(tool, one.tool) or name_lies_in(one.tool, tool))
                for one in self.grants
            ):
                return name
        return ""


def _group(tool: str) -> str:
    return tool.partition("/")[0] if "/" in tool or tool == "*" else f"syscall {tool}"


class Provenance:
    def __init__(self) -> None:
        self.gifts: list[Gift] = []
        self.tools: dict[str, ToolSpec] = {}
        self._programs: dict[str, tuple[Grant, ...]] = {}
        self._parents: dict[int, int] = {}
        self._pending: dict[int, Syscall] = {}
        self._traps: Counter[int] = Counter()
        self._started: Counter[tuple[int, int, str]] = Counter()
        self._policies: dict[int, tuple[tuple[Grant, ...], Counter[str]]] = {}

    # The books.

    def note(self, kernel: Kernel, event: Event, effects: list[Effect], check: bool = True) -> None:
        """Take in an event and what came of it. Raises :class:`LawBroken`."""
        if isinstance(event, Installed):
            self.tools = {tool.name: tool for manifest in event.manifests for tool in manifest.tools}
            self._programs = {one.name: one.grants for one in event.programs}
        if isinstance(event, Trapped):
            self._pending[event.pid] = event.syscall
            self._traps[event.pid] += 1
        for effect in effects:
            match effect:
                case Begin(pid) | BeginFork(pid) if pid not in self._parents:
                    self._born(kernel, event, pid)
                case StartTool():
                    self._start(effect)
                case Deliver(pid, answer):
                    self._answered(event, pid, answer)
                case End(outcome):
                    self._pending.pop(outcome.pid, None)
                case _:
                    pass
        if check:
            self.check(kernel)

    def _born(self, kernel: Kernel, event: Event, pid: int) -> None:
        self._parents[pid] = kernel.processes[pid].parent
        if isinstance(event, Arrived):
            grants = self._programs.get(event.program, ()) if event.grants is None else event.grants
            self.gifts.append(Gift(grants, {pid}, plan=False))
            self._policies[pid] = (event.policy, Counter())
        elif isinstance(event, Copied):
            for gift in self._above(event.pid):
                gift.holders.add(pid)
            self._policies[pid] = self._policies[self._line(event.pid)[-1]]

    def _line(self, pid: int) -> list[int]:
        line = [pid]
        while self._parents.get(line[-1]):
            line.append(self._parents[line[-1]])
        return line

    def _above(self, pid: int) -> list[Gift]:
        line = set(self._line(pid))
        return [gift for gift in self.gifts if gift.holders & line]

    def _answered(self, event: Event, pid: int, answer: object) -> None:
        syscall = self._pending.pop(pid, None)
        if syscall is None or not isinstance(answer, Ok):
            return
        if not isinstance(syscall, Call | Exec):
            for gift in self._above(pid):
                if not gift.plan and (group := gift.group(name_of(syscall))):
                    gift.begun[group] += 1
        if isinstance(syscall, Mandate):
            steps = answer.value["endorsed"]
            grants = [
                Grant(one) if isinstance(one, str) else one
                for number in steps
                for one in syscall.steps[number - 1].grants
            ]
            for gift in self.gifts:
                if gift.plan:
                    gift.holders.discard(pid)  # the new plan is in the place of the old one
            self.gifts.append(Gift(grants, {pid}, plan=True))
            if isinstance(event, Trapped):  # nobody was asked
                self._by_policy(pid, grants)

    def _by_policy(self, pid: int, grants: list[Grant]) -> None:
        policy, endorsed = self._policies[self._line(pid)[-1]]
        for one in grants:
            able = [step for step in policy if name_lies_in(one.tool, step.tool)]
            if able and all(step.uses is not None for step in able):
                endorsed[one.tool] += 10**6 if one.uses is None else one.uses
                given = sum(step.uses or 0 for step in able)
                if endorsed[one.tool] > given:
                    raise LawBroken(
                        f"uses: the policy endorses {one.tool} {given} times, now {endorsed[one.tool]} times"
                    )

    def _start(self, effect: StartTool) -> None:
        pid, tool = effect.pid, effect.tool
        if effect.trial:  # a check of a result, on copies, by the rights of whoever asked for it
            return
        key = (pid, self._traps[pid], repr((tool, effect.arguments)))
        wanted = self._pending.get(pid)
        same = sum(repr((use.tool, use.arguments)) == key[2] for use in getattr(wanted, "uses", ())) or 1
        again = self._started[key] >= same  # after a crash; it is the same use
        self._started[key] += 1
        spec = self.tools.get(tool)
        consequential = spec is not None and spec.effect in ("writes", "sends")
        for gift in self._above(pid):
            if (
                gift.plan
                and consequential
                and not any(self._allows(one, spec, effect.arguments) for one in gift.grants)
            ):
                raise LawBroken(
                    f"plan: {pid} begins {tool} {effect.arguments!r:.100}, which is in no step of {gift.grants}"
                )
            if not again and (consequential or not gift.plan) and (group := gift.group(tool)):
                gift.begun[group] += 1

    def _allows(self, grant: Grant, tool: ToolSpec | None, arguments: dict[str, Any]) -> bool:
        if tool is None or not name_lies_in(tool.name, grant.tool):
            return False
        plain = {name: rule for name, rule in grant.where.items() if name not in tool.paths and "." not in name}
        return all(_obeys(arguments.get(name), rule) for name, rule in plain.items())

    # The law.

    def check(self, kernel: Kernel) -> None:
        counted = [gift for gift in self.gifts if gift.by_group]
        if not counted:
            return
        left: dict[int, Counter[str]] = {id(gift): Counter(gift.begun) for gift in counted}
        for pid in self._parents:
            process = kernel.processes.held(pid)
            if process is None or not process.alive:
                continue
            above = [gift for gift in self._above(pid) if gift.by_group]
            for grant in process.grants if above else ():
                if grant.uses == 0:
                    continue
                for gift in above:
                    if gift.plan and not self._consequential(grant.tool):
                        continue
                    group = gift.group(grant.tool)
                    if group and grant.uses is None:
                        raise LawBroken(f"uses: {pid} holds {grant.tool} without a count, which {gift.grants} counts")
                    if group:
                        left[id(gift)][group] += grant.uses or 0
        for gift in counted:
            for group, total in left[id(gift)].items():
                given = sum(one.uses or 0 for one in gift.by_group[group])
                if total > given:
                    raise LawBroken(
                        f"uses: {group} was given {given} times to {gift.holders}, there are {total} with those begun"
                    )

    def _consequential(self, pattern: str) -> bool:
        return any(
            tool.effect in ("writes", "sends") and name_lies_in(tool.name, pattern) for tool in self.tools.values()
        )
