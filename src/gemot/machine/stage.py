"""The stage: where effects are carried out. Models are called, tools run, values are read; each ends in one `Done`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from threading import Event
from typing import Any

import msgspec
from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.abi.effects import AskModel, Compare, DropMemory, FindMemories, KeepMemory, ReadValue, StartTool
from gemot.abi.events import Compared, Done, Failure, Found, Kept, Replied, Result, Value, Wrote
from gemot.abi.labels import Label
from gemot.abi.messages import Reply, Request, ToolRequest, Usage
from gemot.abi.tools import ToolSpec
from gemot.authority.labels import join
from gemot.authority.narrowing import is_own_copy
from gemot.drivers.kit import Tool, ToolError
from gemot.drivers.place import PlaceMount, Written
from gemot.journal.contract import Journal, JournalError
from gemot.machine import pictures, written
from gemot.machine.memories import Memories, MemoriesError
from gemot.machine.pool import Pool
from gemot.machine.spaces import View
from gemot.machine.threads import Raised, Threads
from gemot.machine.vault import Vault
from gemot.machine.written import Noticed
from gemot.models.port import Model, ModelFailed
from gemot.models.redacting import Stream

TOOLS_AT_ONCE = 32
"""Tool uses that run at the same time on one machine; more wait for their turn."""

GRACE_SECONDS = 0.2
"""How long work that was cancelled may take to end before it is left behind."""

OURS = "gemot."
"""Modules whose tools that only compute are quick, and need no thread. One of somebody else may hang, and the machine with it."""

STOPPED = Failure("given_up", "it was stopped before it ended")


class Stage:
    """``report`` is told each `Done`; ``heard`` each piece of text a model says. ``windows``: tokens that models take in, by name,
    where the person knows better."""

    def __init__(
        self,
        journal: Journal,
        tools: dict[str, Tool],
        open_model: Callable[[str], Model],
        now: Callable[[], int],
        report: Callable[[Done], None],
        heard: Callable[[int, str], None],
        memories: Memories,
        pool: Pool,
        windows: Mapping[str, int],
        secrets: Mapping[str, bool] | None = None,
    ) -> None:
        self.pool, self._windows = pool, windows
        self._journal, self._tools, self._open_model = journal, tools, open_model
        self._now, self._report, self._heard = now, report, heard
        self._vault = Vault(chosen=secrets)
        self._memories = memories
        self._models: dict[str, Model] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._begun: dict[int, float] = {}
        """Work that had its first turn, and when it must have ended, by the loop's clock."""
        self._kinds: dict[int, tuple[str, int, float]] = {}
        """The same work: its kind, its milliseconds, and when it began."""
        self._late: set[int] = set()
        """Work that was given up because it had not."""
        self._uses: set[int] = set()
        """The tool uses among what is running."""
        self._watch: asyncio.TimerHandle | None = None
        """One timer for all of that, set to the earliest: work that ends in time costs no timer of its own."""
        self._waits: dict[str, bool] = {}
        """Tool -> whether its function is a coroutine function."""
        self._threads = Threads(TOOLS_AT_ONCE, "gemot-tool")
        self._stopped: set[int] = set()
        """Work that was asked to stop."""
        self._coroutines: dict[int, asyncio.Task[Any]] = {}
        """The tools among what is running that are coroutines, each in a task of its own."""

    def ask(self, effect: AskModel, request: Request, chars: int) -> None:
        """Ask a model when its turn has come; ``chars``: how much it is shown."""

        def go() -> None:
            self._begin(effect.effect, "model", effect.millis_max, self._generate, effect, request)

        def refuse(why: str) -> None:
            self._report(Done(self._now(), effect.effect, Failure("limit", why)))

        self.pool.enter(effect, chars, go, refuse)

    def use(self, effect: StartTool, view: Callable[[StartTool], View]) -> None:
        self._begin(effect.effect, "tool", effect.millis_max, self._use, effect, view)

    def read(self, effect: ReadValue) -> None:
        async def fetch() -> Result:
            try:
                return Value(self._journal.value(effect.digest, effect.start, effect.length))
            except JournalError as error:
                return Failure("failed", str(error))

        self._begin(effect.effect, "read", 60_000, fetch)

    def compare(self, effect: Compare, look: Callable[[Compare, Callable[[], bool]], tuple[list[Change], str]]) -> None:
        """See what a process changed. ``look`` takes as long as it takes to read its files, and ends soon when it is told to: a
        thread can't be stopped, and one that went on would keep its place, and the machine from closing."""

        async def compare() -> Result:
            ended = Event()
            try:
                changes, text = await asyncio.to_thread(look, effect, ended.is_set)
            finally:
                ended.set()
            text = self._vault.redactor.text(text)
            digest = self._journal.put_value(text) if text else ""
            more = max(0, len(changes) - limits.CHANGES_MAX)
            return Compared(tuple(changes[: limits.CHANGES_MAX]), more, digest, text[: limits.DIFF_CHARS_SHOWN])

        self._begin(effect.effect, "compare", effect.millis_max, compare)

    def remember(self, effect: KeepMemory | FindMemories | DropMemory) -> None:
        async def do() -> Result:
            try:
                if self._memories.path is None:
                    return self._remembered(effect)
                return await asyncio.to_thread(self._remembered, effect)
            except MemoriesError as error:
                return Failure(error.rule, str(error))

        self._begin(effect.effect, "memory", 60_000, do)

    def _remembered(self, effect: KeepMemory | FindMemories | DropMemory) -> Result:
        match effect:
            case KeepMemory():
                clean = self._vault.redactor.text
                return Kept(self._memories.keep(replace(effect, text=clean(effect.text), about=clean(effect.about))))
            case FindMemories():
                return Found(self._memories.find(effect))
            case DropMemory():
                return Kept(self._memories.drop(effect))

    def stop(self, effect: int) -> None:
        """Give work up. It still reports, so that its time is booked."""
        if self.pool.withdraw(effect):
            self._report(Done(self._now(), effect, STOPPED))
            return
        task = self._running.get(effect)
        if task is None:
            return
        self._late.discard(effect)
        self._stopped.add(effect)
        self._cancel(effect)
        if (
            effect not in self._begun
        ):  # a task that is cancelled before its first turn never gets one, so it can't report
            self._forget(effect)
            self._report(Done(self._now(), effect, STOPPED))

    def _cancel(self, effect: int) -> None:
        """Ask work to end, and leave it behind where it does not."""
        self._running[effect].cancel()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._leave, effect, self._running[effect])

    def _leave(self, effect: int, task: asyncio.Task[None]) -> None:
        """Answer for work that goes on although it was cancelled. What it says later is not heard."""
        if self._running.get(effect) is not task:
            return
        kind, millis_max, began = self._kinds[effect]
        outcome = _overdue(kind, millis_max) if effect in self._late else STOPPED
        for left in (task, self._coroutines.get(effect)):
            if left is not None:
                _let_go(left)
        self._forget(effect)
        millis = int((asyncio.get_running_loop().time() - began) * 1000)
        self._report(Done(self._now(), effect, outcome, millis))

    def _forget(self, effect: int, usage: Usage | None = None) -> None:
        del self._running[effect]
        self._begun.pop(effect, None)
        self._kinds.pop(effect, None)
        self._coroutines.pop(effect, None)
        self._uses.discard(effect)
        self._late.discard(effect)
        self._stopped.discard(effect)
        if not self._running and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.pool.leave(effect, usage)

    @property
    def busy(self) -> int:
        return len(self._running) + self.pool.waiting

    def model(self, name: str) -> Model:
        """The model of this name, opened once. Raises :class:`ModelFailed`."""
        if name not in self._models:
            self._vault.look()
            self._models[name] = self._open_model(name)
        return self._models[name]

    def window(self, name: str) -> int:
        """The tokens that a model's window holds, as the person says, or as far as it is known; 0 where nobody knows."""
        if name in self._windows:
            return self._windows[name]
        try:
            return self.model(name).tokens_max
        except Exception:  # noqa: BLE001 - a model that can't be opened says so when it is asked, like any other failure
            return 0

    def _begin(
        self, effect: int, kind: str, millis_max: int, work: Callable[..., Awaitable[Result]], *given: object
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(effect, kind, millis_max, work, *given))
        self._running[effect] = task
        if kind == "tool":
            self._uses.add(effect)

    def _watch_until(self, due: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.get_running_loop().call_at(due, self._time_is_up)

    def _time_is_up(self) -> None:
        """Give up what is late. The timer may have been set for work that has ended since: then it is only set again."""
        watched, self._watch = self._watch, None
        assert watched is not None
        late = [effect for effect, due in self._begun.items() if due <= watched.when() and effect not in self._late]
        for effect in late:
            self._late.add(effect)
            self._cancel(effect)
        rest = [due for effect, due in self._begun.items() if effect not in self._late]
        if rest:
            self._watch_until(min(rest))

    async def _carry_out(
        self, effect: int, kind: str, millis_max: int, work: Callable[..., Awaitable[Result]], *given: object
    ) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        self._begun[effect] = due = began + millis_max / 1000
        self._kinds[effect] = kind, millis_max, began
        if self._watch is None or due < self._watch.when():
            self._watch_until(due)
        outcome: Result
        try:
            outcome = await work(*given)
            if effect in self._late:  # it was given up, and says what it had until then
                outcome = _overdue(kind, millis_max)
        except BaseException as error:  # noqa: BLE001 - the edge: whatever a driver or a provider's library does becomes an answer
            outcome = self._ended(effect, error)
        if self._running.get(effect) is not asyncio.current_task():
            return  # it was left behind, and answered for
        outcome = self._vault.redactor.anything(outcome)
        usage = outcome.reply.usage if isinstance(outcome, Replied) else None
        self._forget(effect, usage)
        own = 0 if usage is None else usage.millis
        self._report(Done(self._now(), effect, outcome, own or int((clock() - began) * 1000)))

    def _ended(self, effect: int, error: BaseException) -> Failure:
        """The answer to work that raised: because it was late, because it was stopped, or by itself."""
        kind, millis_max, _ = self._kinds.get(effect, ("", 0, 0.0))
        if effect in self._late:
            return _overdue(kind, millis_max)
        task = asyncio.current_task()
        cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        if effect in self._stopped or cancelled:
            return STOPPED
        return _failed(kind, millis_max, error.error if isinstance(error, Raised) else error)

    async def _generate(self, effect: AskModel, request: Request) -> Result:
        model = self.model(effect.model)
        words = Stream(self._vault.redactor, lambda text: self._heard(effect.pid, text))
        reply = await model.generate(request, words)
        words.end()
        return Replied(_billed(reply, request))

    async def _use(self, effect: StartTool, view: Callable[[StartTool], View]) -> Result:
        tool = self._tools.get(effect.tool)
        if tool is None:
            return Failure("unknown", f"{effect.tool} is not installed any more")
        if tool.spec.effect in ("writes", "sends") and (names := self._vault.redactor.names_in(effect.arguments)):
            return Failure("secret", _holds(tool.spec, names))
        arguments = tool.decode(msgspec.json.encode(effect.arguments))
        if tool.place is None and tool.children is None:
            return await self._result(tool, arguments, effect)
        seen = view(effect)
        given = {tool.place: seen.place, tool.children: seen.children}
        arguments |= {name: value for name, value in given.items() if name is not None}
        mounts = zip(seen.place.mounts, effect.mounts, strict=True)
        direct = [one for one, mount in mounts if not is_own_copy(mount, effect.pid)]
        try:
            if tool.place is not None and not seen.ready:
                await asyncio.to_thread(seen.make)
            noticed = await self._notice(tool, direct) if not effect.trial else None
            try:
                result = await self._result(tool, arguments, effect)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - it may have written before it broke
                result = self._ended(effect.effect, error)
            result = _labelled(result, seen.label(tool.place is not None))
            return await self._with_changes(result, {one.name for one in direct}, seen.place.written, noticed)
        finally:
            if seen.trials:
                await asyncio.to_thread(seen.end)

    async def _notice(self, tool: Tool, direct: list[PlaceMount]) -> Noticed | None:
        """For a tool that runs what it is told behind walls, or merges: nobody else knows what that writes."""
        mounts = [one for one in direct if one.mode == "rw"]
        if not ((tool.spec.walls or tool.children) and tool.spec.effect == "writes" and mounts):
            return None
        return await asyncio.to_thread(Noticed, tool.spec.name, mounts)

    async def _result(self, tool: Tool, arguments: dict[str, Any], effect: StartTool) -> Value:
        if tool.spec.secrets:
            arguments |= await asyncio.to_thread(self._vault.fetch, tool)
        waits = self._waits.get(effect.tool)
        if waits is None:
            waits = self._waits[effect.tool] = inspect.iscoroutinefunction(tool.function)
        if waits:
            result = await self._awaited(effect.effect, lambda: tool.function(**arguments))
        elif tool.spec.effect == "computes" and tool.function.__module__.startswith(OURS):
            result = tool.function(**arguments)
        else:
            result = await self._threads.run(lambda: tool.function(**arguments))
            if inspect.iscoroutine(result):  # of a function that is none itself: a partial, a decorated one
                begun = result
                result = await self._awaited(effect.effect, lambda: begun)
        words, images = pictures.told(result, _shown)
        text = str(words) if isinstance(words, str) else msgspec.json.encode(words, enc_hook=_shown).decode()
        text = sayable(text)
        value = self._kept(self._vault.redactor.text(text), Label((f"tool:{effect.tool}",)), effect.whole)
        return replace(value, images=pictures.kept(self._journal, images)) if images else value

    async def _awaited(self, effect: int, begin: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The value of a tool that is a coroutine. Raises :class:`Raised`, and ``CancelledError`` if this use is cancelled.
        ``begin`` makes the coroutine in its own task: a use that is cancelled before that makes none."""

        async def guarded() -> tuple[Any, BaseException | None]:
            try:
                return await begin(), None
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a `SystemExit` in a task would end the loop
                return None, error

        task = self._coroutines[effect] = asyncio.get_running_loop().create_task(guarded())
        try:
            value, raised = await task
        except asyncio.CancelledError as error:
            own = asyncio.current_task()
            if own is not None and own.cancelling():
                raise
            raise Raised(error) from None  # something within the tool was cancelled, and it let that pass
        if raised is not None:
            raise Raised(raised)
        return value

    async def _with_changes(
        self, result: Value | Failure, direct: set[str], files: list[Written], noticed: Noticed | None
    ) -> Value | Failure:
        """The same with what was written into the folders that are no copies; comparing takes a while."""
        if noticed is None and not any(one.mount in direct for one in files):
            return result
        changes, text = await asyncio.to_thread(written.told, files, direct)
        seen, unknown = await asyncio.to_thread(noticed.since) if noticed is not None else ([], "")
        told, more = written.most([*changes, *seen])
        if not told and not unknown:
            return result
        digest = self._journal.put_value(self._vault.redactor.text(text)) if text else ""
        return replace(result, wrote=Wrote(told, more, digest, unknown))

    def _kept(self, text: str, label: Label, whole: bool) -> Value:
        """Small results are their text; large ones go to the store and are named by their digest, and so are those that the
        kernel wants whole: it may have to name them, too."""
        small = len(text) <= limits.INLINE_CHARS_MAX
        if small and not whole:
            return Value(text, label=label)
        shown = text if small else text[: limits.PREVIEW_CHARS]
        document = text if whole and not small and len(text) <= limits.DOCUMENT_CHARS_MAX else ""
        return Value(shown, self._journal.put_value(text), len(text), label, document)

    async def close(self, grace_seconds: float) -> None:
        """Let running tools end for ``grace_seconds``; give up the rest."""
        for effect in self.pool.close():
            self._report(Done(self._now(), effect, STOPPED))
        for effect in list(self._running):
            if effect not in self._uses:
                self.stop(effect)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=grace_seconds)
        for effect in list(self._running):
            self.stop(effect)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=1)
        for effect, task in list(self._running.items()):
            self._leave(effect, task)
        for model in self._models.values():
            await model.close()
        self._threads.close()


def _labelled(result: Value | Failure, seen: Label) -> Value | Failure:
    """A result with the label of what its tool has looked at."""
    return replace(result, label=join(result.label, seen)) if seen.secrets or seen.integrity != "person" else result


def _holds(tool: ToolSpec, names: list[str]) -> str:
    """Why a use that holds a secret is not begun: it would write the secret, or the words that are shown instead of it."""
    named = ", ".join(names)
    does = "send" if tool.effect == "sends" else "write"
    return (
        f"{tool.name} was not used: this would {does} the value of the {named}. In what is read, [{names[0]}] stands for it, and "
        f"is not what is there. Leave that part out of what you {does}, or refer to the secret by its name, as programs do"
    )


def _overdue(kind: str, millis_max: int) -> Failure:
    unsure = " It may or may not have had its effect: look before you try again." if kind == "tool" else ""
    return Failure("deadline", f"gave no result within {millis_max / 1000:g} s.{unsure}")


def _let_go(task: asyncio.Task[Any]) -> None:
    """Let the loop end without a task that goes on although it was cancelled: `asyncio.run` waits for every task that is
    registered. For tasks of other makers this call is documented, and this one has become nobody's."""
    asyncio.tasks._unregister_task(task)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType]
    task._log_destroy_pending = False  # type: ignore[attr-defined] # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]


def sayable(text: str) -> str:
    """A text that can be written down: half of a character (a lone surrogate) is shown by its number."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def words_of(error: BaseException) -> str:
    """What an exception says, or its name where it can't say it; of a long text the beginning and the end."""
    try:
        text = sayable(str(error))
    except BaseException:  # noqa: BLE001 - the edge: the words of a driver's exception are its code, too
        return f"{type(error).__name__}, which can't say more"
    if len(text) > limits.FAILURE_CHARS_MAX:
        half = limits.FAILURE_CHARS_MAX // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half:,} characters ...]\n{text[-half:]}"
    return text


def _failed(kind: str, millis_max: int, error: BaseException) -> Failure:
    broken = "model" if kind == "model" else "failed"
    match error:
        case TimeoutError() if kind != "tool":  # a tool that was late is answered before this
            return _overdue(kind, millis_max)
        case ModelFailed() | ToolError():
            too_long = isinstance(error, ModelFailed) and error.kind == "window"
            return Failure("window" if too_long else broken, words_of(error))
        case msgspec.ValidationError():
            return Failure("malformed" if kind == "tool" else broken, words_of(error))
        case _:
            return Failure(broken, f"{type(error).__name__}: {words_of(error)}".removesuffix(": "))


def _shown(value: Any) -> str:
    """What JSON has no form for: a text of a kind of its own is its text, a secret ``***``."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a result can't hold a {type(value).__name__}; return texts, numbers, lists and mappings")


def _billed(reply: Reply, request: Request) -> Reply:
    """A provider that reports no use, or less than none, is booked by what was said: nothing that works is free of tokens."""
    if reply.usage.tokens_in > 0 or reply.usage.tokens_out > 0:
        return reply
    said = sum(
        len(part.arguments) if isinstance(part, ToolRequest) else len(getattr(part, "text", "")) for part in reply.parts
    )
    per_token = limits.CHARS_PER_TOKEN
    counted = Usage(request.size_chars // per_token + 1, said // per_token + 1, 0, reply.usage.usd_micros)
    return replace(reply, usage=counted)
