"""Faults planted in the board: who may judge, who has what until when, what comes first, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from gemot.board.table import Board, Item
from gemot.kernel import Kernel, accepting, moves

Patch = pytest.MonkeyPatch


def lease_for_ever(patch: Patch) -> None:
    """A lease that is over changes nothing."""
    patch.setattr(moves, "lease_over", lambda kernel, root, lease: None)


def renewed_lease_ends_with_the_first(patch: Patch) -> None:
    """The timer of a lease that was renewed returns the task all the same."""

    def leased(self: Board, lease: int) -> Item | None:
        return next((one for one in self.items.values() if one.lease), None)

    patch.setattr(Board, "leased", leased)


def own_work_accepted(patch: Patch) -> None:
    """Whoever may accept accepts anything."""
    patch.setattr(accepting, "must_have_had_no_part", lambda kernel, item, judge: None)


def own_childs_work_accepted(patch: Patch) -> None:
    """Only who did it itself is kept from judging it."""
    patch.setattr(accepting, "_line", lambda kernel, pid: [pid])


def order_ignored(patch: Patch) -> None:
    """A task can be claimed before those that it comes after."""
    patch.setattr(Board, "blockers", lambda self, item: [])


def claimed_twice(patch: Patch) -> None:
    """A task that somebody has can be claimed."""
    patch.setattr(Board, "must_be_ready", lambda self, number: self.item(number))


def accepted_and_opened_again(patch: Patch) -> None:
    """When who did it ends, also what was accepted is open again."""
    inner = Board.owner_ended

    def owner_ended(self: Board, outcome: Any, moment: int, author: Any) -> bool:
        for item in self.items.values():
            if item.owner == outcome.pid and item.state == "accepted":
                item.reopen("its owner ended")
        return inner(self, outcome, moment, author)

    patch.setattr(Board, "owner_ended", owner_ended)


def kept_by_the_dead(patch: Patch) -> None:
    """Who ends keeps its tasks."""
    patch.setattr(Board, "owner_ended", lambda self, outcome, moment, author: False)


def watchers_not_told(patch: Patch) -> None:
    """A change of the board wakes nobody."""
    patch.setattr(Kernel, "board_changed", lambda self, root: None)


def change_hidden_by_ones_own(patch: Patch) -> None:
    """What another changed is taken for seen by who changed it again."""
    patch.setattr(Item, "changed_for", lambda self, pid: 0 if self.changed_by == pid else self.changed)


FAULTS = {
    lease_for_ever: "board: lease",
    renewed_lease_ends_with_the_first: "board: lease",
    own_work_accepted: "board: own work",
    own_childs_work_accepted: "board: own work",
    order_ignored: "board: order",
    claimed_twice: ("board: one owner", "board: order"),
    accepted_and_opened_again: "board: task",
    kept_by_the_dead: "board: ",
    watchers_not_told: "wake-up",
    change_hidden_by_ones_own: "wake-up",
}
"""Each with the law by which it is found."""
