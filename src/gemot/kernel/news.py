"""News from outside: people, finished work, the clock, and the machine's own start. Every event that is not a syscall."""

from __future__ import annotations

import heapq
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from gemot.abi.answers import Cancelled, Mail, Outcome
from gemot.abi.effects import Adopt, BeginFork, Deliver, StopWork
from gemot.abi.events import (
    Adopted,
    Answered,
    Arrived,
    Blank,
    Booted,
    Condensed,
    Copied,
    Done,
    Event,
    Faulted,
    Installed,
    Moved,
    Paused,
    Restored,
    Resumed,
    Retracted,
    Revoked,
    Rewound,
    Said,
    Salvaged,
    Stopped,
    Ticked,
    Trapped,
    Waiting,
    Worked,
)
from gemot.abi.grants import Budget, Grant, Mount
from gemot.abi.labels import PERSON, Label
from gemot.abi.programs import ProgramSpec
from gemot.authority import ledger
from gemot.authority.labels import PERSON_WORDS, author
from gemot.authority.narrowing import anchor, with_space, without_uses
from gemot.authority.path_arguments import unfit
from gemot.kernel import (
    adopting,
    alarms,
    dates,
    leaving,
    moves,
    outages,
    retracting,
    revoking,
    rights,
    routes,
    salvaged,
    trap,
    waiting,
    working,
)
from gemot.kernel.families import remember_sources
from gemot.kernel.process import Process, Review, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def hear(kernel: Kernel, event: Event) -> None:
    """Let one piece of news in."""
    concerned = kernel.process(getattr(event, "pid", 0))
    if concerned is not None:
        kernel.changed.add(concerned.root)
    match event:
        case Booted(rules=rules):
            kernel.rules = rules
            _booted(kernel, event.lead)
        case Installed(_, manifests, programs):
            # the machine refuses an unfit tool at opening; a journal of an older version may still hold one
            tools = (tool for manifest in manifests for tool in manifest.tools)
            kernel.tools = {tool.name: tool for tool in tools if not unfit(tool)}
            kernel.programs = {program.name: program for program in programs}
        case Arrived():
            _arrived(kernel, event)
        case Done():
            working.done(kernel, event)
        case Waiting():
            outages.waiting(kernel, event)
        case Ticked():
            _ticked(kernel, event)
        case Said(_, pid, text, images):
            process = kernel.process(pid)
            if process is not None:
                kernel.post(process, Mail(0, text, Label((PERSON,)), images=images))
        case Answered():
            working.answered(kernel, event)
        case Worked(_, root, move):
            moves.by_person(kernel, root, move)
        case Stopped(_, pid, reason):
            process = kernel.process(pid)
            if process is not None:
                kernel.end(
                    process,
                    Outcome(pid, process.name, "killed", error=reason or "stopped by the person", rule="refused"),
                    PERSON_WORDS,
                )
        case Revoked(_, pid, tool):
            process = kernel.process(pid)
            if process is not None:
                revoking.take(kernel, process, tool, [])
        case Retracted(_, pid, reason, told):
            process = kernel.processes.get(pid)
            if process is not None:
                kernel.changed.add(process.root)
                retracting.take_back(kernel, process, reason, told=told)
        case Rewound(_, pid):
            process = kernel.process(pid)
            if process is not None:
                retracting.rewound(kernel, process, event)
        case Moved(_, pid, model):
            process = kernel.process(pid)
            if process is not None:
                routes.move(kernel, process, model)
        case Copied():
            _copied(kernel, event)
        case Faulted(_, pid, message):
            process = kernel.process(pid)
            if process is not None:
                kernel.end(process, Outcome(pid, process.name, "failed", error=message, rule="fault"), author(process))
        case Resumed(_, root):
            kernel.parts.clear()
            for one in [root] if root else sorted(kernel.asleep):
                _resumed(kernel, one)
        case Paused(_, root):
            _paused(kernel, root)
        case Adopted(_, tree, programs, decided_here, values):
            first = adopting.adopt(kernel, tree, decided_here)
            kernel.emit(Adopt(first.pid, programs))
            for process in kernel.tree(first.root) if decided_here else ():
                trap.decide_anew(kernel, process, values.get(process.pid, {}))
        case Salvaged():
            salvaged.begin(kernel, event)
        case Restored():
            salvaged.restore(kernel, event)
        case Blank():
            leaving.pass_over(kernel, event)
        case Condensed():
            leaving.stand_in(kernel, event)
        case Trapped():
            raise AssertionError("a syscall goes through the trap")


def _arrived(kernel: Kernel, event: Arrived) -> None:
    program = kernel.programs[event.program]
    seen = event.grants is not None  # what the person named themselves; else it is what the program asks for
    asked = tuple(
        msgspec.structs.replace(grant, endorsed=seen, unsure=(), planned=False)
        for grant in (program.grants if event.grants is None else event.grants)
    )
    mounts = tuple(with_space(mount, kernel.numbers[1] + 1) for mount in event.mounts)
    process = _root(
        kernel,
        program,
        event.goal,
        event.models,
        mounts,
        anchor(asked, mounts, kernel.tools),
        event.budget,
        event.name,
    )
    if event.review:
        process.review = Review(event.review, event.tries, event.goal, program.name, event.arguments, Label((PERSON,)))
    process.policy = anchor(event.policy, mounts, kernel.tools)
    process.route, process.priority = event.route, event.priority
    kernel.begin(process, event.arguments, event.images)


