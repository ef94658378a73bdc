"""Could a review ever pass? One that could not is refused before anybody works for it.

A check is tried in thought with what will be there when it is made: the rights of whoever asks for the review, and the files,
models, grants and budget that the child begins with. Where something may still change (the result, what is used up by then),
the check gets the benefit of the doubt.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from gemot.abi import limits
from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import Handle, Label
from gemot.abi.programs import ProgramSpec
from gemot.abi.reviews import (
    AgreementCheck,
    Check,
    PersonCheck,
    ReceiptCheck,
    ReviewerCheck,
    SchemaCheck,
    ToolCheck,
)
from gemot.abi.tools import ToolSpec
from gemot.authority import ledger
from gemot.authority.deciding import decide
from gemot.authority.documents import Document
from gemot.authority.ledger import Means
from gemot.authority.narrowing import covers, listed
from gemot.authority.references import fill
from gemot.authority.refusal import Refused, closest
from gemot.authority.satisfiable import unsatisfiable
from gemot.authority.schema import flaw, mismatch
from gemot.kernel import families

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


@dataclass(slots=True)
class Asker:
    """Who asks for a review of a child, as a holder of rights, and what the child begins with."""

    pid: int
    """Whoever asks; 0 is the person."""
    grants: list[Grant]
    """What the asker may use."""
    mounts: tuple[Mount, ...]
    """The files of the child: the asker's tools are used on them."""
    label: Label
    """Of what the asker writes."""
    confirmed: frozenset[str]
    """Tools that a person need not confirm again for the asker."""
    child_grants: list[Grant]
    """What the child may use."""
    models: tuple[str, ...]
    """The models that the child may use, and so its reviewers."""
    means: Means
    """What the child may spend."""
    program: ProgramSpec
    """What the child runs."""
    returns: dict[str, Any] | None
    """The schema that the child's result must fit besides."""
    forked: bool
    """Whether the child knows all that the asker knows."""
    handles: dict[int, Handle]
    """None: the arguments of a check refer to nothing."""
    documents: dict[int, Document]
    """None, as above."""

    def with_grants(self, grants: list[Grant]) -> Asker:
        other = copy(self)
        other.grants = grants
        return other


def must_be(kernel: Kernel, number: int, check: Check, asker: Asker) -> None:
    """Raises :class:`Refused` for a check that no result could pass."""
    try:
        _must_be(kernel, check, asker)
    except Refused as refusal:
        name = str(type(check).__struct_config__.tag)
        message = f"check {number} of the review ({name}) could never pass: {refusal.message}"
        raise Refused(refusal.rule, message) from refusal


def _must_be(kernel: Kernel, check: Check, asker: Asker) -> None:
    match check:
        case SchemaCheck(schema):
            _schema(schema, asker)
        case ToolCheck():
            _tool(kernel, check, asker)
        case ReceiptCheck():
            _receipt(kernel, check, asker)
        case ReviewerCheck():
            _reviewer(kernel, check, asker)
        case AgreementCheck():
            _agreement(check, asker)
        case PersonCheck():
            pass


def _schema(schema: dict[str, Any], asker: Asker) -> None:
    wrong = flaw(schema)
    if wrong:
        raise Refused("schema", f"its schema is not a JSON schema: {wrong}")
    why = unsatisfiable(schema)
    if why:
        raise Refused("schema", f"no value fits its schema: {why}")
    why = unsatisfiable({"allOf": [schema, asker.returns]}) if asker.returns is not None else ""
    if why:
        raise Refused("schema", f"no value fits both its schema and the one in returns: {why}")


def _known_tool(kernel: Kernel, name: str) -> ToolSpec:
    tool = kernel.tools.get(name)
    if tool is None:
        raise Refused("unknown", f"there is no tool {name!r} to check with; {closest(name, kernel.tools)}")
    return tool


def _tool(kernel: Kernel, check: ToolCheck, asker: Asker) -> None:
    """As when the check is made (:func:`gemot.kernel.reviewing._use`), but for the result, which nobody knows yet."""
    tool = _known_tool(kernel, check.tool)
    if tool.children:
        raise Refused(
            "unknown", f"{tool.name} is about children of its user, which a result has none of; use another tool"
        )
    schema, grants = tool.schema, asker.grants
    if check.value:
        names = schema.get("properties", {})
        if check.value not in names and schema.get("additionalProperties", False) is False:
            raise Refused(
                "malformed",
                f"{tool.name} has no argument {check.value!r} for the result; {closest(check.value, names)}",
            )
        required = [one for one in schema.get("required", []) if one != check.value]
        schema = schema | {"required": required}
        grants = [
            msgspec.structs.replace(one, where={n: r for n, r in one.where.items() if n.split(".")[0] != check.value})
            for one in grants
        ]
    stand = asker.with_grants(grants)
    given = {name: value for name, value in check.arguments.items() if name != check.value}
    filling = fill(stand, given, schema)
    wrong = mismatch(filling.arguments, schema)
    if wrong:
        raise Refused("malformed", f"{tool.name}: {wrong}")
    verdict = decide(stand, tool, filling, given, kernel.today)
    if verdict.ask:
        what = (
            f"{tool.name} needs a person's word first ({verdict.why})"
            if verdict.why
            else f"a person confirms {tool.name}"
        )
        raise Refused(
            "grant",
            f"{what}, and a check can't wait for that. Use another tool, or {{'check': 'person'}} for their own look",
        )
    if asker.means.millis < 1:
        raise Refused("budget", "seconds: the child has no time for tools; give it some seconds")


def _receipt(kernel: Kernel, check: ReceiptCheck, asker: Asker) -> None:
    tool = _known_tool(kernel, check.tool)
    if any(covers(one.tool, tool.name) for one in asker.child_grants):
        return
    can_grant = any(covers(one.tool, "grant") for one in asker.grants)
    if not can_grant or not any(covers(one.tool, tool.name) for one in asker.grants):
        held = listed(asker.child_grants, asker.mounts)
        raise Refused(
            "grant", f"the child may not use {tool.name}. It may use: {held}. Give it that tool, or check otherwise"
        )


def _reviewer(kernel: Kernel, check: ReviewerCheck, asker: Asker) -> None:
    program = families.known_program(kernel, check.program, {})
    if check.model and check.model not in asker.models:
        raise Refused(
            "grant",
            f"the model {check.model!r} may not be used here; these may: {', '.join(asker.models)}; or leave it out",
        )
    means = ledger.capped(ledger.share(asker.means, check.budget), program.limits)
    if program.kind == "ai" and means.tokens < limits.TOKENS_OUT_MIN:
        raise Refused(
            "budget", "tokens: the child has too few for a reviewer's reply; give the child more, or name budget"
        )


def _agreement(check: AgreementCheck, asker: Asker) -> None:
    if not 1 < check.least <= check.of <= limits.JUDGES_MAX:
        raise Refused(
            "malformed",
            f"an agreement is of 2 to {limits.JUDGES_MAX} results, least within of; not {check.least} of {check.of}",
        )
    if asker.forked:
        raise Refused("malformed", "an agreement is for spawned children: what a fork knew can't be had again")
    if not check.within >= 0:
        raise Refused("malformed", f"within is a difference, so 0 or more; not {check.within}")
    left = copy(asker.means)
    for number in range(2, check.of + 1):
        try:
            means = ledger.capped(ledger.share(left, None), asker.program.limits)
        except Refused as refusal:
            raise Refused(
                refusal.rule,
                f"{check.of - 1} others must do the same at once, and for number {number} of {check.of} the child has no means: "
                f"{refusal.message}",
            ) from refusal
        ledger.give(left, means)
