"""Child <= parent: grants, mounts, models. Nothing widens, whatever it is called and wherever it is seen from."""

from __future__ import annotations

import pytest
from worlds import EVERY_SYSCALL, KernelWorld, answer_to, started

from gemot.abi.answers import Answer, Error, Ok
from gemot.abi.effects import StartTool
from gemot.abi.grants import BudgetRequest, Grant, Mount, MountRequest, Rule
from gemot.abi.syscalls import Call, Fork, Spawn, ToolUse

HERE = (Mount("work", "/srv/data", "rw"),)


def use(world: KernelWorld, pid: int, tool: str, **arguments: object) -> str:
    """Use a tool; ``""`` when it was started, else the rule that refused it."""
    effects = world.trap(pid, Call((ToolUse(tool, arguments),)))
    for effect in started(effects):
        world.done(effect)
        return ""
    answer = answer_to(pid, effects)
    assert isinstance(answer, Ok), answer
    return answer.value[0].rule


def child(world: KernelWorld, parent: int, *grants: Grant, mounts: tuple[MountRequest, ...] | None = None) -> int:
    return world.born(parent, Fork("x", grants=grants, mounts=mounts))


def refused(world: KernelWorld, parent: int, *grants: Grant, mounts: tuple[MountRequest, ...] | None = None) -> Error:
    answer: Answer = world.ask(parent, Fork("x", grants=grants, mounts=mounts))
    assert isinstance(answer, Error), answer
    return answer


def tree(world: KernelWorld, *grants: Grant, mounts: tuple[Mount, ...] = HERE) -> int:
    return world.tree(grants=(*EVERY_SYSCALL, *grants), mounts=mounts)


def only(*paths: str, tool: str = "disk/read") -> Grant:
    return Grant(tool, {"path": Rule(one_of=paths)})


def under(path: str, tool: str = "disk/read") -> Grant:
    return Grant(tool, {"path": Rule(under=path)})


@pytest.mark.parametrize(
    ("wanted", "had"),
    [
        (Grant("disk/read"), Grant("disk/*")),
        (Grant("disk/read"), Grant("*")),
        (Grant("disk/*"), Grant("*")),
        (only("a.md"), Grant("disk/read")),
        (only("a.md"), only("a.md", "b.md")),
        (only("./a.md"), only("/work/a.md")),
        (only("notes/a.md"), under("notes")),
        (under("notes/x"), under("notes")),
        (Grant("disk/read", uses=2), Grant("disk/read", uses=3)),
        (Grant("disk/read", uses=2), Grant("disk/read")),
        (Grant("disk/read", until_ms=5), Grant("disk/read", until_ms=6)),
        (Grant("sums/add", {"text": Rule(prefix="ab")}), Grant("sums/add", {"text": Rule(prefix="a")})),
        (Grant("sums/add", {"text": Rule(chars_max=3)}), Grant("sums/add", {"text": Rule(chars_max=4)})),
        (
            Grant("sums/add", {"text": Rule(one_of=("abc",))}),
            Grant("sums/add", {"text": Rule(prefix="a", chars_max=3)}),
        ),
    ],
)
def test_a_narrower_grant_is_given(world: KernelWorld, wanted: Grant, had: Grant) -> None:
    child(world, tree(world, had), wanted)


@pytest.mark.parametrize(
    ("wanted", "had"),
    [
        (Grant("disk/*"), Grant("disk/read")),
        (Grant("*"), Grant("disk/*")),
        (Grant("disk/write"), Grant("disk/read")),
        (Grant("disk/read"), only("a.md")),
        (only("a.md", "c.md"), only("a.md", "b.md")),
        (only("a.md"), under("notes")),
        (only("notes-2/a.md"), under("notes")),
        (under("notes"), only("notes/a.md")),
        (under("."), under("notes")),
        (under("notes-2"), under("notes")),
        (Grant("disk/read", uses=4), Grant("disk/read", uses=3)),
        (Grant("disk/read"), Grant("disk/read", uses=3)),
        (Grant("disk/read"), Grant("disk/read", until_ms=6)),
        (Grant("disk/read", until_ms=7), Grant("disk/read", until_ms=6)),
        (Grant("sums/add", {"text": Rule(prefix="b")}), Grant("sums/add", {"text": Rule(prefix="a")})),
        (Grant("sums/add"), Grant("sums/add", {"text": Rule(prefix="a")})),
        (Grant("sums/add", {"text": Rule(chars_max=5)}), Grant("sums/add", {"text": Rule(chars_max=4)})),
        (Grant("sums/add", {"text": Rule(one_of=("abcd",))}), Grant("sums/add", {"text": Rule(chars_max=3)})),
    ],
)
def test_a_wider_grant_is_refused_and_the_refusal_says_what_there_is(
    world: KernelWorld, wanted: Grant, had: Grant
) -> None:
    answer = refused(world, tree(world, had), wanted)
    assert answer.rule == "grant"
    assert had.tool in answer.message and wanted.tool in answer.message


