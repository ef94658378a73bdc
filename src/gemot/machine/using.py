"""Using: one use of a tool, from its decoded arguments to its kept result. The phases of :mod:`gemot.machine.phases` say what a failure on
the way is told as. A failure of the journal leaves this module as it came, since it is no answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.effects import StartTool
from gemot.abi.events import Failure, Result, Value, Wrote
from gemot.abi.labels import Label
from gemot.abi.tools import ToolSpec
from gemot.authority.labels import join
from gemot.authority.narrowing import is_own_copy
from gemot.drivers.errors import ToolError
from gemot.drivers.kit import Tool
from gemot.drivers.place import PlaceMount, Written
from gemot.journal.contract import Journal, JournalError
from gemot.machine import pictures, written
from gemot.machine.phases import Phase, sayable, words_of
from gemot.machine.spaces import View
from gemot.machine.threads import Raised, Threads
from gemot.machine.vault import Vault
from gemot.machine.written import Noticed

TOOLS_AT_ONCE = 32
"""Tool uses that run at the same time on one machine; more wait for their turn."""

OURS = "gemot."
"""Modules whose tools that only compute are quick, and need no thread. One of somebody else may hang, and the machine with it."""


class Uses:
    """The installed tools, and where their results are kept."""

    def __init__(self, journal: Journal, tools: dict[str, Tool], vault: Vault) -> None:
        self.threads = Threads(TOOLS_AT_ONCE, "gemot-tool")
        self._journal, self._tools, self._vault = journal, tools, vault
        self._waits: dict[str, bool] = {}
        """Tool -> whether its function is a coroutine function."""

    def phase(self, effect: StartTool) -> Phase:
        """The phase of a use that nothing was done for yet."""
        tool = self._tools.get(effect.tool)
        acts = tool is not None and tool.spec.effect in ("writes", "sends")
        return Phase("tool", effect.millis_max, effect.tool, acts)

    async def use(
        self,
        effect: StartTool,
        view: Callable[[StartTool], View],
        phase: Phase,
        ended: Callable[[BaseException], Failure],
    ) -> Result:
        """Use a tool. ``ended``: the answer to an exception. Raises what that takes, and :class:`JournalError`."""
        tool = self._tools.get(effect.tool)
        if tool is None:
            return Failure("unknown", f"{effect.tool} is not installed any more")
        if phase.acts and (names := self._vault.redactor.names_in(effect.arguments)):
            return Failure("secret", _holds(tool.spec, names))
        arguments = tool.decode(msgspec.json.encode(effect.arguments))
        if tool.place is None and tool.children is None:
            return await self._result(tool, arguments, effect, phase)
        seen = view(effect)
        given = {tool.place: seen.place, tool.children: seen.children}
        arguments |= {name: value for name, value in given.items() if name is not None}
        mounts = zip(seen.place.mounts, effect.mounts, strict=True)
        direct = [place for place, mount in mounts if not is_own_copy(mount, effect.pid)]
        try:
            if tool.place is not None and not seen.ready:
                await asyncio.to_thread(seen.make)
            noticed = await self._notice(tool, direct) if not effect.trial else None
            try:
                result = await self._result(tool, arguments, effect, phase)
            except (asyncio.CancelledError, JournalError):
                raise
            except Exception as error:  # noqa: BLE001 - the edge: a tool that broke may have written before, so its changes are told all the same
                result = ended(error)
            result = _labelled(result, seen.label(tool.place is not None))
            return await self._with_changes(result, {place.name for place in direct}, seen.place.written, noticed)
        finally:
            if seen.trials:
                with suppress(OSError, ToolError):  # what is left of it is removed when the machine starts next
                    await asyncio.to_thread(seen.end)

    async def _notice(self, tool: Tool, direct: list[PlaceMount]) -> Noticed | None:
        """For a tool that runs what it is told behind walls, or merges: nobody else knows what that writes."""
        mounts = [place for place in direct if place.mode == "rw"]
        if not ((tool.spec.walls or tool.children) and tool.spec.effect == "writes" and mounts):
            return None
        return await asyncio.to_thread(Noticed, tool.spec.name, mounts)

    async def _result(self, tool: Tool, arguments: dict[str, Any], effect: StartTool, phase: Phase) -> Value:
        if tool.spec.secrets:
            arguments |= await asyncio.to_thread(self._vault.fetch, tool)
        result = await self._called(tool, arguments, phase)
        phase.returned = True
        words, images = pictures.told(result, _shown)
        text = str(words) if isinstance(words, str) else msgspec.json.encode(words, enc_hook=_shown).decode()
        text = sayable(text)
        value = self._kept(self._vault.redactor.text(text), Label((f"tool:{effect.tool}",)), effect.whole)
        return replace(value, images=pictures.kept(self._journal, images)) if images else value

    async def _called(self, tool: Tool, arguments: dict[str, Any], phase: Phase) -> Any:
        """What the tool's function returns. Raises :class:`Raised` with whatever it raises."""

        def function() -> Any:
            return tool.function(**arguments)

        waits = self._waits.get(tool.spec.name)
        if waits is None:
            waits = self._waits[tool.spec.name] = inspect.iscoroutinefunction(tool.function)
        if waits:
            return await self._awaited(phase, lambda: phase.call(function))
        if tool.spec.effect == "computes" and tool.function.__module__.startswith(OURS):
            phase.begin()
            try:
                return function()
            except Exception as error:  # noqa: BLE001 - the edge, as in a thread
                raise Raised(error) from None
        result = await self.threads.run(lambda: phase.call(function))
        if inspect.iscoroutine(result):  # of a function that is none itself: a partial, a decorated one
            begun = result
            return await self._awaited(phase, lambda: begun)
        return result

    async def _awaited(self, phase: Phase, begin: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The value of a tool that is a coroutine. Raises :class:`Raised`, and ``CancelledError`` if this use is cancelled.
        ``begin`` makes the coroutine in its own task: a use that is cancelled before that makes none."""

        async def guarded() -> tuple[Any, BaseException | None]:
            try:
                return await begin(), None
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a `SystemExit` in a task would end the loop
                return None, error

        task = phase.coroutine = asyncio.get_running_loop().create_task(guarded())
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
        """The same with what was written into the folders that are no copies; comparing takes a while. Where that can't be told,
        the result stays, and says so."""
        if noticed is None and not any(file.mount in direct for file in files):
            return result
        try:
            changes, text = await asyncio.to_thread(written.told, files, direct)
            seen, unknown = await asyncio.to_thread(noticed.since) if noticed is not None else ([], "")
            told, more = written.most([*changes, *seen])
            text = self._vault.redactor.text(text)
        except Exception as error:  # noqa: BLE001 - the use is done, and its result must not be lost with the look at it
            where = ", ".join(f"/{name}" for name in sorted(direct))
            unknown = f"what changed in {where} could not be told ({type(error).__name__}: {words_of(error)})"
            return replace(result, wrote=Wrote(unknown=unknown[: limits.NOTE_CHARS_MAX]))
        if not told and not unknown:
            return result
        digest = self._journal.put_value(text) if text else ""
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


def _shown(value: Any) -> str:
    """What JSON has no form for: a text of a kind of its own is its text, a secret ``***``."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a result can't hold a {type(value).__name__}; return texts, numbers, lists and mappings")
