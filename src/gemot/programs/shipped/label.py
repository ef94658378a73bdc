"""label: sort the files of a folder by a question that a model answers with one of a few words.

One process forks one child for each file. A child may read its own file, nothing else, and can only choose: whatever the
file says, the answer is one of the labels. The parent joins the answers and writes them down.
"""

from __future__ import annotations

from gemot.abi import limits
from gemot.abi.grants import BudgetRequest, Grant, Rule
from gemot.programs.native import Calls, SyscallFailed, program

AT_ONCE = 16
TEXT_CHARS = 4_000


@program(grants=("fork", "files/list", "files/find", "files/read", "files/write", "files/overwrite"))
async def label(
    calls: Calls,
    brief: str,
    labels: tuple[str, ...] = ("good", "bad"),
    files: str = "*.txt",
    output: str = "summary.md",
) -> str:
    """Label every text file of the folder with one of a few words, one forked child for each, and write a summary."""
    if not labels:
        await calls.exit(failed="there are no labels to choose from; name at least one")
    found = await calls.call("files/find", pattern=files)
    lines = found.splitlines()
    note = lines.pop() if lines[-1].startswith("[") and lines[-1].endswith("]") else ""
    names = [line for line in lines if not line.endswith("/") and line != output]
    if not names:
        await calls.exit(failed=f"there is no file {files} in the folder")
    if note:  # some that are labelled and others that are left out without a word would be a wrong answer
        await calls.exit(failed=f"these are not all of the files {files}: {note.strip('[]')} in files")
    share = await _share(calls, len(names))
    answers: dict[str, str] = {}
    waiting: dict[int, str] = {}
    for name in names:
        if len(waiting) >= AT_ONCE:
            await _collect(calls, waiting, answers, "any")
        only_this = Grant("files/read", {"path": Rule(one_of=(name,))})
        pid = await calls.fork(
            f"label {name}",
            name=name[-limits.NAME_CHARS_MAX :],
            grants=(only_this,),
            budget=share,
            returns={"enum": list(labels)},
        )
        if pid == 0:
            text = await calls.call("files/read", path=name)
            chosen = await calls.generate(
                f"Is this {_either(labels)}?\n\n{text[:TEXT_CHARS]}", system=brief, choose=labels
            )
            await calls.exit(chosen)
        waiting[pid] = name
    while waiting:
        await _collect(calls, waiting, answers, "all")
    summary = _summary(brief, labels, names, answers)
    where = await _write(calls, output, summary)
    counts = ", ".join(f"{list(answers.values()).count(one)} {one}" for one in labels)
    failed = sum(one not in labels for one in answers.values())
    return f"{counts}{f', {failed} without an answer' if failed else ''}; written to {where}"


async def _share(calls: Calls, count: int) -> BudgetRequest:
    left = (await calls.status())["left"]
    parts = count + 1  # so that the last child can have its share whatever the others used
    return BudgetRequest(
        tokens=left.get("tokens", 0) // parts,
        usd_micros=left.get("usd_micros", 0) // parts,
        seconds=left.get("millis", 0) / 1000 / parts,
        processes=0,
        calls=8,
    )


async def _collect(calls: Calls, waiting: dict[int, str], answers: dict[str, str], mode: str) -> None:
    waited = await calls.wait(list(waiting), mode="any" if mode == "any" else "all")
    for outcome in waited.ended:
        name = waiting.pop(outcome.pid, None)
        if name is not None:
            answers[name] = str(outcome.value) if outcome.state == "done" else f"({outcome.state}: {outcome.error})"


def _either(labels: tuple[str, ...]) -> str:
    *others, last = labels
    return f"{', '.join(others)} or {last}" if others else last


def _summary(brief: str, labels: tuple[str, ...], names: list[str], answers: dict[str, str]) -> str:
    lines = ["# Summary", "", f"{brief.strip()}", ""]
    lines += [f"- {one}: {sum(answer == one for answer in answers.values())}" for one in labels]
    for one in labels:
        lines += ["", f"## {one}", ""] + ([f"- {name}" for name in names if answers[name] == one] or ["(none)"])
    unanswered = [name for name in names if answers[name] not in labels]
    if unanswered:
        lines += ["", "## without an answer", ""] + [f"- {name}: {answers[name]}" for name in unanswered]
    return "\n".join(lines) + "\n"


async def _write(calls: Calls, output: str, summary: str) -> str:
    """To ``output``; if there is one already, the person decides whether it is replaced."""
    try:
        await calls.call("files/write", path=output, content=summary)
    except SyscallFailed as error:
        if error.rule != "failed":
            raise
        await calls.call("files/overwrite", path=output, content=summary)
    return output
