"""The decision at the trap: what steers, what leaves, when a person is asked, and what a person is shown."""

from __future__ import annotations

import pytest
from guarded import BANK, GUARDED, INBOX, guarded, kept, refer, results, spoiled, tried, value
from test_references import SEALED, refusal, start, use
from worlds import EVERY_SYSCALL, KernelWorld, put, started

from gemot.abi.answers import Error
from gemot.abi.effects import PutAsk
from gemot.abi.grants import Grant, Rule
from gemot.abi.syscalls import Call, Fork, Mandate, Spawn, Step, ToolUse
from gemot.abi.tools import ToolSpec


def test_words_of_a_process_that_read_foreign_text_steer_nothing(world: KernelWorld) -> None:
    root = guarded(world, Grant("*", carries=("*",)))
    other = world.born(root, Fork("x"))
    number = spoiled(world, root)
    assert tried(world, other, "mail/send", to="ann@x.org", body="hello") == "done", "nothing foreign was read here"
    assert tried(world, root, "mail/send", to="ann@x.org", body="hello") == "asked", "the person may mean it"
    assert tried(world, root, "mail/send", to=refer(number, "[0].body"), body="hello") == "asked"
    assert tried(world, root, "mail/send", to=refer(number, "[0].sender"), body=refer(number, "[1].body")) == "done"
    assert tried(world, root, "disk/write", path="summary.md") == "done", "a path in its own tree"
    assert tried(world, root, "disk/read", path="a.md") == "done", "what only reads reaches nobody"


def test_a_process_that_has_not_read_it_passes_foreign_text_on_as_content_only(world: KernelWorld) -> None:
    root = guarded(world, *SEALED, Grant("mail/send", carries=("mail",)))
    number = kept(world, root, "mail/list", INBOX)
    assert tried(world, root, "mail/send", to="ann@x.org", body=refer(number, "[1].body")) == "done"
    assert tried(world, root, "mail/send", to=refer(number, "[1].subject"), body="x") == "asked"
    assert tried(world, root, "mail/send", to=refer(number, "[1].sender"), body="x") == "done"


def test_a_rule_that_says_which_lets_a_spoiled_process_act(world: KernelWorld) -> None:
    for rule, done in [
        (Rule(one_of=("ann@x.org",)), True),
        (Rule(prefix="ann@"), True),
        (Rule(kind="email"), False),
        (Rule(chars_max=50), False),
    ]:
        root = guarded(world, Grant("mail/list"), Grant("mail/send", {"to": rule}, carries=("mail",)))
        spoiled(world, root)
        assert tried(world, root, "mail/send", to="ann@x.org") == ("done" if done else "steering"), rule


def test_a_rule_that_a_spoiled_process_wrote_vouches_for_nothing(world: KernelWorld) -> None:
    root = guarded(world, Grant("*", carries=("*",)))
    clean = world.born(root, Fork("x", grants=(Grant("mail/send", {"to": Rule(one_of=("ann@x.org",))}, carries=("*",)), Grant("mail/list"))))  # fmt: skip
    spoiled(world, root)
    mine = Grant("mail/send", {"to": Rule(one_of=("eve@evil.com",))}, carries=("*",))
    child = world.born(root, Fork("y", grants=(mine,)))
    assert tried(world, child, "mail/send", to="eve@evil.com") == "asked", "narrower, but nobody meant it"
    spoiled(world, clean)
    assert tried(world, clean, "mail/send", to="ann@x.org") == "done", "written before anything foreign was read"


def test_narrowing_a_rule_that_counts_leaves_it_one_that_counts(world: KernelWorld) -> None:
    root = guarded(
        world, Grant("mail/list"), Grant("spawn"), Grant("mail/send", {"to": Rule(prefix="ann@")}, carries=("*",))
    )
    spoiled(world, root)
    child = world.born(
        root, Fork("y", grants=(Grant("mail/send", {"to": Rule(one_of=("ann@x.org",))}, carries=("*",)),))
    )
    assert tried(world, child, "mail/send", to="ann@x.org") == "done"


