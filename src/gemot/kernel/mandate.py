"""The mandate: a plan that a process writes as grants, and that a person endorses in one look, as a whole or in parts.

A plan is written before anything untrusted was read; whoever has read third parties' text can't write one. Each of its
grants lies within what the process may do anyway, so endorsing adds no right: from then on what a step allows needs no
further word of the person, and what no step allows is gone, for everything that writes or sends. A person's standing
policy (grants too, that came with the goal) endorses in advance the steps that lie within it; what it counts, it counts in the whole
tree. A plan binds the process and all its descendants, whenever they were made (:func:`gemot.kernel.revoking.bind`).

A value is endorsed the same way: the person sees it whole, and it bears their label from then on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.effects import PlannedStep
from gemot.abi.grants import Grant
from gemot.abi.labels import PERSON, Label
from gemot.abi.syscalls import Endorse, Exit, Mandate
from gemot.authority.labels import words_of
from gemot.authority.narrowing import GONE, as_shown, described, grant_within, harmless_part, narrowed, used
from gemot.authority.quoting import named, quoted, titled
from gemot.authority.references import whole
from gemot.authority.refusal import Refused
from gemot.kernel import reviewing, revoking
from gemot.kernel.asking import understood
from gemot.kernel.families import remember_sources, requested
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def propose(kernel: Kernel, process: Process, syscall: Mandate) -> None:
    plan = _plan(kernel, process, syscall)
    policy = kernel.processes[process.root].policy
    open_steps: list[int] = []
    for number, grants in enumerate(plan, 1):
        left = _foreseen(grants, policy)
        if left is None:
            open_steps.append(number)
        else:
            policy = left
    if not open_steps:
        kernel.processes[process.root].policy = policy
        _take(kernel, process, plan, list(range(1, len(plan) + 1)))
        return
    process.plan = plan
    shown = tuple(
        PlannedStep(step.title, as_shown(grants, process.mounts, kernel.tools), number not in open_steps)
        for number, (step, grants) in enumerate(zip(syscall.steps, plan, strict=True), 1)
    )
    lines = tuple("\n".join(step_lines(number, step)) for number, step in enumerate(shown, 1))
    question = f"May {named(process.name)} ({process.pid}) do this, and nothing else?"
    _ask(kernel, process, question, lines, syscall.steps, steps=shown)


def _plan(kernel: Kernel, process: Process, syscall: Mandate) -> list[tuple[Grant, ...]]:
    """The steps' grants, each within what the process has. Raises :class:`Refused`."""
    if process.label.integrity == "foreign":
        raise Refused(
            "integrity",
            "this process has read third parties' text, so what it plans is not a mandate; a plan is made before reading",
        )
    if not 0 < len(syscall.steps) <= limits.PLAN_STEPS_MAX:
        raise Refused("limit", f"a plan has 1 to {limits.PLAN_STEPS_MAX} steps, this has {len(syscall.steps)}")
    for step in syscall.steps:
        if not step.title.strip() or len(step.title) > limits.NAME_CHARS_MAX or not step.title.isprintable():
            raise Refused(
                "malformed",
                f"a step's title is one line of 1 to {limits.NAME_CHARS_MAX} characters that says what it is for",
            )
    wanted = tuple(grant for step in syscall.steps for grant in step.grants)
    if len(wanted) > limits.GRANTS_MAX:
        raise Refused("limit", f"a plan has at most {limits.GRANTS_MAX} grants, this has {len(wanted)}")
    handed = iter(requested(kernel, process, wanted, process.mounts))
    return [tuple(next(handed)[0] for _ in step.grants) for step in syscall.steps]


def _foreseen(grants: tuple[Grant, ...], policy: tuple[Grant, ...]) -> tuple[Grant, ...] | None:
    """What is left of the policy of a tree when it has endorsed these grants; None where it does not. What it counts, it counts
    in the whole tree; what it allows once for each value, a person is asked about: plans are not counted together."""
    left = list(policy)
    for grant in grants:
        index = next((at for at, one in enumerate(left) if not one.once_per and grant_within(grant, one)), None)
        if index is None:
            return None
        left[index] = used(left[index], grant.uses)
    return tuple(left)


