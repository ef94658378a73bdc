"""From a model's words to syscalls: every tool request is an allegation, decoded completely or answered with what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.messages import Reply, ToolRequest, ToolResult
from gemot.abi.rules import CUTS_ARE_TOLD
from gemot.abi.syscalls import SYSCALLS, Call, Exit, Generate, Syscall, ToolUse
from gemot.programs.port import unkept

REQUESTABLE = {name: kind for name, kind in SYSCALLS.items() if kind not in (Call, Generate)}
"""The syscalls that a model requests by name. `call` is made by naming a tool, `generate` by going on."""

KERNEL_ONLY = frozenset({"endorsed", "planned", "unsure"})
"""Words of a grant that nobody but the kernel may say."""

SCALARS = [{"type": kind} for kind in ("string", "integer", "number", "boolean", "null")]
"""Any value that is no list and no object needs no words in a schema."""

REQUESTS_MAX = 256
"""So many requests of one reply are carried out."""

ENDINGS = frozenset({"exit", "exec"})
"""After these nothing else of the same reply can be done."""

RESTING = frozenset({"exit", "exec", "complete", "wait", "receive"})
"""These rest on what came before them in the same reply: they report it as done, or sleep until it has an effect."""

FAILURES_TOLD_MAX = 3
"""How many failed requests a held-back one names: the first ones, as the others often follow from them."""

FAILURE_CHARS = 160
"""How much of a failure is repeated (characters): its whole text stands beside it in the same results."""


_EXIT_CODE = re.compile(r'\{"exit_code": ?(-?\d{1,9})[,}]')
"""How the result of a command begins."""


class Malformed(Exception):
    """The request can't be understood. The message shows the expected form."""


def held_back(name: str, results: Sequence[ToolResult]) -> str:
    """Why a request of this name is not carried out after these results of its own reply; ``""``: it may be.

    A model that writes several requests at once has not seen how the first ones end. It would report as done what failed,
    or wait for children that were never started.
    """
    others = [result for result in results if result.name != name]  # of the same name: this corrects it
    failures = [failure for result in others if (failure := _failure(result))] if name in RESTING else []
    if not failures:
        return ""
    more = len(failures) - FAILURES_TOLD_MAX
    rest = f"; and {more} more" if more > 0 else ""
    return (
        f"not done: {name} was not carried out, because requests before it in the same reply failed: "
        f"{'; '.join(failures[:FAILURES_TOLD_MAX])}{rest}. Look at what happened, then call {name} again if you still mean it"
    )


def _failure(result: ToolResult) -> str:
    """How a request failed, in one line; ``""`` if it did not. A command that ran and reports failure counts as failed."""
    code = _EXIT_CODE.match(result.text) if result.ok else None
    if result.ok and (code is None or not int(code[1])):
        return ""
    words = " ".join(result.text.split()) if code is None else f"exit code {code[1]}"
    return f"{result.name} ({words if len(words) <= FAILURE_CHARS else words[:FAILURE_CHARS] + '...'})"


def requests(reply: Reply) -> tuple[ToolRequest, ...]:
    return tuple([part for part in reply.parts if isinstance(part, ToolRequest)])


def taken(reply: Reply, rules: int) -> tuple[ToolRequest, ...]:
    """The requests of a reply that are carried out."""
    wanted = requests(reply)
    return wanted[:REQUESTS_MAX] if rules >= CUTS_ARE_TOLD else wanted


def left(reply: Reply, rules: int) -> tuple[ToolResult, ...]:
    """The answers to those that are not, because there are too many."""
    if rules < CUTS_ARE_TOLD:
        return ()
    many = requests(reply)
    why = f"not done: one reply had {len(many):,} requests, and the first {REQUESTS_MAX} were taken. Make this one again, if you still mean it"
    return tuple(ToolResult(request.id, request.name, why, False) for request in many[REQUESTS_MAX:])


def is_whole(request: ToolRequest) -> bool:
    """Whether the arguments of a request are whole JSON: those of one that was cut off are not."""
    try:
        msgspec.json.decode(request.arguments.strip() or "{}")
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def cut_off(reply: Reply) -> str:
    """What a model is told of a reply that was cut off."""
    return (
        f"your reply was cut off at {reply.usage.tokens_out:,} tokens, which is the most that one reply may have. Say it in parts, each in a "
        "reply of its own: a long file with files/write for its beginning, and files/edit for what follows"
    )


def cut_too_often(reply: Reply, times: int) -> str:
    """Why a process can't go on whose replies are cut off again and again."""
    return (
        f"{times} replies in a row were cut off, the last one at {reply.usage.tokens_out:,} tokens. A smaller task, or a model whose replies "
        "may be longer, would help"
    )


def decode(request: ToolRequest) -> Syscall | ToolUse:
    """One request -> the syscall or tool use it stands for. Raises :class:`Malformed`."""
    text = request.arguments.strip() or "{}"
    try:
        wanted = _wanted(request.name, text)
    except RecursionError:
        wanted = None
    except msgspec.ValidationError as error:
        raise Malformed(
            f"the arguments of {request.name} don't fit: {error}. Expected: {_form(request.name, str(error))}"
        ) from error
    except msgspec.DecodeError as error:
        raise Malformed(
            f"the arguments of {request.name} are not JSON ({error}). Write one JSON object{_example(request.name)}"
        ) from error
    wrong = f"a value nested more than {limits.NESTING_MAX} deep" if wanted is None else unkept(wanted)
    if wanted is None or wrong:
        raise Malformed(f"the arguments of {request.name} hold {wrong}; make it smaller")
    return wanted


