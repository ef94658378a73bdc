"""Reviews: the checks that an answer passes before it enters anybody's reading.

Each check has ``tell_parent``: whether the parent reads its finding when the last try is rejected. A finding may quote the
result, so it bears the label of whoever wrote it and of the result. Without it only the child is told why.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from gemot.abi.grants import BudgetRequest
from gemot.abi.strict import Struct

TRIES = 3
"""How often a result may be rejected before its process has failed, if nobody says otherwise."""


class SchemaCheck(Struct, frozen=True, tag_field="check", tag="schema", omit_defaults=True, forbid_unknown_fields=True):
    """The result fits a JSON schema."""

    schema: dict[str, Any]
    tell_parent: bool = False


class ReceiptCheck(
    Struct, frozen=True, tag_field="check", tag="receipt", omit_defaults=True, forbid_unknown_fields=True
):
    """The child really used a tool with success. ``matching``: a text that stands in the arguments of that use; ``exit``: the exit
    code that it had. It shows that something was run, not that it was meant: a command that names another one matches, too."""

    tool: str
    matching: str = ""
    exit: int | None = None
    tell_parent: bool = False


class ToolCheck(Struct, frozen=True, tag_field="check", tag="tool", omit_defaults=True, forbid_unknown_fields=True):
    """A tool of yours passes the child's files, e.g. shell/run with {"command": "make test"}. It passes if it says true, has this
    exit code, or accepted: true. ``value`` names the argument that takes the child's result, if any."""

    tool: str
    arguments: dict[str, Any] = {}
    value: str = ""
    exit: int = 0
    tell_parent: bool = False


class ReviewerCheck(
    Struct, frozen=True, tag_field="check", tag="reviewer", omit_defaults=True, forbid_unknown_fields=True
):
    """Another process judges the result: it knows the task, the result and what was really done, and can look at the child's files.
    ``about``: what it must look at. It holds nothing that the child does not."""

    about: str = ""
    program: str = "reviewer"
    model: str = ""
    budget: BudgetRequest | None = None
    tell_parent: bool = False


class AgreementCheck(
    Struct, frozen=True, tag_field="check", tag="agreement", omit_defaults=True, forbid_unknown_fields=True
):
    """The same task is done ``of`` times, the child's own included, and at least ``least`` results are the same. ``equal``: as JSON; as
    text, whatever the case and white space; or as numbers that differ by at most ``within``."""

    least: int = 2
    of: int = 3
    equal: Literal["json", "text", "number"] = "json"
    within: float = 0.0
    tell_parent: bool = False


class PersonCheck(Struct, frozen=True, tag_field="check", tag="person", omit_defaults=True, forbid_unknown_fields=True):
    """The person looks at the result and says yes or no."""

    question: str = ""
    tell_parent: bool = False


Check = SchemaCheck | ReceiptCheck | ToolCheck | ReviewerCheck | AgreementCheck | PersonCheck

Review = Annotated[
    tuple[Check, ...],
    Meta(
        description="What its result must pass before you get it, in this order; what fails goes back to the child with the "
        'reason, until its tries are used up, e.g. [{"check": "tool", "tool": "shell/run", "arguments": {"command": "make test"}}] '
        "runs a command on its files; receipt: it really used this tool, matching a text in its arguments; reviewer: another "
        "process judges, about what you say; agreement: so many of so many who do the same come to the same result; person: "
        "the person looks at it. tell_parent true in a check: you read its finding if the last try is rejected."
    ),
]
