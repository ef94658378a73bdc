"""Makes any log a conversation that every provider accepts, without changing what was said.

Providers refuse what a log may well hold after a move, a crash or a fork: a request without a result, a result
whose request is gone, two messages of one role in a row, empty texts, ids that repeat. The rules they share:

- the system's words first; then turns, the user's and the model's in alternation, the user's first and last;
- the turn after a model's requests answers each of them once, before anything else;
- ids are unique, at most 40 characters of ``A-Z a-z 0-9 _ -``;
- images are the user's: of a message, or of a result. They stay where what they belong to goes.

Only what is sent is repaired; the log stays as it is. The same log is always repaired the same way, and a longer
log keeps the beginning of a shorter one, so that prompt caches are hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2s

from msgspec import Struct
from msgspec.structs import replace

from gemot.abi.messages import Image, Message, Part, Reasoning, Text, ToolRequest, ToolResult

NOT_EXECUTED = "Not executed: the conversation went on before this request was carried out."
BEGAN_EARLIER = "(The beginning of this conversation is not shown.)"
CONTINUE = "Continue."
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Conversation(Struct, frozen=True):
    """``system`` is the system's words; ``turns`` alternate between the roles ``user`` and ``model``.

    A user's turn holds results (one for each request of the turn before), then texts and images, in the order of the log.
    """

    system: str
    turns: tuple[Message, ...]


def repaired(messages: Iterable[Message]) -> Conversation:
    repair = _Repair()
    for message in messages:
        if message.role == "system":
            repair.hear_system(message)
        elif message.role == "model":
            repair.hear_model(message)
        else:
            repair.hear_user(message)
    return repair.finish()


class _Repair:
    def __init__(self) -> None:
        self.system: list[str] = []
        self.turns: list[Message] = []
        self.said: list[Text | Image] = []  # what is no result of the last turn's requests
        self.asked: list[tuple[str, ToolRequest]] = []  # the last turn's requests, under the ids the log has
        self.results: dict[str, ToolResult] = {}  # under the ids that are sent
        self.ids: set[str] = set()

    def hear_system(self, message: Message) -> None:
        text = "\n".join(part.text for part in message.parts if isinstance(part, Text) and part.text.strip())
        if text and (self.turns or self.said):
            # Hoisting a later word to the top would change the beginning that prompt caches know.
            self.said.append(Text(f"Note from the system:\n{text}"))
        elif text:
            self.system.append(text)
        self.said += [part for part in message.parts if isinstance(part, Image)]  # a system's words have none

    def hear_user(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, ToolResult):
                self.hear_result(part)
            elif isinstance(part, Image) or (isinstance(part, Text) and part.text.strip()):
                self.said.append(part)

    def hear_result(self, result: ToolResult) -> None:
        for id_in_log, request in self.asked:
            if id_in_log == result.id and request.id not in self.results:
                self.results[request.id] = replace(result, id=request.id, name=request.name)
                return
        outcome = "result" if result.ok else "error"
        self.said.append(Text(f"A late {outcome} of {result.name}, which was requested earlier:\n{result.text}"))
        self.said += result.images

    def hear_model(self, message: Message) -> None:
        parts = [part for part in message.parts if _says_something(part)]
        if all(isinstance(part, Reasoning) for part in parts):
            return  # nothing that another turn could follow on
        if self.asked or self.said:
            self.answer()
        parts, asked = self.with_fresh_ids(parts)
        if self.turns and self.turns[-1].role == "model":
            self.turns[-1] = Message("model", (*self.turns[-1].parts, *parts))
        else:
            self.turns.append(Message("model", tuple(parts)))
        self.asked = asked

    def with_fresh_ids(self, parts: Sequence[Part]) -> tuple[list[Part], list[tuple[str, ToolRequest]]]:
        fresh: list[Part] = []
        asked: list[tuple[str, ToolRequest]] = []
        for part in parts:
            if isinstance(part, ToolRequest):
                request = replace(part, id=self.fresh_id(part.id))
                asked.append((part.id, request))
                fresh.append(request)
            else:
                fresh.append(part)
        return fresh, asked

    def fresh_id(self, id_in_log: str) -> str:
        candidate, again = id_in_log, 0
        while candidate in self.ids or _ID.fullmatch(candidate) is None:
            candidate, again = "call_" + blake2s(f"{id_in_log}#{again}".encode()).hexdigest()[:16], again + 1
        self.ids.add(candidate)
        return candidate

    def answer(self) -> None:
        """Close the user's turn: a result for each request, then what was said."""
        results = [
            self.results.get(request.id) or ToolResult(request.id, request.name, NOT_EXECUTED, ok=False)
            for _, request in self.asked
        ]
        if results or self.said:
            self.turns.append(Message("user", (*results, *self.said)))
        self.asked, self.results, self.said = [], {}, []

    def finish(self) -> Conversation:
        self.answer()
        if not self.turns or self.turns[-1].role == "model":
            self.turns.append(Message("user", (Text(CONTINUE),)))
        if self.turns[0].role == "model":
            self.turns.insert(0, Message("user", (Text(BEGAN_EARLIER),)))
        return Conversation("\n\n".join(self.system), tuple(self.turns))


def _says_something(part: Part) -> bool:
    if isinstance(part, Text):
        return bool(part.text.strip())
    return isinstance(part, Reasoning | ToolRequest)