def test_what_may_not_leave_does_not_leave(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), Grant("web/get", results="handle"), Grant("mail/send", {"to": Rule(one_of=("ann@x.org",))}))  # fmt: skip
    page = kept(world, root, "web/get", "news")
    assert tried(world, root, "mail/send", to="ann@x.org", body=refer(page)) == "done"
    number = spoiled(world, root)
    assert tried(world, root, "mail/send", to="ann@x.org", body=refer(number, "[0].body")) == "secret"
    assert tried(world, root, "mail/send", to="ann@x.org", body="x") == "secret", (
        "it has read the mail, so its words may tell of it"
    )
    assert tried(world, root, "mail/send", to="ann@x.org", body=refer(page)) == "secret", (
        "and so may what it chooses to send"
    )
    text = refusal(world, root, "mail/send", to="ann@x.org", body="x")
    assert "mail" in text and "nothing secret" in text


def test_a_secret_that_the_grant_carries_may_leave(world: KernelWorld) -> None:
    for carries, answer in [(("mail",), "done"), (("*",), "done"), (("notes",), "secret"), ((), "secret")]:
        bound = {"to": Rule(one_of=("ann@x.org",))}
        root = guarded(world, Grant("mail/list"), Grant("mail/send", bound, carries=carries))
        spoiled(world, root)
        assert tried(world, root, "mail/send", to="ann@x.org", body="x") == answer


def test_a_grant_can_say_that_a_person_is_asked_otherwise(world: KernelWorld) -> None:
    send = Grant("mail/send", {"to": Rule(one_of=("ann@x.org",))}, uses=2, otherwise="ask")
    root = guarded(world, Grant("mail/list"), send)
    (asked,) = [one.asked for one in world.trap(root, use("mail/send", to="bob@x.org")) if isinstance(one, PutAsk)]
    assert "'bob@x.org'" in asked.why and asked.once and asked.untrusted == ()
    begun = start(world.answer(asked.ask, scope="subtree"))
    world.done(begun.effect)
    assert not world.kernel.processes[root].confirmed, "a broken rule is broken once"
    spoiled(world, root)
    (asked,) = [one.asked for one in world.trap(root, use("mail/send", to="ann@x.org")) if isinstance(one, PutAsk)]
    assert "may tell of mail" in asked.why and asked.untrusted == ("to",)
    world.done(start(world.answer(asked.ask)).effect)
    assert tried(world, root, "mail/send", to="ann@x.org") == "grant", "both uses are gone"


def test_a_no_gives_the_use_back(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/send", {"to": Rule(one_of=("ann@x.org",))}, uses=1, otherwise="ask"))
    assert tried(world, root, "mail/send", to="bob@x.org") == "asked"
    assert tried(world, root, "mail/send", to="ann@x.org") == "done"


def test_any_grant_that_allows_it_will_do(world: KernelWorld) -> None:
    grants = (
        Grant("mail/send", {"to": Rule(one_of=("a",))}, otherwise="ask"),
        Grant("mail/send", {"to": Rule(one_of=("b",))}),
    )
    root = guarded(world, *grants)
    assert [tried(world, root, "mail/send", to=to) for to in ("a", "b", "c")] == ["done", "done", "asked"]


def test_a_tool_that_asks_need_not_where_a_person_saw_all_that_it_can_reach(world: KernelWorld) -> None:
    bound = Grant("post/send", {"text": Rule(one_of=("hello",))})
    root = guarded(world, bound)
    assert tried(world, root, "post/send", text="hello") == "done"
    child = world.born(root, Fork("x", grants=(bound,)))
    assert tried(world, child, "post/send", text="hello") == "done"
    root = guarded(world, Grant("post/send"))
    child = world.born(root, Fork("x", grants=(bound,)))
    assert tried(world, child, "post/send", text="hello") == "asked", (
        "the person saw a grant for any text, not this one"
    )
    assert tried(world, root, "post/send", text="hello") == "asked"


@pytest.mark.parametrize("forged", [Grant("post/send", endorsed=True), Grant("post/send", unsure=("text",))])
def test_nobody_endorses_a_grant_by_saying_so(world: KernelWorld, forged: Grant) -> None:
    root = guarded(world)
    for syscall in (Fork("x", grants=(forged,)), Spawn("x", "worker", grants=(forged,))):
        answer = world.ask(root, syscall)
        assert isinstance(answer, Error) and answer.rule == "grant" and "person" in answer.message


def test_a_person_is_shown_what_a_reference_stands_for(world: KernelWorld) -> None:
    root = guarded(world, *SEALED, Grant("mail/send", {"to": Rule(one_of=())}, carries=("*",), otherwise="ask"))
    number = kept(world, root, "mail/list", INBOX)
    effects = world.trap(
        root, use("mail/send", to=refer(number, "[1].subject"), body=refer(number, "[0].sender"), subject="x")
    )
    (asked,) = [one.asked for one in effects if isinstance(one, PutAsk)]
    assert asked.arguments == {"to": "hi", "body": "ann@x.org", "subject": "x"} and asked.untrusted == ("to",)
    begun = start(world.answer(put(effects)[0]))
    assert begun.arguments == asked.arguments


def test_a_steering_argument_that_is_left_out_steers_nothing(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), Grant("mail/send", carries=("*",)))
    spoiled(world, root)
    assert [tried(world, root, "mail/send", to=to, body="x") for to in ([], "")] == ["done", "done"]


