"""Does the simulator see anything? Faults are planted in the real code; each must be found within 200 seeds, a rare one within 1,000."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import alarm_faults  # noqa: F401 - they join the others
import faults_of_boards
import faults_of_labels  # noqa: F401
import faults_of_limits  # noqa: F401 - its faults are among them
import faults_of_looks
import faults_of_rights  # noqa: F401
import faults_of_salvage
import pytest
import salvages
from checkers import LawBroken
from faults_of_gates import FAULTS
from history import History
from simulate import search

SEEDS = 200
RARE = {
    "stale_machine_fetches": 500,
    "change_hidden_by_ones_own": 1_000,
    "plan_that_binds_its_maker_only": 1_000,
    "messages_leave_a_gate": 1_000,
    "fork_does_its_parents_work": 1_000,
}
"""Two machines must live at once, and the older one must miss a tree; somebody must change a task again that another has just
changed, and wait; a plan must be endorsed while a child lives that then uses what it forbids; a child under review must
speak, and few reviews begin, since one that could never pass is refused; a person must fork a conversation between a model's
reply and what it asked for: few histories have that."""

LAWS: dict[str, str | tuple[str, ...]] = {
    "lost_wake_up": "wake-up",
    "lost_alarm": "rest",
    "double_answer": "answered",
    "unanswered_failure": "rest",
    "copied_budget": "budget",
    "missing_fence": "fence",
    "unsynced_intent": "write, then act",
    "start_before_the_write": "write, then act",
    "unseeded_delay": "chance",
    "late_report_billed_twice": "bill",
    "failed_attempts_booked_twice": "bill",
    "outage_ends_its_process": "outage",
    "grant_not_narrowed": ("child <= parent", "uses"),
    "named_grant_not_narrowed": ("child <= parent", "uses"),
    "timer_lost_on_the_way_out": ("rest", "fold"),
    "child_more_urgent": "child <= parent",
    "place_never_freed": "rest",
    "bill_not_kept": "fold",
    "timer_not_kept_with_its_tree": "fold",
    "rings_of_sleepers_forgotten": "rings",
    "ring_told_again": "rings",
    "calendar_by_order_clock": "dates",
    "interrupted_work_forgotten": ("fold", "recovery"),
    "stale_machine_fetches": "fence",
    "orphan": "orphan",
    "failed_journal_told_as_failed": "the truth",
    "message_without_its_label": "authors",
    "task_without_its_label": "authors",
    "brief_without_its_label": "authors",
    "result_without_its_label": "authors",
    "plan_that_binds_its_maker_only": ("plan", "uses"),
    "uses_that_come_back_and_stay": "uses",
    "fork_with_the_count_of_its_original": "uses",
    "repeated_after_a_crash": ("act once", "fold"),
    "decision_lost_in_a_crash": "rest",
    "vanished_ask": "asks",
    "forgotten_word": "a person's word",
    "stopped_work_never_reports": "rest",
    "open_gate": "gate",
    "gate_fails_open": "gate",
    "told_what_was_rejected": "gate",
    "messages_leave_a_gate": "review",
    "failure_text_leaves_a_gate": ("review", "gate"),
    "race_without_an_end": "race",
    "standstill_goes_unnoticed": "standstill",
    "witness_that_sleeps": "standstill",
}
"""By which law a fault is found; those that are not here may be found by several."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        FAULTS[name](patch)
        found = search(range(RARE.get(name, SEEDS)))
    assert found is not None, f"{RARE.get(name, SEEDS)} histories did not show it"
    assert found.law.startswith(LAWS.get(name, "")), found.law
    print(f"{name}: found by seed {found.seed}: {found.law:.100}")


@pytest.mark.parametrize("plant", faults_of_boards.FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_planted_in_the_board_is_found(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = search(range(RARE.get(plant.__name__, SEEDS)))
    assert found is not None, f"{RARE.get(plant.__name__, SEEDS)} histories did not show it"
    assert found.law.startswith(faults_of_boards.FAULTS[plant]), found.law
    print(f"found by seed {found.seed}: {found.law:.100}")


@pytest.mark.parametrize("plant", faults_of_salvage.FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_planted_in_a_salvage_is_found(plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = salvages.search(range(SEEDS), tmp_path)
    assert found is not None, f"{SEEDS} histories did not show it"
    assert found[1].startswith("salvage: "), found
    print(f"found by seed {found[0]}: {found[1]:.100}")


@pytest.mark.parametrize("plant", faults_of_salvage.STEPS, ids=lambda plant: plant.__name__)
def test_a_fault_planted_in_a_step_between_lives_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        for seed in range(SEEDS):
            try:
                History(seed, tmp_path, sqlite=True).run()
            except LawBroken as broken:
                assert str(broken).startswith(faults_of_salvage.STEPS[plant]), broken
                print(f"found by seed {seed}: {broken}")
                return
    pytest.fail(f"{SEEDS} histories did not show it")


@pytest.mark.parametrize("plant", faults_of_looks.FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_planted_in_the_index_is_found(plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = search(range(SEEDS), tmp_path)
    assert found is not None, f"{SEEDS} histories did not show it"
    assert found.law.startswith("looking: "), found.law
    print(f"found by seed {found.seed}: {found.law:.100}")


def test_what_is_found_is_told_with_the_command_that_replays_it() -> None:
    with pytest.MonkeyPatch.context() as patch:
        FAULTS["repeated_after_a_crash"](patch)
        found = search(range(SEEDS))
    assert found is not None
    assert f"make simulate SEED={found.seed}" in str(found)
    assert "LAW BROKEN" in found.story[-1] and "life" in found.story[0]