def _root(
    kernel: Kernel,
    program: ProgramSpec,
    brief: str,
    models: tuple[str, ...],
    mounts: tuple[Mount, ...],
    grants: tuple[Grant, ...],
    budget: Budget,
    name: str,
) -> Process:
    """The first process of a tree: the one place where means come into being, because a person said so."""
    pid = kernel.pid()
    means = ledger.capped(ledger.means(budget), program.limits)
    process = Process(pid, 0, pid, name or program.name, program, brief, models, mounts, list(grants), means)
    process.label, process.rules = Label((PERSON,)), kernel.rules
    kernel.enter(process)
    remember_sources(kernel, process)
    kernel.changed.add(pid)
    kernel.given[pid] = ledger.capped(ledger.means(budget), program.limits)
    return process


def _copied(kernel: Kernel, event: Copied) -> None:
    original = kernel.process(event.pid)
    if original is None:
        return
    pid = kernel.numbers[1] + 1
    mounts = (  # what it may write in a space it has a copy of
        msgspec.structs.replace(mount, mode="cow") if mount.space and mount.mode == "rw" else mount
        for mount in original.mounts
    )
    copy = _root(
        kernel,
        original.program,
        original.brief,
        original.models,
        tuple(with_space(mount, pid) for mount in mounts),
        tuple(map(without_uses, original.grants)),
        event.budget,
        f"{original.name} (fork)",
    )
    copy.policy = tuple(map(without_uses, kernel.processes[original.root].policy))
    copy.mandate = next((plan for _, plan in rights.plans_above(kernel, original)), None)
    copy.route, copy.priority = original.route, original.priority
    copy.rules = original.rules
    copy.doubt = (
        original.doubt if original.program.kind == "native" else 0
    )  # to a conversation the person has said what to do
    copy.returns = original.returns
    if original.review is not None:
        asker = kernel.processes.get(original.parent)
        noted = original.review.grants if asker is None else asker.grants
        copy.review = replace(
            original.review,
            brief=f"{original.review.brief}\n\n{event.text}",
            at=0,
            judges=[],
            verdicts=[],
            grants=list(map(without_uses, noted)),
        )
    copy.handles, copy.documents, copy.label = dict(original.handles), dict(original.documents), original.label
    copy.entries, copy.heard = original.entries + 1, list(original.heard)
    copy.born, original.copies = kernel.moment, (*original.copies, copy.pid)
    kernel.changed.add(original.root)
    root = kernel.processes[original.root]
    copy.stored, copy.sourced = dict(root.stored), copy.sourced | root.sourced
    if original.root in kernel.asleep:
        kernel.asleep.add(copy.pid)  # what sleeps is copied asleep
    words = Mail(0, event.text, Label((PERSON,)))
    mail = (words,) if original.program.inline_mail else ()
    if not mail:
        copy.mailbox.append(words)  # a native program receives what it is told when it asks for it
    kernel.emit(BeginFork(copy.pid, original.pid))
    kernel.emit(
        Deliver(
            copy.pid, Cancelled(f"the person forked {original.pid} while it waited for this; this is the fork", mail)
        )
    )


def _ticked(kernel: Kernel, event: Ticked) -> None:
    kernel.parts.clear()
    if event.lead is not None:
        dates.lead(kernel, event.lead)
    dates.set_again(kernel, (ring for ring in event.rings if not ring[2].came))
    rings = {(pid, number): due for pid, number, due in event.rings}
    not_yet: list[tuple[int, int, Timer]] = []
    while kernel.timers and kernel.timers[0][0] <= kernel.now:
        at, number, timer = heapq.heappop(kernel.timers)
        if timer.kind == "away":
            if timer.pid in kernel.away:
                kernel.processes.get(timer.pid)  # with it come the timers that are due
            continue
        process = kernel.processes[timer.pid]
        root = process.root
        kernel.part(root, number)
        if root in kernel.asleep:
            kernel.late.setdefault(root, []).append((at, number, timer))
        elif timer.kind != "alarm":
            waiting.ring(kernel, timer)
        elif process.alive and not alarms.ring(kernel, process, timer.token, rings.get((timer.pid, timer.token))):
            not_yet.append((at, number, timer))  # the next tick says when it is due again, and then it rings
        kernel.changed.add(root)
        kernel.settled.add(root)
    for entry in not_yet:
        heapq.heappush(kernel.timers, entry)


def _booted(kernel: Kernel, lead: int | None) -> None:
    """Nothing that was at work outside is at work any more; every tree sleeps until somebody lets it go on."""
    kernel.working.clear()
    if lead is not None:
        dates.lead(kernel, lead)
    kernel.boots += 1  # by which a tree that is away learns of it when it comes back
    kernel.asleep.update(kernel.away)
    for process in kernel.processes.values():
        if process.alive:
            kernel.asleep.add(process.root)
            kernel.changed.add(process.root)
            process.interrupt()


def _resumed(kernel: Kernel, root: int) -> None:
    if root not in kernel.asleep:
        return
    kernel.part(root)
    kernel.asleep.discard(root)
    quiet = kernel.away.get(root) is False  # it has no work to go on with, so it may stay where it is
    if not quiet:
        kernel.processes.get(root)
        kernel.changed.add(root)
    for timer in kernel.late.pop(root, []):
        heapq.heappush(kernel.timers, timer)
    for process in [] if quiet else kernel.tree(root):
        if process.alive:
            working.resume(kernel, process)
    kernel.settled.add(root)


def _paused(kernel: Kernel, root: int) -> None:
    """Model calls are given up (they are asked again on resume); tools that run are left to end, and their results kept."""
    if kernel.process(root) is None:
        return
    kernel.asleep.add(root)
    kernel.changed.add(root)
    for process in kernel.tree(root):
        for work in process.work:
            if work.kind == "model" and work.state == "started":
                kernel.emit(StopWork(work.effect))
                work.state = "interrupted"