def test_a_syscall_that_the_parent_may_not_make_is_not_given(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("fork"), Grant("disk/*")))
    assert refused(world, root, Grant("spawn")).rule == "grant"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("notes/a.md", ""),
        ("/work/notes/a.md", ""),
        ("notes//./a.md", ""),
        ("notes", ""),
        ("a.md", "grant"),
        ("notes-2/a.md", "grant"),
        ("notes/../a.md", "path"),
        ("../data/notes/a.md", "path"),
        ("/srv/data/notes/a.md", "path"),
        ("/notes/a.md", "path"),
        ("notes/a\0.md", "path"),
    ],
)
def test_a_path_rule_can_not_be_talked_around(world: KernelWorld, path: str, rule: str) -> None:
    assert use(world, tree(world, under("notes")), "disk/read", path=path) == rule


def test_a_child_whose_root_is_a_part_can_not_read_its_parents_rule_as_its_own(world: KernelWorld) -> None:
    """The parent may read below notes. The child's root is private/, where it has a folder notes of its own."""
    root = tree(world, under("notes"))
    sub = (MountRequest("private", "work", "rw"),)
    assert refused(world, root, under("notes"), mounts=sub).rule == "grant"
    forked = world.born(root, Fork("x", mounts=sub))
    assert use(world, forked, "disk/read", path="notes/a.md") == "grant"
    assert use(world, forked, "disk/read", path=".") == "grant"


def test_a_child_whose_root_is_a_part_may_all_of_it_if_its_parent_may(world: KernelWorld) -> None:
    root = tree(world, under("notes"))
    inside = child(world, root, under("."), mounts=(MountRequest("notes/2026", "work", "ro"),))
    assert use(world, inside, "disk/read", path="a.md") == ""
    assert use(world, inside, "disk/read", path="/work/deep/a.md") == ""