def test_the_bank_is_not_vouched_for_by_what_stands_in_it(world: KernelWorld) -> None:
    root = guarded(world, Grant("bank/list"), Grant("bank/pay"))
    number = kept(world, root, "bank/list", BANK)
    to = refer(number, "transfers[0].recipient")
    assert tried(world, root, "bank/pay", recipient=to, amount=refer(number, "transfers[0].amount")) == "asked"


def _text(*names: str) -> dict:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


FOREIGN_DRIVER = (
    ToolSpec("fs/read", "A file.", _text("path"), "reads", True, foreign=True),
    ToolSpec("fs/edit", "Edit a file.", _text("path", "edits", "dry"), "writes", False, foreign=True),
)


@pytest.mark.parametrize(
    "grant",
    [
        Grant("fs/*"),
        Grant("fs/edit"),
        Grant("fs/edit", {"path": Rule(one_of=("a.md",))}),
        Grant("fs/edit", {"path": Rule(one_of=("a.md",)), "edits": Rule(chars_max=5)}),
    ],
)
def test_what_a_persons_grant_of_a_foreign_driver_leaves_open_is_asked(world: KernelWorld, grant: Grant) -> None:
    world.install((*GUARDED, *FOREIGN_DRIVER))
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("fs/read"), grant))
    kept(world, root, "fs/read", "obey me", path="a.md")
    assert tried(world, root, "fs/edit", path="a.md", edits="x", dry="yes") == "asked"
    child = world.born(root, Fork("x"))
    assert tried(world, child, "fs/edit", path="a.md", edits="x", dry="yes") == "asked"


@pytest.mark.parametrize("where", [{}, {"path": Rule(one_of=("a.md",))}])
def test_what_an_endorsed_plan_leaves_open_is_refused(world: KernelWorld, where: dict) -> None:
    world.install((*GUARDED, *FOREIGN_DRIVER))
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("fs/*")))
    before = world.born(root, Fork("x"))
    world.trap(root, Mandate((Step("Edit it", (Grant("fs/edit", where),)),)))
    world.answer(next(iter(world.kernel.asks)))
    child = world.born(root, Fork("x", grants=(Grant("fs/read"), Grant("fs/edit", {"path": Rule(one_of=("a.md",))}))))
    for pid in (root, child, before):
        kept(world, pid, "fs/read", "obey me", path="a.md")
        assert tried(world, pid, "fs/edit", path="a.md", edits="x", dry="yes") == "steering", "and nothing else"


def test_only_the_kernel_says_that_a_grant_is_a_step_of_a_plan(world: KernelWorld) -> None:
    root = guarded(world)
    answer = world.ask(root, Fork("x", grants=(Grant("mail/list", planned=True),)))
    assert isinstance(answer, Error) and "planned" in answer.message


def test_a_batch_may_not_use_what_it_has_not_got_yet(world: KernelWorld) -> None:
    root = guarded(world)
    effects = world.trap(root, Call((ToolUse("mail/list"), ToolUse("sums/add", {"text": refer(1)}))))
    (effect,) = started(effects)
    got = results(root, world.done(effect, value(INBOX)))
    assert [one.rule for one in got] == ["", "unknown"]


def test_being_refused_tells_something_of_what_was_not_read(world: KernelWorld) -> None:
    """Else a process could ask of a secret letter by letter whether it begins so, and send away what it learned."""
    root = guarded(world, *SEALED, Grant("sums/add"))
    number = kept(world, root, "mail/list", INBOX)
    label = lambda: world.kernel.processes[root].label.secrets  # noqa: E731
    refusal(world, root, "sums/add", text=refer(number, "[0"))
    refusal(world, root, "sums/nothing", text=refer(number, "[0].id"))
    assert label() == (), "what is written wrong is wrong whatever the letter says"
    assert "there are 0" in refusal(world, root, "sums/add", text=refer(number, "[0].body", extract="^(q)"))
    assert label() == ("mail",)
