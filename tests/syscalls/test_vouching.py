"""Endorse: a person vouches for a value that they have seen whole, and for nothing else."""

from __future__ import annotations

from guarded import guarded, kept, refer, tried
from worlds import KernelWorld, answer_to

from gemot.abi.answers import Error, Ok
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Endorse

RIGHTS = (Grant("web/get"), Grant("mail/send", carries=("*",)))


def vouched(world: KernelWorld, pid: int, handle: int, allow: bool) -> object:
    world.trap(pid, Endorse(handle, "the address on the page"))
    (ask,) = world.kernel.asks
    asked = world.kernel.asks[ask].asked
    assert asked.plan == ("bob@x.org",) and asked.untrusted and asked.digest
    return answer_to(pid, world.answer(ask, allow=allow))


def test_what_a_person_vouches_for_may_steer(world: KernelWorld) -> None:
    root = guarded(world, *RIGHTS)
    page = kept(world, root, "web/get", "bob@x.org")
    assert tried(world, root, "mail/send", to=refer(page), subject="hello") != "done"
    assert isinstance(vouched(world, root, page, allow=True), Ok)
    assert tried(world, root, "mail/send", to=refer(page), subject="hello") == "done"


def test_only_that_value_is_vouched_for(world: KernelWorld) -> None:
    root = guarded(world, *RIGHTS)
    page, other = kept(world, root, "web/get", "bob@x.org"), kept(world, root, "web/get", "eve@evil.com")
    vouched(world, root, page, allow=True)
    assert tried(world, root, "mail/send", to=refer(other), subject="hello") != "done"
    assert tried(world, root, "mail/send", to="bob@x.org", subject="hello") != "done", "a literal came from nowhere"


def test_a_no_changes_nothing(world: KernelWorld) -> None:
    root = guarded(world, *RIGHTS)
    page = kept(world, root, "web/get", "bob@x.org")
    assert isinstance(vouched(world, root, page, allow=False), Error)
    assert tried(world, root, "mail/send", to=refer(page), subject="hello") != "done"


def test_a_person_vouches_for_nothing_that_they_can_not_see(world: KernelWorld) -> None:
    root = guarded(world, *RIGHTS)
    page = kept(world, root, "web/get", "x" * 5_000)
    assert "see all" in str(world.ask(root, Endorse(page, "")))
    assert "no handle" in str(world.ask(root, Endorse(99_999, "")))
    assert not world.kernel.asks


def test_a_secret_stays_one(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), Grant("mail/send"))
    letter = kept(world, root, "mail/list", "bob@x.org")
    vouched(world, root, letter, allow=True)
    assert tried(world, root, "mail/send", to=refer(letter), subject="hello") == "secret"


def test_arguments_of_a_use_are_not_vouched_for_with_its_result(world: KernelWorld) -> None:
    root = guarded(world, *RIGHTS)
    kept(world, root, "web/get", "a page that turns its reader")
    page = kept(world, root, "web/get", "bob@x.org", url="eve@evil.com")
    vouched(world, root, page, allow=True)
    assert tried(world, root, "mail/send", to=refer(page, argument="url"), subject="hello") == "asked"
    vouched(world, root, page, allow=True)
    assert tried(world, root, "mail/send", to=refer(page, argument="url"), subject="hello") == "asked"
    assert tried(world, root, "mail/send", to=refer(page), subject="hello") == "done"
