"""Asking: one question to the person at this terminal. The default is no; nothing typed earlier counts as an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import sys
import termios

from gemot.abi.effects import Asked
from gemot.authority.quoting import plainly
from gemot.cli.plain import FOREIGN, folded, inert, one_line, plain
from gemot.cli.wording import details, exact, planned, together
from gemot.kernel.mandate import understood as understood_steps
from gemot.machine.wishes import Answer

OPTIONS_SHOWN_MAX = 50
"""How many possible answers to a question are listed; a longer list would push the question off the screen."""

ALWAYS = "a: always, this process   t: always, this process and below"

ONCE = "y: yes, once   n: no"
"""For what breaks a rule: that is allowed once, or not."""

CHOICES = f"{ONCE}   {ALWAYS}"

SOME = "y: yes, all of it, once   1 3: these only   n: no"
"""For several things at once."""


def shown(asked: Asked) -> list[str]:
    """What the person sees before they are asked: exactly what is to be done."""
    if asked.tool:
        begins = f"{asked.pid} asks ({asked.ask}): may it use {plainly(asked.tool)}?"
        columns = max(20, shutil.get_terminal_size().columns - 6)
        why = [f"  ! {piece}" for piece in folded(one_line(f"nobody allowed this: {asked.why}", 1_000), columns)]
        return [begins, *(why if asked.why else ()), *exact(asked), ONCE if asked.once else CHOICES]
    if asked.actions:
        begins = f"{asked.pid} asks ({asked.ask}): may it do these {len(asked.actions)} things?"
        return [begins, *together(asked), SOME if asked.once else f"{SOME}   {ALWAYS}"]
    if asked.plan:
        steps = [] if asked.untrusted or asked.whole else ["y: yes, all of it   1 3: these steps only   n: no"]
        return [f"{asked.pid} asks ({asked.ask}): {one_line(asked.question)}", *planned(asked), *(steps or [ONCE])]
    lines = [f"{asked.pid} asks ({asked.ask}):"]
    columns = max(20, shutil.get_terminal_size().columns - 6)
    foreign = "question" in asked.untrusted
    lines += [f"  {FOREIGN}"] if foreign else []
    words = plain(inert(asked.question) if foreign else asked.question, 4000)
    lines += [f"  {piece}" for one in words.split("\n") for piece in folded(one, columns)]
    for number, option in enumerate(asked.options[:OPTIONS_SHOWN_MAX], 1):
        lines.append(f"  {f'{number}:' if _numbered(asked) else '-'} {one_line(option, columns - 6)}")
    if len(asked.options) > OPTIONS_SHOWN_MAX:
        lines.append(f"  [... {len(asked.options) - OPTIONS_SHOWN_MAX:,} more]")
    return lines


def whole(asked: Asked) -> list[str]:
    """An ask with every character of what it is about."""
    if not (asked.tool or asked.actions or asked.plan):
        return shown(asked)
    about = plainly(asked.tool) if asked.tool else one_line(asked.question, 4_000)
    why = [f"  ! {one_line(f'nobody allowed this: {asked.why}', 4_000)}"] if asked.why else []
    digest = [f"  sha256 of all of it: {asked.digest}"] if asked.digest else []
    return [f"{asked.pid} asks ({asked.ask}): {about}", *why, *details(asked, whole=True), *digest]


def _numbered(asked: Asked) -> bool:
    """Whether answers can be chosen by number: not where one of them is a number itself, and so could pass for another."""
    return not any(option.strip().isdecimal() for option in asked.options)


def prompt(asked: Asked) -> str:
    if asked.plan:
        return "[y/N] " if asked.untrusted or asked.whole else "[y/N/1 2 ...] "
    if asked.tool:
        return "[y/N] " if asked.once else "[y/N/a/t] "
    if asked.actions:
        return "[y/N/1 2 ...] " if asked.once else "[y/N/1 2 .../a/t] "
    return f"[1-{len(asked.options)}] " if asked.options and _numbered(asked) else "> "


def understood(asked: Asked, typed: str) -> Answer | None:
    """What was typed, as an answer; None if it is none."""
    typed = typed.strip()
    if asked.plan:
        word, _, why = typed.partition(" ")
        if word.lower() in ("", "n", "no"):
            return Answer(asked.ask, False, why.strip())
        steps = understood_steps(typed.removeprefix("y") if typed.lower() == "y" else typed, len(asked.plan))
        return (
            Answer(asked.ask, True, typed if typed[0].isdigit() else "")
            if steps and not ((asked.untrusted or asked.whole) and (why or typed[0].isdigit()))
            else None
        )
    if asked.tool or asked.actions:
        word, _, why = typed.partition(" ")
        if asked.actions and typed[:1].isdecimal():
            return Answer(asked.ask, True, typed) if understood_steps(typed, len(asked.actions)) else None
        match word.lower():
            case "" | "n" | "no":
                return Answer(asked.ask, False, why.strip())
            case "y" | "yes" if not why:
                return Answer(asked.ask, True)
            case "a" | "always" if not why and not asked.once:
                return Answer(asked.ask, True, scope="process")
            case "t" | "tree" | "subtree" if not why and not asked.once:
                return Answer(asked.ask, True, scope="subtree")
            case _:
                return None
    if asked.options:
        if typed in asked.options:
            return Answer(asked.ask, True, typed)
        if _numbered(asked) and typed.isdecimal() and 1 <= int(typed[:9]) <= len(asked.options):
            return Answer(asked.ask, True, asked.options[int(typed[:9]) - 1])
        return None
    return Answer(asked.ask, True, typed) if typed else None


PASTE_SECONDS = 0.05
"""How soon the next line of a paste follows the one before."""
PASTE_BYTES_MAX = 1 << 20


async def _pasted(fd: int) -> bytes:
    """The lines that came with the first one: whoever pastes several means all of them."""
    more = b""
    while len(more) < PASTE_BYTES_MAX:
        await asyncio.sleep(PASTE_SECONDS)
        if not select.select([fd], [], [], 0)[0]:
            break
        with contextlib.suppress(OSError):
            piece = os.read(fd, 65536)
            if piece:
                more += piece
                continue
        break
    return more


async def line() -> str | None:
    """A line from the terminal, or all lines of a paste; None at its end (Ctrl-D). What was typed before is thrown away: it answers nothing."""
    fd = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    got: asyncio.Future[bytes] = loop.create_future()

    def ready() -> None:
        with contextlib.suppress(OSError):
            typed = os.read(fd, 65536)
            if not got.done():
                got.set_result(typed)
            return
        if not got.done():
            got.set_result(b"")

    with contextlib.suppress(termios.error):
        termios.tcflush(fd, termios.TCIFLUSH)
    loop.add_reader(fd, ready)
    try:
        typed = await got
    finally:
        loop.remove_reader(fd)
    typed += await _pasted(fd) if typed else b""
    return typed.decode("utf-8", "replace").rstrip("\n") if typed else None