def endorse(kernel: Kernel, process: Process, syscall: Endorse, values: Mapping[int, str]) -> None:
    """``values``: by handle, the texts that the kernel does not hold."""
    text = whole(process, syscall.handle, values).text
    if len(text) > limits.NOTE_CHARS_MAX:
        raise Refused(
            "limit",
            f"a person must see all of what they endorse, and this has {len(text):,} characters of at most "
            f"{limits.NOTE_CHARS_MAX:,}; use a tool that gives less, and endorse its result",
        )
    if len(syscall.reason) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"a reason has at most {limits.NOTE_CHARS_MAX} characters")
    reason = f" It says why: {quoted(syscall.reason)}" if syscall.reason else ""
    question = f"Is this right, and may it be acted upon?{reason}"
    _ask(kernel, process, question, (text,), syscall.handle, reason=syscall.reason)


def step_lines(number: int, step: PlannedStep) -> list[str]:
    """A step in words, one line for its title, for each grant and for the system's own mark. No title can be read as another
    line: it is one line, quoted where it is more than plain words."""
    mark = ["   = your policy allows this step already"] if step.foreseen else []
    return [f"{number}. {titled(step.title)}", *(f"   {described(grant, ())}" for grant in step.grants), *mark]


def _ask(kernel: Kernel, process: Process, question: str, lines: tuple[str, ...], shown: object, **more: Any) -> None:
    digest = hashlib.sha256(msgspec.json.encode([question, lines, shown], order="sorted")).hexdigest()
    foreign = ("value",) if isinstance(shown, int) else ()
    if process.label.integrity == "foreign":
        foreign = (*foreign, "question")
    kernel.question(process, question, digest=digest, plan=lines, untrusted=foreign, **more)


def answered(kernel: Kernel, process: Process, allow: bool, text: str) -> bool:
    """A person's word on a plan, a value or a result; says whether it could be understood."""
    syscall, plan = process.syscall, process.plan
    named = understood(text, len(plan)) if isinstance(syscall, Mandate) and allow else []
    if named is None:
        return False
    if isinstance(syscall, Exit):
        reviewing.answered(kernel, process, allow, text)
        return True
    process.work[0].state = "done"
    process.plan = []
    if not allow:
        said = f": {text}" if text else ""
        kernel.answer(process, Error("refused", f"the person did not endorse this{said}"))
    elif isinstance(syscall, Endorse):
        _vouch(process, syscall.handle)
        kernel.answer(process, Ok(f"the person vouches for handle {syscall.handle}"))
    else:
        try:
            _take(kernel, process, plan, named)
        except Refused as refusal:
            gone = f"the person said yes, and since they were asked something was taken back: {refusal.message}"
            kernel.answer(process, Error(refusal.rule, gone))
    return True


def _vouch(process: Process, number: int) -> None:
    handle = process.handles[number]
    label = Label((PERSON,), secrets=handle.label.secrets)
    process.handles[number] = msgspec.structs.replace(handle, label=label)
    if number in process.documents:
        document = process.documents[number]
        called = document.arguments_label  # the arguments of the use were not shown
        process.documents[number] = msgspec.structs.replace(document, label=label, called=called)


def _take(kernel: Kernel, process: Process, plan: list[tuple[Grant, ...]], steps: list[int]) -> None:
    """From here on the process and all below it may do what these steps say; of other things what neither writes nor sends. What
    was taken from the process while the person was asked is not in the plan any more. Raises :class:`Refused`."""
    chosen = tuple(grant for number in steps for grant in plan[number - 1])
    handed = narrowed(chosen, process.grants, process.mounts, process.label)
    grants: list[Grant] = []
    came_from: dict[int, int] = {}
    for grant, index in handed:
        process.grants[index] = used(process.grants[index], grant.uses)
        if index in process.came_from:
            came_from[len(grants)] = process.came_from[index]
        grants.append(msgspec.structs.replace(grant, endorsed=True, unsure=(), planned=True))
    endorsed = tuple(grants)
    moved: dict[int, int] = {}
    for index, held in enumerate(process.grants):
        if held.tool == GONE.tool:
            continue
        parts = harmless_part(held, kernel.tools)
        if len(parts) == 1:
            moved[index] = len(grants)
            if index in process.came_from:
                came_from[len(grants)] = process.came_from[index]
        grants += parts
    process.grants, process.came_from, process.mandate = grants, came_from, endorsed
    for pid in list(process.children):
        revoking.bind(kernel, kernel.processes[pid], endorsed, words_of(process), moved)
    remember_sources(kernel, process)
    kernel.answer(process, Ok({"endorsed": steps}))
