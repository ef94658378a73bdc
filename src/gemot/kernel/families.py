"""Spawn, fork, exec, exit, kill, status: how processes come, change, end and are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Born, Error, Ok, Outcome
from gemot.abi.effects import BeginFork, Deliver
from gemot.abi.grants import BudgetRequest, Grant, Mount
from gemot.abi.labels import Handle, Label
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import Exec, Exit, Fork, Kill, Spawn, Status, name_of
from gemot.abi.tools import ToolSpec
from gemot.authority import evidence, ledger
from gemot.authority.arguments import must_be_known
from gemot.authority.labels import KERNEL_WORDS, author, join, joined, words_of
from gemot.authority.narrowing import Handed, anchor, inherited, narrowed, sub_mounts, within_reach
from gemot.authority.refusal import Refused, closest
from gemot.authority.schema import flaw, mismatch
from gemot.authority.tool_names import unknown_name
from gemot.board.table import Item
from gemot.kernel import alarms, changes, dates, feasible, gates, hearing, loops, purses, reviewing, rights
from gemot.kernel.process import Heard, Process, Progress, Review, Timer
from gemot.kernel.results import sources_of

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def spawn(kernel: Kernel, parent: Process, syscall: Spawn) -> None:
    program = known_program(kernel, syscall.program, syscall.arguments)
    if not syscall.brief.strip():
        raise Refused("malformed", "a brief can't be empty: it is all that the child will know")
    if syscall.task is not None:
        gates.must_reach_the_tree(kernel, parent, "a task on the board can't be given to a child")
        board = kernel.boards.get(parent.root)
        if board is None:
            raise Refused("state", f"there is no task {syscall.task}: the board is empty; add tasks first")
        board.must_be_ready(syscall.task)
    given = _given(parent, syscall.handles)
    made = child(kernel, parent, syscall, program, syscall.task)
    made.review = reviewed(parent, syscall, syscall.program, syscall.arguments)
    made.handles = given
    made.documents = {number: parent.documents[number] for number in given if number in parent.documents}
    kernel.begin(made, syscall.arguments)
    kernel.answer(parent, Ok(Born(made.pid)))
    if syscall.task is not None:
        kernel.board_changed(parent.root)


def _given(parent: Process, handles: tuple[int, ...]) -> dict[int, Handle]:
    """The handles that a child gets: it may read them, whatever its parent may. What it then says bears their labels."""
    if len(handles) > limits.BATCH_MAX:
        raise Refused("limit", f"a child is given at most {limits.BATCH_MAX} handles")
    missing = [number for number in handles if number not in parent.handles]
    if missing:
        have = ", ".join(map(str, parent.handles)) or "none"
        raise Refused("unknown", f"there is no handle {missing[0]} to give to a child; this process has: {have}")
    return {number: msgspec.structs.replace(parent.handles[number], sealed=False) for number in handles}


def fork(kernel: Kernel, parent: Process, syscall: Fork) -> None:
    made = child(kernel, parent, syscall, parent.program)
    made.review = reviewed(parent, syscall, parent.program.name, {})
    made.handles, made.documents, made.label = dict(parent.handles), dict(parent.documents), parent.label
    made.entries, made.heard = parent.entries + 1, list(parent.heard)
    made.forked = True
    kernel.emit(BeginFork(made.pid, parent.pid))
    kernel.emit(Deliver(made.pid, Ok(Born(0, syscall.brief))))
    kernel.answer(parent, Ok(Born(made.pid)))


def reviewed(parent: Process, syscall: Spawn | Fork, program: str, arguments: dict[str, Any]) -> Review | None:
    """The gate before a child's result, if its parent wants one."""
    if not syscall.review:
        return None
    return Review(syscall.review, syscall.tries, syscall.brief, program, arguments, words_of(parent))


