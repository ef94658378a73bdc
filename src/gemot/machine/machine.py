"""The machine: a kernel with a journal, programs, models and tools around it, as people and other programs use it.

What happens inside is in :mod:`gemot.machine.loop`; here is what can be asked of it from outside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

from gemot.abi import events
from gemot.abi.answers import Outcome, Retraction
from gemot.abi.effects import Asked
from gemot.abi.events import Answered, Arrived, Copied, Moved, Paused, Said, Stopped
from gemot.abi.grants import DEFAULT_BUDGET, Budget, Grant, Mode, Mount
from gemot.abi.limits import PRIORITY
from gemot.abi.reviews import TRIES, Check
from gemot.drivers.kit import Driver, Picture, Tool
from gemot.journal.contract import Journal
from gemot.kernel import Kernel, asking, retracting
from gemot.kernel.process import Process
from gemot.machine import (
    boards,
    booting,
    carrying,
    checkpoint,
    excerpts,
    looking,
    notes,
    recovery,
    removal,
    rewinding,
    starting,
    views,
    waking,
)
from gemot.machine.checkpoint import RECORDS_AT_CLOSE
from gemot.machine.clock import Clock
from gemot.machine.home import Home, default_home
from gemot.machine.looking import Place, Sight, Which
from gemot.machine.loop import Loop, MachineError
from gemot.machine.pool import ProviderView
from gemot.machine.retention import Cleared, Keeper, Retention, clear
from gemot.models.catalogue import Limits
from gemot.models.port import Model
from gemot.programs.library import Library, load
from gemot.programs.native import Native

NO_PRIVACY = starting.Privacy()
BY_DEFAULT = Retention()


class Machine:
    """One running kernel. Open it with :meth:`open`, use it, and close it; ``async with`` does both.

    async with await Machine.open(home) as machine:
        pid = await machine.start("sum up notes.md", model="openai:gpt-5-mini", work="notes")
        outcome = await machine.result(pid)
    """

    def __init__(
        self,
        journal: Journal,
        library: Library,
        drivers: Iterable[Driver],
        open_model: Callable[[str], Model],
        *,
        home: Home | None = None,
        durability: Literal["full", "normal"] = "normal",
        clock: Clock | Callable[[], float] | None = None,
        limits: Mapping[str, Limits] | None = None,
        windows: Mapping[str, int] | None = None,
        privacy: starting.Privacy = NO_PRIVACY,
        tool_names: frozenset[str] = frozenset(),
        secrets: Mapping[str, bool] | None = None,
    ) -> None:
        self.home = home
        self.privacy = privacy
        self.library = library
        self.clock = clock if isinstance(clock, Clock) else Clock(clock, clock) if clock else Clock()
        self.clock_notice = ""
        """What a person should know of the computer's clock; empty where it fits the journal."""
        self._drivers = tuple(drivers)
        tools: dict[str, Tool] = {tool.spec.name: tool for driver in self._drivers for tool in driver.tools.values()}
        self._keeper: Keeper | None = None
        self._closing = AsyncExitStack()
        """What ends with this machine: its door."""
        self._tool_names = tool_names | tools.keys()
        """The tools of all drivers, with those that this computer can't offer for want of walls: grants may name them."""
        means = limits or {}, windows or {}, secrets
        self._loop = Loop(journal, library, tools, open_model, self.clock.order, durability == "full", home, *means)

    @property
    def kernel(self) -> Kernel:
        return self._loop.kernel

    @classmethod
    async def open(
        cls,
        home: Path | str | None = None,
        *,
        drivers: Iterable[Driver] | None = None,
        tools: Iterable[Tool] = (),
        programs: Iterable[Native] = (),
        program_folders: Iterable[Path] = (),
        project: Path | None = None,
        models: dict[str, Model] | None = None,
        resume: bool = False,
        in_memory: bool = False,
        journal: Journal | None = None,
        folder: Path | str | None = None,
        durability: Literal["full", "normal"] = "normal",
        limits: Mapping[str, Limits] | None = None,
        windows: Mapping[str, int] | None = None,
        private: Iterable[str] = (),
        untrusted: Iterable[str] = (),
        door: bool = True,
        secrets: Mapping[str, bool] | None = None,
        retention: Retention = BY_DEFAULT,
    ) -> Machine:
        """Open the machine that lives in ``home`` (default: the person's own), and fold its journal.

        ``drivers``: instead of those that ship. ``tools``: besides them, made with `gemot.tool`. ``programs``,
        ``program_folders``: besides those that ship; ``project``: a folder with programs of less trust (see
        `gemot.programs.library.load`). ``models``: objects by name, before the names that `gemot.models.open_model` knows.
        ``resume``: let every unfinished tree go on. ``in_memory``: keep nothing. ``journal``: instead of a home; the
        machine closes it. ``folder``: with a journal, where memories, copies of files, the lock and the door are; without one there are
        none of these, and what needs them is refused. ``durability``: ``full`` syncs every step to the disk; ``normal`` only
        those with the intent of something that must not happen twice, or a person's word. ``limits``: by provider
        (``openai``), how much may be asked of it. ``windows``: tokens that models take in, by name, where that is not what is
        known of them. ``private``: patterns of paths that no process sees unless they are shown by name, besides the usual
        ones (:mod:`gemot.abi.private`); ``untrusted``: folders whose files come from third parties. ``door``: answer `gemot send`,
        `answer`, `kill` and the like from other terminals (a machine with a home only). ``secrets``: by variable of the
        environment, whether its value is a secret, where that is not what the value says. ``retention``: which ended trees and runs
        leave by themselves (:mod:`gemot.machine.retention`). Raises ``HomeError``,
        ``JournalError``, :class:`MachineError`.
        """
        from gemot.drivers import shipped
        from gemot.drivers.kit import standing
        from gemot.journal.memory import MemoryJournal
        from gemot.journal.sqlite import SqliteJournal

        privacy = starting.privacy(private, untrusted)
        offered = starting.offered(shipped() if drivers is None else drivers, tools)
        names = frozenset(tool.spec.name for driver in offered for tool in driver.tools.values())
        library = load(program_folders, programs, project, lambda spec: starting.flaw_of(spec, names))
        installed = standing(offered)
        starting.must_fit(installed)
        starting.must_live_in_one_place(home, in_memory, journal, folder)
        is_homeless = journal is not None and folder is None and not isinstance(journal, MemoryJournal)
        journal = MemoryJournal() if in_memory else journal
        place: Home | None = None
        try:
            if journal is not None and folder is not None:
                place = Home(Path(folder))
                place.lock()
                starting.must_have_no_journal(place)
            elif journal is None:
                place = Home(default_home() if home is None else Path(home))
                place.lock(starting=True)
                recovery.must_open(place.journal, library)
                journal = SqliteJournal(place.journal)
            opener = starting.opener(models or {})
            means: dict[str, Any] = {"limits": limits, "windows": windows, "tool_names": names}
            means |= {"privacy": privacy, "secrets": secrets}
            machine = cls(journal, library, installed, opener, home=place, durability=durability, **means)
            if is_homeless:
                machine._loop.memories.refused = machine._loop.spaces.refused = starting.HOMELESS
            machine._boot(resume)
            None if place is None else place.started()
            machine._keeper = Keeper(machine._loop, retention)
            if door and place is not None:
                await machine._answer_at_door()
        except BaseException:
            if journal is not None:
                journal.close()
            if place is not None:
                place.unlock()
            raise
        return machine

    async def _answer_at_door(self) -> None:
        from gemot.machine.door import Door  # here: the door is made of what a machine can do

        await self._closing.enter_async_context(Door(self))

    def _boot(self, resume: bool) -> None:
        self.clock_notice = booting.boot(self._loop, self.library, self._drivers, self.clock)
        if resume:
            self.resume()

    async def __aenter__(self) -> Machine:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Stop cleanly: model calls are given up (and asked again on resume), running tools get time to end. Idempotent."""
        loop = self._loop
        if loop.closed:
            return
        try:
            await self._closing.aclose()
            for root in sorted(self.kernel.trees.keys() - self.kernel.asleep):
                if self.kernel.processes[root].alive:
                    loop.happened(Paused(self._now(), root))
            loop.drain()
            await loop.stage.close(grace_seconds)
            loop.drain()
            if self._keeper is not None:
                await self._keeper.close()
            loop.checkpoint(RECORDS_AT_CLOSE)
        finally:  # whatever fails on the way, or cancels it: nothing begins any more, and the home is free
            loop.close()
            self.kernel.processes.fetch = None  # from here on there is what is in memory
            try:
                loop.journal.close()
            finally:
                if self.home is not None:
                    self.home.unlock()

    async def start(
        self,
        goal: str,
        *,
        program: str = "solo",
        model: str = "embedded",
        models: Iterable[str] = (),
        work: Path | str | None = None,
        mode: Mode = "rw",
        mounts: Iterable[Mount] = (),
        budget: Budget = DEFAULT_BUDGET,
        grants: Iterable[Grant] | None = None,
        arguments: dict[str, Any] | None = None,
        name: str = "",
        policy: Iterable[Grant] = (),
        review: Iterable[Check] = (),
        tries: int = TRIES,
        route: Iterable[str] = (),
        priority: int = PRIORITY,
        images: Iterable[Picture] = (),
        untrusted: bool = False,
        shown: Iterable[str] = (),
        private: Iterable[str] = (),
    ) -> int:
        """Start a process on a goal; returns its pid at once. Raises :class:`MachineError` for what can't be.

        ``model``: the one it uses; ``models``: others that it and its children may use. ``work``: a folder it sees as
        ``/work``. ``grants``: its rights; by default what its program asks for. ``policy``: grants; a plan whose steps lie
        within them needs no further word of the person (see `gemot.abi.syscalls.Mandate`). ``review``: checks that its
        result must pass (see `gemot.abi.reviews`), ``tries``: how often it may be rejected. ``route``: the models that take
        the place of ``model``, one after the other, when one fails (see `gemot.kernel.routes`). ``priority``: from 1 to 9;
        where model calls queue, a tree's share of the turns. ``images``: what its model is shown beside the goal.
        ``untrusted``: the files in ``work`` come from third parties. ``shown``: patterns of private paths that it may see all the
        same; ``private``: more patterns of paths that it may not see.
        """
        self._loop.must_run()
        way = starting.way(self._loop.stage, model, route)
        seen = list(mounts)
        if work is not None:
            seen.insert(0, starting.work_mount(work, mode, untrusted))
        privacy, shown = self.privacy.also(private), starting.listed_texts("shown", shown)
        seen = [privacy.of(mount, shown) for mount in seen]
        event = Arrived(
            self._now(),
            goal,
            program,
            tuple(dict.fromkeys((*way, *starting.listed_texts("models", models)))),
            tuple(seen),
            budget,
            None if grants is None else tuple(grants),
            {} if arguments is None else arguments,
            name,
            tuple(policy),
            tuple(review),
            tries,
            way if len(way) > 1 else (),
            priority,
        )
        why_not = self.library.why_not(program)
        if why_not:
            raise MachineError(f"the program {program} can't be used: {why_not}")
        starting.must_be_outside(self._loop.spaces, event.mounts)
        starting.must_be_kept(self._loop.spaces, event.mounts)
        event = starting.checked(self.kernel, event, self._loop.journal, images, self._tool_names)
        return await self._loop.happens(event)

    async def send(self, pid: int, text: str, images: Iterable[Picture] = ()) -> None:
        """Tell a process something: a new goal, a suggestion, a correction; perhaps show its model something."""
        program = self._living(pid).program
        starting.check_words(text, needed=True)
        seen = starting.images(self._loop.journal, program, images)
        self._loop.happens_now(Said(self._now(), pid, text, seen))

    async def answer(
        self, ask: int, allow: bool = True, text: str = "", scope: Literal["once", "process", "subtree"] = "once"
    ) -> None:
        """Answer an ask. For a question ``text`` is the answer; for an action ``allow`` says whether it may be done."""
        opened = self.kernel.asks.get(ask)
        if opened is None:
            open_now = ", ".join(map(str, self.kernel.asks)) or "none"
            raise MachineError(f"there is no open ask {ask}; open: {open_now}")
        wrong = asking.unfit(opened.asked, text) if allow else ""
        if wrong:
            raise MachineError(f"ask {ask} {wrong}")
        self._loop.happens_now(Answered(self._now(), ask, allow, text, scope))

    async def work(self, pid: int, move: events.BoardMove) -> tuple[int, ...]:
        """Make a move on the board of the tree of ``pid``; returns the numbers of the tasks that it is about."""
        return boards.work(self._loop, self._living(pid).root, move)

    async def kill(self, pid: int, reason: str = "") -> None:
        """End a process and all of its descendants."""
        self._living(pid)
        self._loop.happens_now(Stopped(self._now(), pid, reason))

    async def revoke(self, pid: int, tool: str) -> tuple[int, ...]:
        """Take a right (``files/write``, ``files/*``, ``spawn``, ``*``) from a process and all of its descendants, at once.

        Returns the pids that held it. Raises :class:`MachineError` for a tool that does not exist, and where neither the
        process nor a descendant holds the right.
        """
        process = self._living(pid)
        holders = starting.holders(self.kernel, process, tool)
        self._loop.happens_now(events.Revoked(self._now(), pid, tool))
        return tuple(holders)

    async def retract(self, pid: int, reason: str, told: int | None = None) -> Retraction:
        """Take back all that a process ever said, or (``told``) what it was told at that position of the journal and what it said
        since: it leaves every reading, what was built on it is undone or told. Returns what came of it, the effects on the
        world that stay among it. Raises :class:`MachineError`."""
        return rewinding.take_back(self._loop, self._known(pid), reason, told)

    async def foresee(self, pid: int, told: int | None = None) -> Retraction:
        """What :meth:`retract` would do now; nothing is changed. Raises :class:`MachineError`."""
        return rewinding.foreseen(self._loop, self._known(pid), told)

    async def rewind(self, pid: int, to: int, text: str = "") -> int:
        """Put a process back to the last turn that it had begun at position ``to`` of the journal (`gemot log` shows them), and tell it
        ``text``. What it did since stays done and paid for; children that it has begun since are ended. Returns the position
        that it was put back to. Raises :class:`MachineError`."""
        self._living(pid)
        starting.check_words(text)
        found = rewinding.found(self._loop, pid, to)
        stays = retracting.stays(self.kernel, self._living(pid), found.moment)
        self._loop.happens_now(found.event(self._now(), pid, text, stays))
        return found.position

    async def done_since(self, pid: int, to: int) -> tuple[str, ...]:
        """What a rewinding to position ``to`` would not undo: every use of a tool since then that changed or sent something, by the
        process and all below it, a line each. Raises :class:`MachineError`."""
        process = self._living(pid)
        return retracting.stays(self.kernel, process, rewinding.found(self._loop, pid, to).moment)

    async def move(self, pid: int, model: str) -> None:
        """Move a process to another model; it goes on where it is."""
        self._living(pid)
        self._loop.stage.model(model)
        self._loop.happens_now(Moved(self._now(), pid, model))

    async def fork(self, pid: int, text: str, budget: Budget = DEFAULT_BUDGET) -> int:
        """A new tree whose first process knows what ``pid`` knows so far, and ``text``; returns its pid. A fork of a sleeping
        process sleeps."""
        self._living(pid)
        starting.check_words(text)
        starting.check_budget(budget)
        return await self._loop.happens(Copied(self._now(), pid, text, budget))

    def resume(self, pid: int | None = None) -> list[int]:
        """Let the sleeping tree of ``pid`` go on (default: all of them); returns the roots that do.

        A tree of which a program can't be had here sleeps on. Raises :class:`MachineError` where none can go on.
        """
        return waking.resume(self._loop, None if pid is None else self._living(pid).root)

    def pause(self, pid: int) -> None:
        """Put the tree of ``pid`` to sleep until it is resumed."""
        self._loop.happens_now(Paused(self._now(), self._living(pid).root))

    def export(self, pid: int, path: Path) -> None:
        """Write the tree of ``pid`` to one file, from which another machine can go on with it. It stays here, too. Raises
        :class:`MachineError`."""
        carrying.export(self._loop, self._known(pid).root, path)

    async def adopt(
        self,
        carried: carrying.Carried,
        folders: Mapping[str, Path | str],
        model: str = "",
        untrusted: Collection[str] = (),
    ) -> int:
        """Take in a tree from a file (see :func:`gemot.machine.carrying.read`); returns its first pid. It sleeps until it is
        resumed. ``folders``: for each mount's name the folder here that it sees; others it does not see any more. ``model``:
        takes the place of each model in the file that is a script or has an address of its own. ``untrusted``: those of the
        mounts whose files come from third parties. Nothing in the file counts as decided: see
        :mod:`gemot.kernel.adopting`. Raises :class:`MachineError`."""
        self._loop.must_run()
        untrusted = starting.listed_texts("untrusted", untrusted)
        coming = carrying.coming(self._loop, carried, folders, model, self._now(), self.privacy, untrusted)
        return await self._loop.happens(coming)

    def archive(self, pid: int, path: Path) -> None:
        """Write the ended tree of ``pid`` to one file and take it out of this machine's journal. Raises
        :class:`MachineError`."""
        removal.archive(self._loop, self._known(pid).root, path)

    async def clear(
        self, rules: Retention, pids: Collection[int] | None = None, folder: Path | None = None, trial: bool = False
    ) -> Cleared:
        """Let the ended trees and runs leave that are beyond the limits in ``rules``, or the ended trees of ``pids``, whatever the limits.
        ``folder``: each tree is written to a file there before. ``trial``: nothing leaves; the answer says what would. Raises
        :class:`MachineError`, ``JournalError``."""
        roots = None if pids is None else [self._known(pid).root for pid in pids]
        return await removal.in_turns(clear(self._loop, rules, roots, folder, trial))

    def _known(self, pid: int) -> Process:
        self._loop.must_run()
        process = self.kernel.processes.get(pid)
        if process is None:
            raise MachineError(f"there is no process {pid}; gemot ps --all shows all there were")
        return process

    async def result(self, pid: int) -> Outcome:
        """Wait until a process has ended, and get how. Raises :class:`MachineError` if the machine stops first."""
        process = self.kernel.processes.get(pid)
        if process is None:
            raise MachineError(f"there is no process {pid}")
        if process.outcome is not None:
            return process.outcome
        self._loop.must_run()
        return await self._loop.ending(pid)

    def processes(self, root: int | None = None) -> list[views.ProcessView]:
        """What there is to see of the processes of one tree, or of all: also of those that are not in memory now."""
        if root is None:
            return views.all_views(self.kernel, checkpoint.kept(self._loop, self.home))
        return looking.processes(self._loop, self.home, root)

    def look(self, which: Which = "living", pid: int = 0, trees_max: int = 0, receipts: bool = False) -> Sight:
        """What there is to see of so many trees, the newest (0: of all), or of the tree of ``pid``."""
        return looking.gathered(lambda place: self.portion(which, place, pid, receipts), trees_max)

    def portion(self, which: Which, place: Place | None, pid: int, receipts: bool, most: int = 0) -> Sight:
        """A part of the same that is small, from ``place`` on; of so many trees at ``most``, if not 0."""
        return looking.look(self._loop, self.home, which, place, pid, receipts, most)

    def receipt(self, pid: int) -> looking.ReceiptView | None:
        """What a process really did, at work or ended, by the kernel's own record; None where there is no such process."""
        return looking.receipt(self._loop, self.home, pid)

    def noted(self, pid: int, after: int = 0) -> excerpts.Noted:
        """Where the newest records of a tree stand in the journal; see :func:`gemot.machine.excerpts.noted_by`."""
        return excerpts.noted_by(self._loop, self.home, pid, after)

    def providers(self) -> list[ProviderView]:
        """What goes on at each provider that has limits or was asked something."""
        return self._loop.stage.pool.views()

    def asks(self) -> list[Asked]:
        return views.ask_views(self.kernel)

    def tasks(self, pid: int | None = None) -> list[views.TaskView]:
        """The board of the tree of ``pid``, or all boards."""
        kept = checkpoint.kept(self._loop, self.home) if pid is None else ()
        return boards.tasks(self._loop, kept, 0 if pid is None else self._known(pid).root)

    def watch(self, watcher: Callable[[notes.Note], None]) -> Callable[[], None]:
        """Call ``watcher`` with every note from now on; returns a function that ends it."""
        watchers = self._loop.watchers
        watchers.append(watcher)
        return lambda: watchers.remove(watcher) if watcher in watchers else None

    async def events(self, root: int | None = None) -> AsyncIterator[notes.Note]:
        """Notes as they happen, of one tree or of all; ends with the tree (or never)."""
        async for note in notes.follow(self.watch, self.kernel, root):
            yield note

    @property
    def idle(self) -> bool:
        """Nothing will happen by itself: every tree has ended, sleeps, or waits for a person."""
        return self._loop.quiet

    @property
    def failure(self) -> BaseException | None:
        """Why the machine has stopped by itself (its journal can't be written any more), if it has."""
        return self._loop.broken

    def _now(self) -> int:
        return self.clock.order()

    def _living(self, pid: int) -> Process:
        process = self._known(pid)
        if not process.alive:
            raise MachineError(f"process {pid} has ended ({process.state})")
        return process