def _wanted(name: str, text: str) -> Syscall | ToolUse:
    if name in REQUESTABLE:
        syscall = msgspec.json.decode(text, type=REQUESTABLE[name])
        return _with_our_names(syscall) if isinstance(syscall, Exit) else syscall
    arguments: Any = msgspec.json.decode(text)
    if not isinstance(arguments, dict):
        raise Malformed(f"the arguments of {name} must be one JSON object, not {type(arguments).__name__}")
    if "/" not in name:
        near = difflib.get_close_matches(name, REQUESTABLE, 2, 0.5)
        hint = f"; did you mean {' or '.join(near)}" if near else ""
        raise Malformed(f"there is nothing called {name!r} here{hint}. Tools are named driver/tool, e.g. files/read")
    return ToolUse(name, cast("dict[str, Any]", arguments))


def _with_our_names(syscall: Exit) -> Exit:
    """Claims name tools, and a model knows those as its provider spells them: ``shell__run``."""
    ours = {claim: tool if "/" in tool else tool.replace("__", "/", 1) for claim, tool in syscall.claims.items()}
    return msgspec.structs.replace(syscall, claims=ours)


def _form(name: str, error: str = "") -> str:
    """The expected arguments, or just the one that ``error`` is about: what helps, and not more."""
    if name not in REQUESTABLE:
        return "what its description says"
    properties: dict[str, Any] = schema_of(name).get("properties", {})
    at = re.search(r"`\$\.(\w+)", error)
    shown = {at[1]: properties[at[1]]} if at is not None and at[1] in properties else properties
    return msgspec.json.encode(shown).decode()


def _example(name: str) -> str:
    return f": {_form(name)}" if name in REQUESTABLE else ', e.g. {"path": "notes.md"}'


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema of a syscall's arguments, without references, as models are shown it."""
    schema = _schemas.get(name)
    if schema is None:
        schema = _schemas[name] = _without_references(REQUESTABLE[name])
    return schema


_schemas: dict[str, dict[str, Any]] = {}


def schema_beside_spawn(name: str) -> dict[str, Any]:
    """The same for a model that is shown `spawn`, too: what stands there already is not said, and paid for, again."""
    return schema_of(name) if name == "spawn" else _beside(schema_of(name), schema_of("spawn")["properties"])


def _beside(schema: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    shown = dict(schema)
    if "properties" in schema:
        shown["properties"] = {
            name: _as_in_spawn(one, known[name])
            if _nested(one) and _nested(one) == _nested(known.get(name, {}))
            else _beside(one, known)
            for name, one in cast("dict[str, dict[str, Any]]", schema["properties"]).items()
        }
    if "items" in schema:
        shown["items"] = _beside(schema["items"], known)
    return shown


def _nested(schema: dict[str, Any]) -> dict[str, Any]:
    """What is within a schema, if anything is."""
    return {key: schema[key] for key in ("items", "properties") if key in schema}


def _as_in_spawn(schema: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    own = {} if _described(schema) == _described(there) else _described(schema)
    short: dict[str, Any] = {"description": "As in spawn."} | own | {"type": schema["type"]}
    return short | {"items": {}} if schema["type"] == "array" else short


def _described(members: dict[str, Any]) -> dict[str, Any]:
    return {"description": members["description"]} if "description" in members else {}


def _without_references(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """As short as it can be said: every token of it is paid for at every turn."""
    (reference,), components = msgspec.json.schema_components([kind])

    within: list[str] = []

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        members = cast("dict[str, Any]", node)
        if "$ref" in members:
            name = members["$ref"].rsplit("/", 1)[1]
            if name in within:
                return {"type": "object", "description": f"a {name}, as above"}
            within.append(name)
            try:
                # what a class says of itself is for us; what its field says of it is for the model
                return resolve(
                    {key: value for key, value in components[name].items() if key != "description"}
                ) | _described(members)
            finally:
                within.pop()
        if members.get("anyOf") == SCALARS:
            return _described(members)
        kinds = [one for one in members.get("anyOf", []) if one != {"type": "null"}]
        if len(kinds) == 1:
            members = (
                {key: value for key, value in members.items() if key != "anyOf"}
                | resolve(kinds[0])
                | _described(members)
            )
        short = {key: resolve(value) for key, value in members.items() if key != "title"}
        if "properties" in short:
            short["properties"] = {key: value for key, value in short["properties"].items() if key not in KERNEL_ONLY}
        short.pop("discriminator", None)
        if short.get("default", 0) in (None, "", {}, [], ()):
            del short["default"]
        if not short.get("required", True):
            del short["required"]
        if short.get("additionalProperties") is False:
            del short["additionalProperties"]
        return short

    schema: dict[str, Any] = resolve(reference)
    schema["properties"].pop("type", None)
    if "required" in schema:
        schema["required"] = [one for one in schema["required"] if one != "type"]
    return schema