def child(
    kernel: Kernel, parent: Process, syscall: Spawn | Fork, program: ProgramSpec, task: int | None = None
) -> Process:
    """Check everything that a child asks for against its parent; then make it. The one place where processes are made."""
    if len(syscall.brief) > limits.TEXT_CHARS_MAX or len(syscall.name) > limits.NAME_CHARS_MAX:
        raise Refused(
            "limit", f"a brief has at most {limits.TEXT_CHARS_MAX} characters, a name {limits.NAME_CHARS_MAX}"
        )
    if not syscall.name.isprintable():
        raise Refused("malformed", "a name is one line of printable characters")
    if len(parent.children) + len(parent.uncollected) >= limits.CHILDREN_MAX:
        raise Refused("limit", f"a process has at most {limits.CHILDREN_MAX} children")
    wrong = flaw(syscall.returns) if syscall.returns is not None else ""
    if wrong:
        raise Refused("schema", f"returns is not a JSON schema: {wrong}")
    wanted, equal, opened = _budget(kernel, parent, syscall), None, frozenset[str]()
    if parent.rules:
        opened = purses.open_kinds(wanted, program.limits)
        equal = purses.share(parent, opened)
        purses.ensure_place(kernel, parent)
    means = ledger.capped(ledger.share(parent.left, wanted, equal), program.limits)
    mounts = (
        parent.mounts if syscall.mounts is None else sub_mounts(syscall.mounts, parent.mounts, kernel.numbers[1] + 1)
    )
    models = _models(parent, syscall.model or (program.model if program.model in parent.models else ""))
    handed = _handed(kernel, parent, syscall, program, mounts)
    if "processes" in opened and not any(grant.tool in purses.SPAWNING for grant, _ in handed):
        means.processes = 0
    if program.kind == "ai":
        purses.must_be_useful(kernel, parent, means, opened)
    priority = _priority(parent, syscall.priority)
    if syscall.deadline_seconds is not None and not 0 < syscall.deadline_seconds < 10**9:
        raise Refused("malformed", f"deadline_seconds must be a time from now, not {syscall.deadline_seconds}")
    if syscall.review:
        forked = isinstance(syscall, Fork)
        grants = [grant for grant, _ in handed]
        asker = feasible.Asker(
            parent.pid, parent.grants, mounts, words_of(parent), parent.confirmed, grants, models,
            purses.with_places(kernel, parent, means, opened), program,
            syscall.returns, forked, {}, {},
        )  # fmt: skip
        reviewing.must_be(kernel, syscall.review, syscall.tries, asker)

    if parent.rules:
        parent.part = purses.part(parent)
    ledger.give(parent.left, means)
    made = Process(
        pid=kernel.pid(),
        parent=parent.pid,
        root=parent.root,
        name=syscall.name or program.name,
        program=program,
        brief=syscall.brief,
        models=models,
        mounts=mounts,
        grants=[],
        left=means,
        confirmed=parent.confirmed_below,
        confirmed_below=parent.confirmed_below,
        returns=syscall.returns,
        label=words_of(parent),
        named=words_of(parent) if syscall.name else Label(),
        route=parent.route,
        priority=priority,
        born=kernel.moment,
        open=opened,
        reserve=purses.reserve_of(means) if parent.rules else None,
        rules=parent.rules,
        doubt=parent.doubt,
    )
    rights.hand_on(parent, made, handed)
    kernel.enter(made)
    remember_sources(kernel, made)
    parent.children.append(made.pid)
    if syscall.deadline_seconds is not None:
        kernel.set_timer(kernel.now + int(syscall.deadline_seconds * 1000), Timer(made.pid, "deadline", 0))
    if task is not None:
        _give(kernel, made, kernel.boards[parent.root].items[task])
    return made


def _task(kernel: Kernel, parent: Process, syscall: Spawn | Fork) -> Item | None:
    """The task that a child is to work on."""
    if isinstance(syscall, Fork) or syscall.task is None:
        return None
    return kernel.boards[parent.root].items[syscall.task]