def test_the_name_of_a_mount_gives_no_right(world: KernelWorld) -> None:
    """A mount that is called like its parent's folder is still the folder that it is."""
    root = tree(world, under("notes"), mounts=(Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/other", "rw")))
    assert use(world, root, "disk/read", path="/notes/a.md") == "grant"
    swapped = (MountRequest("/notes", "work", "ro"), MountRequest("/work", "notes", "ro"))
    forked = world.born(root, Fork("x", mounts=swapped))
    assert use(world, forked, "disk/read", path="notes/a.md") == "grant"
    assert use(world, forked, "disk/read", path="/notes/notes/a.md") == ""


def test_a_tool_is_told_the_only_paths_that_its_grant_allows(world: KernelWorld) -> None:
    root = tree(world, only("a.md", "b.md"))
    (effect,) = [
        one for one in world.trap(root, Call((ToolUse("disk/read", {"path": "a.md"}),))) if isinstance(one, StartTool)
    ]
    assert effect.only == ("/srv/data//a.md", "/srv/data//b.md")


def test_a_path_that_is_no_text_is_refused(world: KernelWorld) -> None:
    assert use(world, tree(world, under("notes")), "disk/read", path=["notes"]) == "malformed"


def test_a_caveat_that_means_nothing_is_refused_when_it_is_given(world: KernelWorld) -> None:
    root = tree(world, Grant("*"))
    assert refused(world, root, Grant("disk/read", {"path": Rule(prefix="a")})).rule == "malformed"
    assert refused(world, root, Grant("disk/read", {"path": Rule(chars_max=9)})).rule == "malformed"
    assert refused(world, root, Grant("sums/add", {"text": Rule(under="a")})).rule == "malformed"


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (MountRequest("/nowhere", "work", "ro"), "path"),
        (MountRequest("..", "work", "ro"), "path"),
        (MountRequest("/notes", "notes", "rw"), "mount"),
        (MountRequest(".", "Work"), "mount"),
        (MountRequest(".", "../x"), "mount"),
        (MountRequest(".", "ärbeit"), "mount"),
        (MountRequest(".", ""), "mount"),
    ],
)
def test_a_mount_that_is_more_than_the_parents_or_no_name_is_refused(
    world: KernelWorld, request_: MountRequest, rule: str
) -> None:
    root = tree(world, Grant("*"), mounts=(Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/notes", "ro")))
    assert refused(world, root, mounts=(request_,)).rule == rule


def test_two_mounts_of_one_name_are_refused(world: KernelWorld) -> None:
    twice = (MountRequest("a", "work"), MountRequest("b", "work"))
    assert refused(world, tree(world, Grant("*")), mounts=twice).rule == "mount"


def test_a_child_gets_a_part_of_a_part(world: KernelWorld) -> None:
    root = tree(world, Grant("*"))
    a = child(world, root, Grant("fork"), mounts=(MountRequest("notes", "work", "rw"),))
    b = child(world, a, mounts=(MountRequest("2026", "inbox", "ro"),))
    assert world.kernel.processes[b].mounts == (Mount("inbox", "/srv/data", "ro", "notes/2026"),)


def test_a_read_only_mount_can_not_be_written(world: KernelWorld) -> None:
    root = tree(world, Grant("*"), mounts=(Mount("work", "/srv/data", "ro"),))
    assert use(world, root, "disk/read", path="a") == ""
    assert use(world, root, "disk/write", path="a") == "mount"


def test_without_mounts_there_are_no_paths(world: KernelWorld) -> None:
    assert use(world, tree(world, Grant("*"), mounts=()), "disk/read", path="a") == "mount"
    none = child(world, tree(world, Grant("*")), Grant("disk/read"), mounts=())
    assert use(world, none, "disk/read", path="a") == "mount"


def test_uses_are_counted_in_a_batch_too(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/read", uses=2))
    effects = world.trap(root, Call(tuple(ToolUse("disk/read", {"path": str(one)}) for one in range(3))))
    assert len(started(effects)) == 2
    for effect in started(effects):
        answer = answer_to(root, world.done(effect))
    assert isinstance(answer, Ok) and [one.ok for one in answer.value] == [True, True, False]
    assert "used up" in answer.value[2].text


def test_uses_are_split_between_parent_and_child(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/read", uses=3))
    one = child(world, root, Grant("disk/read", uses=2))
    assert refused(world, root, Grant("disk/read", uses=2)).rule == "grant"
    assert [use(world, root, "disk/read", path="a") for _ in range(2)] == ["", "grant"]
    assert [use(world, one, "disk/read", path="a") for _ in range(3)] == ["", "", "grant"]


def test_a_fork_that_takes_all_leaves_no_uses_behind(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/read", uses=3))
    forked = world.born(root, Fork("x"))
    assert use(world, root, "disk/read", path="a") == "grant"
    assert [use(world, forked, "disk/read", path="a") for _ in range(4)] == ["", "", "", "grant"]


def test_the_uses_of_a_syscall_are_counted(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("fork", uses=2), Grant("disk/read")))
    world.born(root, Fork("x", grants=()))
    world.born(root, Fork("x", grants=()))
    assert refused(world, root).rule == "grant"


def test_a_child_is_not_given_the_use_that_made_it(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("fork", uses=3),))
    forked = world.born(root, Fork("x", budget=BudgetRequest(processes=5)))
    grandchild = world.born(forked, Fork("x", budget=BudgetRequest(processes=2)))
    last = world.born(grandchild, Fork("x", budget=BudgetRequest(processes=1)))
    assert refused(world, last).rule == "grant"
    assert refused(world, root).rule == "grant"


def test_a_refused_syscall_costs_no_use(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("spawn", uses=1),))
    assert isinstance(world.ask(root, Spawn("x", "wroker")), Error)
    world.born(root, Spawn("x", "worker"))


def test_the_caveats_of_a_syscall_hold(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("spawn", {"program": Rule(one_of=("worker",))}),))
    answer = world.ask(root, Spawn("x", "talker"))
    assert isinstance(answer, Error) and answer.rule == "grant" and "'worker'" in answer.message
    world.born(root, Spawn("x", "worker"))


def test_a_grant_ends_at_its_time(world: KernelWorld) -> None:
    root = tree(world, Grant("disk/read", until_ms=world.at + 10))
    assert use(world, root, "disk/read", path="a") == ""
    world.later(10)
    assert use(world, root, "disk/read", path="a") == "grant"


def test_a_spawned_child_gets_what_its_program_asks_for_as_far_as_its_parent_has_it(world: KernelWorld) -> None:
    root = tree(world, only("a.md"), Grant("sums/add"), Grant("post/send"))
    spawned = world.born(root, Spawn("x", "worker"))
    assert [use(world, spawned, "disk/read", path=path) for path in ("a.md", "b.md")] == ["", "grant"]
    assert use(world, spawned, "sums/add", text="1") == ""
    assert use(world, spawned, "post/send", text="1") == "grant", "the program did not ask for it"
    assert use(world, spawned, "disk/write", path="a.md") == "grant", "the parent has not got it"


def test_a_model_that_the_parent_may_not_use_is_not_given(world: KernelWorld) -> None:
    root = world.tree(models=("m", "n"))
    a = world.born(root, Fork("x", model="n", budget=BudgetRequest(processes=2)))
    assert world.kernel.processes[a].models == ("n", "m")
    answer = world.ask(a, Fork("x", model="o"))
    assert isinstance(answer, Error) and answer.rule == "grant" and "n, m" in answer.message


def test_rights_end_with_their_process(world: KernelWorld) -> None:
    root = tree(world, Grant("*"))
    world.stop(root)
    assert world.kernel.processes[root].grants == []
