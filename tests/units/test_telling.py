"""What a model is told of its children: all that matters, and nothing twice."""

from __future__ import annotations

import json

from gemot.abi.answers import Outcome, Receipt, Use, Waited
from gemot.abi.grants import Budget
from gemot.abi.labels import Label
from gemot.programs.telling import CLAIM_CHARS, plain

WROTE = Use("files/write", 'files/write {"path":"letter.md","content":"Dear North, please send"}', True)


def test_an_outcome_is_told_without_what_is_empty_or_not_for_models() -> None:
    one = Outcome(4, "writer", "done", value="8.00", spent=Budget(tokens=9), label=Label(("process:4",), "model"))
    assert json.loads(plain(Waited((one,)))) == {
        "ended": [{"pid": 4, "name": "writer", "state": "done", "value": "8.00", "receipt": "used no tool"}]
    }
    assert plain(Waited((), (4,), True)) == '{"ended":[],"running":[4],"timed_out":true}'


def test_why_a_child_failed_is_told_with_the_rule() -> None:
    told = json.loads(plain(Outcome(4, "writer", "failed", error="no paper", rule="failed")))
    assert (told["error"], told["rule"]) == ("no paper", "failed")


def test_a_claim_names_the_use_in_the_receipt_and_does_not_repeat_it() -> None:
    given = Receipt((WROTE,), claims={"wrote it": WROTE.shown, "asked Ada": "no receipt"})
    told = json.loads(plain(Outcome(4, "writer", "done", value="ok", receipt=given)))
    assert told["receipt"] == [WROTE.shown]
    assert told["claims"] == {"wrote it": f"{WROTE.shown[:CLAIM_CHARS]}...", "asked Ada": "no receipt"}


def test_a_use_that_is_not_among_those_told_is_whole_in_its_claim() -> None:
    later = tuple(Use("files/read", f'files/read {{"path":"{number}"}}', True) for number in range(12))
    given = Receipt((WROTE, *later), claims={"wrote it": WROTE.shown})
    assert json.loads(plain(Outcome(4, "writer", "done", receipt=given)))["claims"] == {"wrote it": WROTE.shown}