def _budget(kernel: Kernel, parent: Process, syscall: Spawn | Fork) -> BudgetRequest | None:
    """What a child gets: what is named, else what its task suggests, as far as its parent has that."""
    item = _task(kernel, parent, syscall)
    if syscall.budget is not None or item is None or item.budget is None:
        return syscall.budget
    return ledger.at_most(parent.left, item.budget)


def _give(kernel: Kernel, child: Process, item: Item) -> None:
    """A task is the child's own until its end. What the task says of rights and means has reached the child with them."""
    item.given = True
    child.label = join(child.label, item.label)
    kernel.boards[child.root].give(item, child.pid, words_of(child))


def _handed(
    kernel: Kernel, parent: Process, syscall: Spawn | Fork, program: ProgramSpec, mounts: tuple[Mount, ...]
) -> Handed:
    if syscall.grants is not None:
        return requested(kernel, parent, syscall.grants, mounts)
    item = _task(kernel, parent, syscall)
    if item is not None and item.grants is not None:
        return within_reach(anchor(item.grants, mounts, kernel.tools), parent.grants, join(parent.label, item.label))
    if isinstance(syscall, Fork):  # what lies within itself need not be looked for
        return [(inherited(one, one, parent.label), index) for index, one in enumerate(parent.grants)]
    must_be_known(program.grants, kernel.tools)
    return within_reach(anchor(program.grants, mounts, kernel.tools), parent.grants, parent.label)


def requested(kernel: Kernel, parent: Process, grants: tuple[Grant | str, ...], mounts: tuple[Mount, ...]) -> Handed:
    """The grants that a process wants to give away, each as the part of its own that it is. Raises :class:`Refused`."""
    wanted = must_be_grantable(kernel, grants)
    return narrowed(anchor(wanted, mounts, kernel.tools), parent.grants, parent.mounts, parent.label)


def must_be_grantable(kernel: Kernel, grants: tuple[Grant | str, ...]) -> tuple[Grant, ...]:
    """Grants as a process may write them, of tools that there are. Raises :class:`Refused`."""
    if len(grants) > limits.GRANTS_MAX:
        raise Refused("limit", f"a process holds at most {limits.GRANTS_MAX} grants, not {len(grants)}")
    wanted = tuple(Grant(one) if isinstance(one, str) else one for one in grants)
    unknown = unknown_name(wanted, kernel.tools)
    if unknown:
        raise Refused("unknown", unknown)
    if any(grant.endorsed or grant.unsure or grant.planned for grant in wanted):
        raise Refused(
            "grant",
            "only a person endorses a grant: leave 'endorsed', 'planned' and 'unsure' out, the kernel sets them",
        )
    must_be_known(wanted, kernel.tools)
    return wanted


def remember_sources(kernel: Kernel, process: Process) -> None:
    """A tool that a grant of the tree names as a source has its results kept whole in all of the tree."""
    root = kernel.processes[process.root]
    root.sourced |= {source.tool for source in sources_of(process.grants)}


def _models(parent: Process, wanted: str) -> tuple[str, ...]:
    if not wanted:
        return parent.models
    if wanted not in parent.models:
        raise Refused("grant", f"the model {wanted!r} can't be given: this process may use {', '.join(parent.models)}")
    return (wanted, *(model for model in parent.models if model != wanted))


def _priority(parent: Process, wanted: int | None) -> int:
    if wanted is None:
        return parent.priority
    if not limits.PRIORITY_MIN <= wanted <= parent.priority:
        least = limits.PRIORITY_MIN
        raise Refused(
            "grant", f"priority: a child's is from {least} to its parent's, which is {parent.priority}; not {wanted}"
        )
    return wanted


def known_program(kernel: Kernel, name: str, arguments: dict[str, Any]) -> ProgramSpec:
    """The program of this name, if these arguments fit it. Raises :class:`Refused`."""
    program = kernel.programs.get(name)
    if program is None:
        raise Refused("unknown", f"there is no program {name!r}; {closest(name, kernel.programs)}")
    wrong = mismatch(arguments, program.parameters) if program.parameters else ("it takes none" if arguments else "")
    if wrong:
        raise Refused("malformed", f"the arguments of program {name} don't fit: {wrong}")
    return program


