"""Copies and private folders at the trap: who is given which, what their paths mean, and whose child a use is about."""

from __future__ import annotations

import pytest
from guarded import GUARDED, INBOX, results, value
from worlds import EVERY_SYSCALL, TOOLS, KernelWorld, answer_to, put

from gemot.abi.answers import Answer, Error
from gemot.abi.effects import PutAsk, StartTool
from gemot.abi.events import Copied, Value
from gemot.abi.grants import Grant, Mode, Mount, MountRequest, Rule
from gemot.abi.syscalls import Call, Fork, Kill, Spawn, ToolUse
from gemot.abi.tools import ToolSpec

HERE = (Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/notes", "ro"))
_SCHEMA = {
    "type": "object",
    "properties": {"pid": {"type": "integer"}, "path": {"type": "string"}},
    "required": ["pid"],
}
COPIES = (
    ToolSpec("copies/read", "Read.", _SCHEMA, "reads", True, paths=("path",), children=("pid",)),
    ToolSpec(
        "copies/merge", "Merge.", _SCHEMA, "writes", False, paths=("path",), needs="rw", children=("pid",), steers=()
    ),
)
GUARDING = ToolSpec(
    "disk/change", "Change a file.", TOOLS[1].schema, "writes", False, paths=("path",), needs="rw", guards=True
)


@pytest.fixture
def world() -> KernelWorld:
    made = KernelWorld()
    made.install((*GUARDED, *COPIES, GUARDING))
    return made


def tree(world: KernelWorld, *grants: Grant, mounts: tuple[Mount, ...] = HERE) -> int:
    return world.tree(grants=(*EVERY_SYSCALL, *(grants or (Grant("*"),))), mounts=mounts)


def child(world: KernelWorld, parent: int, *mounts: MountRequest) -> int:
    return world.born(parent, Spawn("x", program="worker", grants=(*EVERY_SYSCALL, "*"), mounts=mounts))


def mounts(world: KernelWorld, pid: int) -> tuple[Mount, ...]:
    return world.kernel.processes[pid].mounts


def use(world: KernelWorld, pid: int, tool: str, /, **arguments: object) -> StartTool | str:
    """The effect of a use that was started, or the rule that refused it."""
    effects = world.trap(pid, Call((ToolUse(tool, arguments),)))
    for effect in effects:
        if isinstance(effect, StartTool):
            world.done(effect.effect)
            return effect
    return results(pid, effects)[0].rule


def asked(world: KernelWorld, pid: int, path: str, tool: str = "disk/change") -> str:
    """Why a person is asked about a use; ``""`` if they are not."""
    effects = world.trap(pid, Call((ToolUse(tool, {"path": path}),)))
    for effect in effects:
        if isinstance(effect, PutAsk):
            world.answer(effect.asked.ask, allow=False)
            return effect.asked.why
        if isinstance(effect, StartTool):
            world.done(effect.effect)
    return ""


def test_a_copy_is_a_space_of_its_own_on_the_same_anchor(world: KernelWorld) -> None:
    root = tree(world)
    pid = child(world, root, MountRequest("sub", "work", "cow"))
    assert mounts(world, pid) == (Mount("work", "/srv/data", "cow", "sub", f"{pid}-work"),)


@pytest.mark.parametrize("mode", ["ro", "cow", "private"])
def test_of_what_it_may_only_read_a_process_gives_its_child_a_copy_or_less(world: KernelWorld, mode: Mode) -> None:
    child(world, tree(world), MountRequest("/notes", "work", mode))


def test_of_what_it_may_only_read_a_process_gives_nothing_to_write(world: KernelWorld) -> None:
    answer: Answer = world.ask(
        tree(world), Spawn("x", program="worker", mounts=(MountRequest("/notes", "work", "rw"),))
    )
    assert isinstance(answer, Error) and answer.rule == "mount" and "cow" in answer.message


def test_a_copy_may_be_written_and_its_original_may_not(world: KernelWorld) -> None:
    pid = child(world, tree(world), MountRequest("/notes", "work", "cow"))
    assert isinstance(use(world, pid, "disk/write", path="a"), StartTool)
    inner = child(world, pid, MountRequest(".", "work", "ro"))
    assert use(world, inner, "disk/write", path="a") == "mount"


def test_a_childs_child_works_in_the_same_copy_or_in_one_of_that(world: KernelWorld) -> None:
    pid = child(world, tree(world), MountRequest("sub", "work", "cow"))
    shared = child(world, pid, MountRequest("deep", "work", "rw"))
    apart = child(world, pid, MountRequest("deep", "work", "cow"))
    assert mounts(world, shared) == (Mount("work", "/srv/data", "rw", "sub/deep", f"{pid}-work"),)
    assert mounts(world, apart) == (Mount("work", "/srv/data", "cow", "sub/deep", f"{apart}-work", f"{pid}-work"),)
    same = world.born(pid, Fork("x"))
    assert mounts(world, same) == mounts(world, pid)


def test_a_private_folder_is_no_folder_of_the_parent_and_no_rule_of_it_reaches_there(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/*", {"path": Rule(under="/work")}), Grant("disk/read"))
    pid = world.born(root, Spawn("x", program="worker", mounts=(MountRequest("", "scratch", "private"),)))
    (mount,) = mounts(world, pid)
    assert (mount.space, mount.source, mount.folder[0]) == (f"{pid}-scratch", "", "p")
    assert isinstance(use(world, pid, "disk/read", path="a"), StartTool)
    assert use(world, pid, "disk/write", path="a") == "grant"


def test_a_childs_grant_is_bounded_in_its_copy_as_its_parents_is_outside(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/*", {"path": Rule(under="sub")}))
    pid = world.born(
        root, Spawn("x", program="worker", grants=(Grant("disk/*", {"path": Rule(under="sub/a")}),),
                    mounts=(MountRequest(".", "work", "cow"),))
    )  # fmt: skip
    assert isinstance(use(world, pid, "disk/write", path="sub/a/x"), StartTool)
    assert use(world, pid, "disk/write", path="sub/b") == "grant"
    answer = world.ask(
        root, Spawn("x", program="worker", grants=("disk/write",), mounts=(MountRequest(".", "w", "cow"),))
    )
    assert isinstance(answer, Error) and answer.rule == "grant"


def test_a_person_starts_a_tree_on_a_copy_and_what_they_fork_has_a_copy_of_that(world: KernelWorld) -> None:
    root = tree(world, mounts=(Mount("work", "/srv/data", "cow"), Mount("scratch", "", "private")))
    assert [one.space for one in mounts(world, root)] == [f"{root}-work", f"{root}-scratch"]
    world.feed(Copied(world.at, root, "try it otherwise", world.kernel.processes[root].left.frozen()))
    forked = max(world.kernel.processes)
    assert [(one.space, one.source) for one in mounts(world, forked)] == [
        (f"{forked}-work", f"{root}-work"),
        (f"{forked}-scratch", f"{root}-scratch"),
    ]


def test_a_use_about_a_child_is_told_what_that_child_sees_living_or_ended(world: KernelWorld) -> None:
    root = tree(world)
    pid = child(world, root, MountRequest(".", "work", "cow"))
    for _ in range(2):
        effect = use(world, root, "copies/read", pid=pid, path="a")
        assert isinstance(effect, StartTool) and effect.others == {pid: mounts(world, pid)}
        if world.kernel.processes[pid].alive:
            world.ask(root, Kill(pid))


def test_a_use_is_about_a_child_of_ones_own_only(world: KernelWorld) -> None:
    root = tree(world)
    pid = child(world, root, MountRequest(".", "work", "cow"))
    below = child(world, pid, MountRequest(".", "work", "cow"))
    stranger = tree(world)
    for whose, one in ((root, below), (root, root), (pid, root), (below, pid), (stranger, pid), (root, 99), (root, 0)):
        assert use(world, whose, "copies/read", pid=one) == "family"
    assert use(world, root, "copies/read", pid="1") == "malformed"
    reference = results(root, world.trap(root, Call((ToolUse("copies/read", {"pid": {"$from": 1}}),))))
    assert reference[0].rule in ("unknown", "malformed")


def test_the_paths_of_a_use_about_a_child_are_the_childs(world: KernelWorld) -> None:
    root = tree(world, Grant("copies/*", {"path": Rule(under="sub/ok")}))
    pid = world.born(root, Spawn("x", program="worker", mounts=(MountRequest("sub", "mine", "cow"),)))
    assert isinstance(use(world, root, "copies/merge", pid=pid, path="ok/x"), StartTool)
    assert use(world, root, "copies/merge", pid=pid, path="sub/ok/x") == "grant"
    assert use(world, root, "copies/merge", pid=pid, path="/work/sub/ok/x") == "path"


def test_a_merge_needs_the_original_to_write(world: KernelWorld) -> None:
    root = tree(world)
    mine, theirs = (child(world, root, MountRequest(path, "work", "cow")) for path in ("/work/sub", "/notes"))
    apart = child(world, root, MountRequest("", "work", "private"))
    same = child(world, root, MountRequest("sub", "work", "rw"))
    assert isinstance(use(world, root, "copies/merge", pid=mine, path="a"), StartTool)
    for pid in (theirs, apart, same):
        assert use(world, root, "copies/merge", pid=pid, path="a") == "mount"


def test_what_runs_code_later_is_asked_about_in_the_folder_itself_and_not_in_a_copy(world: KernelWorld) -> None:
    root = tree(world)
    for path in (".git/hooks/pre-commit", "sub/.GIT/config", "/work/.envrc", "x/CONFTEST.py", ".vscode/tasks.json"):
        assert "runs code later" in asked(world, root, path), path
    for path in ("a.md", "git/hooks/x", "environment", "x/.gitignore", ".editorconfig", "Makefile"):
        assert not asked(world, root, path), path
    copy = child(world, root, MountRequest(".", "work", "cow"))
    apart = child(world, root, MountRequest("", "work", "private"))
    for pid in (copy, apart):
        assert not asked(world, pid, ".git/hooks/pre-commit")
    inside = child(world, root, MountRequest(".git/hooks", "work", "rw"))
    assert "git" in asked(world, inside, "pre-commit"), "a mount of such a folder is no way around"
    assert not asked(world, root, ".git/config", "disk/read")


def test_a_yes_to_such_a_file_counts_once_and_a_person_may_name_it_before(world: KernelWorld) -> None:
    root = tree(world)
    (ask,) = put(world.trap(root, Call((ToolUse("disk/change", {"path": ".envrc"}),))))
    assert world.kernel.asks[ask].asked.once
    effects = world.answer(ask, allow=True, scope="process")
    (effect,) = [one for one in effects if isinstance(one, StartTool)]
    assert answer_to(root, world.done(effect.effect)) is not None
    assert asked(world, root, ".envrc")
    named = tree(world, Grant("disk/change", {"path": Rule(one_of=(".envrc",))}))
    assert not asked(world, named, ".envrc"), "the person who started the tree has named it"
    folder = tree(world, Grant("disk/change", {"path": Rule(under=".")}))
    assert asked(world, folder, ".envrc")


def test_what_a_spoiled_child_wrote_is_no_better_when_its_parent_reads_the_copy(world: KernelWorld) -> None:
    root = tree(world)
    pid = child(world, root, MountRequest(".", "work", "cow"))
    (effect,) = [one for one in world.trap(pid, Call((ToolUse("mail/list", {}),))) if isinstance(one, StartTool)]
    world.done(effect.effect, value(INBOX))
    use(world, pid, "disk/write", path="a")
    (effect,) = [
        one for one in world.trap(root, Call((ToolUse("copies/read", {"pid": pid}),))) if isinstance(one, StartTool)
    ]
    (read,) = results(root, world.done(effect.effect, Value("as it says in the letter")))
    assert read.label.integrity == "foreign" and read.label.secrets == ("mail",)
