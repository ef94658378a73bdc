"""What the programs that work until a command passes have in common: running it, and reading what a copy's changes are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, cast

import msgspec

from gemot.abi.grants import BudgetRequest, MountRequest
from gemot.programs.native import Calls, SyscallFailed

SAID_CHARS = 4_000
"""How much of what a command said (characters, its end) is told on: what fails stands last."""

ORIGINAL = "original"
"""The mount under which a child sees what it must leave as it is."""

_GLOB = re.compile(r"[*?\[\]\\]")
_CHANGE = re.compile(r"(added|changed|removed) (.+?)(/?)(?: \((?:NOT MERGED|CONFLICT): (.*)\))?")


class Trial(msgspec.Struct, frozen=True):
    """A command that was run: by which process, its exit code (None: it was stopped), the end of what it said."""

    pid: int
    code: int | None
    said: str


class Change(msgspec.Struct, frozen=True):
    """A path that was changed in a copy; ``why`` it can't be merged as it is, if so."""

    what: str
    path: str
    folder: bool = False
    why: str = ""


async def tried(calls: Calls, command: str, seconds: int, name: str) -> Trial:
    """Run a command on a copy of the files: nothing that it writes is left behind, whoever wrote what it runs."""
    share = BudgetRequest(tokens=0, usd_micros=0, seconds=await _seconds(calls, seconds), processes=0, calls=10)
    copy = (MountRequest(mode="cow"),)
    pid = await calls.fork(f"run {command}"[:1000], name=name, grants=("shell/run",), mounts=copy, budget=share)
    if pid == 0:
        ended = msgspec.json.decode(
            await again(calls, "shell/run", command=command, seconds=seconds), type=dict[str, Any]
        )
        said = "\n".join(str(ended[key]) for key in ("stdout", "stderr", "stopped") if ended.get(key))
        await calls.exit({"code": None if "stopped" in ended else ended["exit_code"], "said": said[-SAID_CHARS:]})
    (outcome,) = (await calls.wait([pid])).ended
    if outcome.state != "done":
        raise SyscallFailed(outcome.rule or "failed", f"{command!r} could not be run: {outcome.error}")
    value = cast("dict[str, Any]", outcome.value)
    return Trial(pid, value["code"], value["said"])


async def again(calls: Calls, tool: str, **arguments: Any) -> str:
    """Use a tool for what may be done twice: a command on a copy, a merge. Where a crash left in doubt whether it was done, it is
    done again."""
    try:
        return await calls.call(tool, **arguments)
    except SyscallFailed as error:
        if error.rule != "in_doubt":
            raise
    return await calls.call(tool, **arguments)


async def must_be_there(calls: Calls, keep: tuple[str, ...]) -> None:
    """Ends where a path that is to be kept is none in the top folder: nothing could be accepted then."""
    for path in keep:
        if path.startswith("/"):
            await calls.exit(failed=f"keep names paths from the top folder, as in tests/data; not {path!r}")
        await calls.call("files/facts", path=path)


async def _seconds(calls: Calls, wanted: int) -> float:
    left = (await calls.status())["left"]
    return min(wanted + 5.0, left.get("millis", 0) / 1000)


async def part(calls: Calls, of: int, processes: int = 0) -> BudgetRequest:
    """One part in ``of`` of what is left, for a child that may have ``processes`` of its own at once."""
    left = (await calls.status())["left"]
    return BudgetRequest(
        tokens=left.get("tokens", 0) // of,
        usd_micros=left.get("usd_micros", 0) // of,
        seconds=left.get("millis", 0) / 1000 / of,
        processes=processes,
        calls=left.get("calls", 0) // of,
    )


def quoted(text: str) -> str:
    """Somebody else's words within a brief: quoted line by line, so that nothing in them can pass for the brief's own."""
    return "\n".join(f"> {line}" for line in text.splitlines()) or "> (nothing)"


def changes(diff: str) -> list[Change]:
    """What `copies/diff` lists, without the texts that follow."""
    found = (_CHANGE.fullmatch(line) for line in diff.splitlines())
    return [Change(one[1], one[2], bool(one[3]), one[4] or "") for one in found if one is not None]


def litter(made: Iterable[Change], by: Iterable[Change]) -> list[str]:
    """The paths in ``made`` that are there just because a command was run: it leaves the same behind (``by``), or a folder of
    the same name."""
    added = [one for one in by if one.what == "added"]
    paths, folders = {one.path for one in added}, {one.path.rsplit("/", 1)[-1] for one in added if one.folder}
    found: dict[str, None] = {}
    for one in made:
        steps = one.path.split("/")
        ways = ["/".join(steps[: length + 1]) for length in range(len(steps))]
        top = next((way for way, step in zip(ways, steps, strict=True) if way in paths or step in folders), None)
        if top is not None and one.what == "added":
            found[top] = None
    return list(found)


def left_out(made: Iterable[Change], by: Iterable[Change], keep: tuple[str, ...]) -> list[str]:
    """What is not merged of a copy: litter, and whatever lies in what is to be kept as it is."""
    return [*litter(made, by), *(str(PurePosixPath(one)) for one in keep)]


def with_kept(check: str, keep: tuple[str, ...], by: Iterable[Change] = ()) -> str:
    """The command that decides. What is to be kept is compared first, and then put back as it was where the command runs: what
    commands leave behind (``by``) may lie in it, and might have been put there by somebody else."""
    if not keep:
        return check
    added = [one.path.rsplit("/", 1)[-1] for one in by if one.what == "added" and not _GLOB.search(one.path)]
    but = "".join(f" -x {shlex.quote(name)}" for name in dict.fromkeys(["__pycache__", *added]))
    pairs = [(shlex.quote(f"/{ORIGINAL}/{path}"), shlex.quote(f"./{path}")) for path in keep]
    same = [f"diff -rq{but} {theirs} {ours}" for theirs, ours in pairs]
    back = [f"rm -rf {ours} && cp -a {theirs} {ours}" for theirs, ours in pairs]
    return " && ".join([*same, *back, f"{{ {check}\n}}"])


def until(brief: str, check: str, keep: tuple[str, ...], before: Trial) -> str:
    """A brief for who works on a copy until a command passes: which that is, what must stay, and what it says now."""
    parts = [brief, f"It is done when this command ends with exit code 0 in the top folder:\n{check}"]
    if keep:
        parts.append(f"These must stay as they are in /{ORIGINAL}, or your result is not accepted: {', '.join(keep)}")
    if before.code == 0:
        parts.append(
            "Now it passes already, so it does not show yet what is wanted: first add a test that fails without it."
        )
    else:
        how = "it was stopped" if before.code is None else f"exit code {before.code}"
        parts.append(f"Now it does not pass ({how}), and says:\n{quoted(before.said)}")
    return "\n\n".join(parts)


def on_copies(keep: tuple[str, ...]) -> tuple[MountRequest, ...]:
    """The files of a child that works on a copy, beside the original to read where something of it must be kept."""
    copy = MountRequest(mode="cow")
    return (copy, MountRequest(name=ORIGINAL)) if keep else (copy,)