def execute(kernel: Kernel, process: Process, syscall: Exec) -> None:
    program = known_program(kernel, syscall.program, syscall.arguments)
    if not syscall.brief.strip() or len(syscall.brief) > limits.TEXT_CHARS_MAX:
        raise Refused(
            "malformed", f"a brief has 1 to {limits.TEXT_CHARS_MAX} characters: it is all that is known after exec"
        )
    process.program = program
    process.brief = syscall.brief
    process.handles, process.documents = {}, {}
    # what came with the reply that asked for this is not in the brief, and nobody reads it any more
    process.entries, process.heard = 0, [one._replace(entry=0) for one in process.heard if one.moment]
    process.forked = process.stood = False
    process.habit = None
    process.syscall = None
    kernel.begin(process, syscall.arguments)


def leave(kernel: Kernel, process: Process, syscall: Exit) -> None:
    size = len(syscall.value) if isinstance(syscall.value, str) else len(msgspec.json.encode(syscall.value))
    if size > limits.RESULT_CHARS_MAX:
        raise Refused(
            "limit",
            f"a result has at most {limits.RESULT_CHARS_MAX} characters, this has {size}; write it to a file and exit with its path",
        )
    if len(syscall.failed) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"failed says why in at most {limits.NOTE_CHARS_MAX} characters")
    evidence.must_be_claims(syscall.claims)
    wrong = mismatch(syscall.value, process.returns) if process.returns and not syscall.failed else ""
    if wrong:
        process.exit_tries += 1
        message = f"this result is not what the parent asked for: {wrong}. Its schema: {msgspec.json.encode(process.returns).decode()}"
        if process.exit_tries < limits.EXIT_TRIES_MAX:
            kernel.answer(process, Error("schema", message))
        else:
            error = f"exited {process.exit_tries} times with a result that does not fit: {wrong}"
            kernel.end(
                process, Outcome(process.pid, process.name, "failed", error=error, rule="schema"), author(process)
            )
        return
    end_below(kernel, process)  # what they did from now on nobody would look at
    if not changes.look(kernel, process):
        looked_at(kernel, process, syscall)


def end_below(kernel: Kernel, process: Process) -> None:
    for child in list(process.children):
        one = kernel.processes[child]
        kernel.end(
            one,
            Outcome(child, one.name, "killed", error=f"its parent {process.pid} ended", rule="family"),
            KERNEL_WORDS,
        )


def looked_at(kernel: Kernel, process: Process, syscall: Exit) -> None:
    """It is known what a process that exits has changed: its result goes on to its gate."""
    if syscall.failed:
        rule = process.last_rule or "failed"
        failed = Outcome(process.pid, process.name, "failed", value=syscall.value, error=syscall.failed, rule=rule)
        kernel.end(process, failed, author(process))
    elif process.review is not None:
        reviewing.begin(kernel, process)
    else:
        accepted(kernel, process, syscall)


def accepted(kernel: Kernel, process: Process, syscall: Exit) -> None:
    """A result has passed all that stands before it."""
    kernel.end(process, Outcome(process.pid, process.name, "done", value=syscall.value), KERNEL_WORDS)


def kill(kernel: Kernel, process: Process, syscall: Kill) -> None:
    one = own_child(kernel, process, syscall.pid)
    if len(syscall.reason) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"a reason has at most {limits.NOTE_CHARS_MAX} characters")
    if one.alive:
        reason = syscall.reason or "killed by its parent"
        kernel.end(one, Outcome(one.pid, one.name, "killed", error=reason, rule="family"), author(process))
    if one.pid in process.uncollected:
        process.uncollected.remove(one.pid)
    assert one.outcome is not None
    kernel.answer(process, Ok(one.outcome))


def own_child(kernel: Kernel, process: Process, pid: int) -> Process:
    one = kernel.processes.get(pid)
    if one is None or one.parent != process.pid:
        mine = [one.pid for one in kernel.tree(process.root) if one.parent == process.pid]
        raise Refused(
            "family", f"{pid} is not a child of this process; its children: {', '.join(map(str, mine)) or 'none'}"
        )
    return one


def mounts_of_children(
    kernel: Kernel, process: Process, tool: ToolSpec, arguments: dict[str, Any]
) -> dict[int, tuple[Mount, ...]]:
    """What the children see that the arguments of a tool use name. Raises :class:`Refused`."""
    pids = [arguments[name] for name in tool.children]
    return {pid: own_child(kernel, process, pid).mounts for pid in pids}


def status(kernel: Kernel, process: Process, syscall: Status) -> None:
    own = syscall.pid in (None, process.pid)
    one = process if own else own_child(kernel, process, syscall.pid or 0)
    if syscall.note is not None:
        _note(kernel, process, syscall.note, own)
    said: list[Label] = []
    seen = _seen(kernel, one, said, process)
    rests = hearing.resting(kernel, process)
    process.heard += [Heard(rests, pid, process.entries + 1, at) for pid, at in _noted(kernel, one, process)]
    if own and process.alarms:
        seen["alarms"] = alarms.listed(kernel, process)
    process.label = joined(said, process.label)
    hint = loops.advice(kernel, process, syscall, seen) if process.rules and syscall.note is None else ""
    kernel.answer(process, Ok(seen | {"instead": hint} if hint else seen))


def _note(kernel: Kernel, process: Process, text: str, own: bool) -> None:
    """A process says how far it is. Raises :class:`Refused`."""
    if not own:
        raise Refused("family", "a process notes only its own progress; leave pid out")
    if len(text) > limits.PROGRESS_CHARS_MAX:
        raise Refused(
            "limit", f"a progress note has at most {limits.PROGRESS_CHARS_MAX} characters, this has {len(text)}"
        )
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        raise Refused("malformed", "a progress note is one line, without control characters")
    process.progress = Progress(text, kernel.now, words_of(process), kernel.moment) if text else None


def _noted(kernel: Kernel, process: Process, reader: Process) -> list[tuple[int, int]]:
    """Whose notes are among what there is to see of a process, and when each was written."""
    if gates.gate(kernel, process, reader):
        return []
    note = process.progress
    own = [(process.pid, note.moment)] if note is not None and process is not reader else []
    return [*own, *(one for pid in process.children for one in _noted(kernel, kernel.processes[pid], reader))]


def _seen(kernel: Kernel, process: Process, said: list[Label], reader: Process, inside: bool = False) -> dict[str, Any]:
    """What there is to see of a process and those below it; ``said`` gets the labels of their own words among it. ``inside``: it
    is below a process under review that ``reader`` is outside of, which also gave it its name."""
    doing = "" if process.syscall is None else name_of(process.syscall)
    note: dict[str, Any] = {}
    closed = inside or gates.gate(kernel, process, reader) > 0
    if process.progress is not None and closed:
        note = {"held": "its note waits for its review"}
    elif process.progress is not None:
        said.append(process.progress.label)
        note = {"note": process.progress.text, "noted_seconds_ago": (kernel.now - process.progress.at) // 1000}
    if process is not reader and not inside:
        said.append(process.named)
    rings = min((dates.rings_at(kernel, alarm) for alarm in process.alarms.values()), default=0)
    return {
        "pid": process.pid,
        "name": process.program.name if inside else process.name,
        "state": process.state,
        "doing": doing,
        **({} if inside else {"left": msgspec.to_builtins(process.left.frozen())}),
        "label": {"integrity": process.label.integrity, "secrets": list(process.label.secrets)},
        "heard_seconds_ago": (kernel.now - process.heard_at) // 1000,
        **note,
        **({"next_alarm_in_seconds": max(0, rings - kernel.now) / 1000} if rings and not closed else {}),
        "children": [_seen(kernel, kernel.processes[pid], said, reader, closed) for pid in process.children],
    }
