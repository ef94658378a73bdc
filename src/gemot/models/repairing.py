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
from collections.abc import Iterable
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


class Repair:
    """Hears the messages of a log one by one; turns that nothing can change any more come out in :attr:`closed`.

    A copy goes on by itself: a fork's log has the same beginning as its parent's.
    """

    __slots__ = ("_asked", "_begun", "_ids", "_ids_count", "_model", "_results", "_said", "_system", "closed")

    def __init__(self) -> None:
        self.closed: list[Message] = []
        """Turns that are complete, since somebody last took them out."""
        self._system: tuple[str, ...] = ()
        self._begun = False
        """A turn has been closed."""
        self._model: tuple[Part, ...] = ()
        """The parts of the last turn, if that is the model's: another message of the model's is added to it."""
        self._said: tuple[Text | Image, ...] = ()
        """What is no result of the last turn's requests."""
        self._asked: tuple[tuple[str, ToolRequest], ...] = ()
        """The last turn's requests, under the ids that the log has."""
        self._results: dict[str, ToolResult] = {}
        """Under the ids that are sent."""
        self._ids: dict[str, int] = {}
        """All ids so far, each with its number. Copies share it: each sees those with a number below its own count."""
        self._ids_count = 0

    def copy(self) -> Repair:
        twin = Repair()
        twin.closed = list(self.closed)
        twin._system, twin._begun, twin._model, twin._said = self._system, self._begun, self._model, self._said
        twin._asked, twin._results = self._asked, dict(self._results)
        twin._ids, twin._ids_count = self._ids, self._ids_count
        return twin

    @property
    def system(self) -> str:
        """The system's words at the head of the log."""
        return "\n\n".join(self._system)

    def hear(self, message: Message) -> None:
        if message.role == "system":
            self._hear_system(message)
        elif message.role == "model":
            self._hear_model(message)
        else:
            self._hear_user(message)

    def end(self) -> tuple[Message, ...]:
        """The turns that come after the closed ones, if the log ends here. Changes nothing."""
        rest = self.copy()
        rest.closed = []
        rest._answer()
        if rest._model or not rest._begun:
            if rest._model:
                rest._close(Message("model", rest._model))
            rest._close(Message("user", (Text(CONTINUE),)))
        return tuple(rest.closed)

    def _hear_system(self, message: Message) -> None:
        text = "\n".join(part.text for part in message.parts if isinstance(part, Text) and part.text.strip())
        if text and (self._begun or self._model or self._said):
            # Hoisting a later word to the top would change the beginning that prompt caches know.
            self._said += (Text(f"Note from the system:\n{text}"),)
        elif text:
            self._system += (text,)
        self._said += tuple(part for part in message.parts if isinstance(part, Image))  # a system's words have none

    def _hear_user(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._hear_result(part)
            elif isinstance(part, Image) or (isinstance(part, Text) and part.text.strip()):
                self._said += (part,)

    def _hear_result(self, result: ToolResult) -> None:
        for id_in_log, request in self._asked:
            if id_in_log == result.id and request.id not in self._results:
                self._results[request.id] = replace(result, id=request.id, name=request.name)
                return
        outcome = "result" if result.ok else "error"
        self._said += (
            Text(f"A late {outcome} of {result.name}, which was requested earlier:\n{result.text}"),
            *result.images,
        )

    def _hear_model(self, message: Message) -> None:
        parts = [part for part in message.parts if _says_something(part)]
        if all(isinstance(part, Reasoning) for part in parts):
            return  # nothing that another turn could follow on
        if self._asked or self._said:
            self._answer()
        asked: list[tuple[str, ToolRequest]] = []
        for part in parts:
            if isinstance(part, ToolRequest):
                request = replace(part, id=self._fresh_id(part.id))
                asked.append((part.id, request))
                self._model += (request,)
            else:
                self._model += (part,)
        self._asked = tuple(asked)

    def _fresh_id(self, id_in_log: str) -> str:
        candidate, again = id_in_log, 0
        while self._ids.get(candidate, self._ids_count) < self._ids_count or _ID.fullmatch(candidate) is None:
            candidate, again = "call_" + blake2s(f"{id_in_log}#{again}".encode()).hexdigest()[:16], again + 1
        if len(self._ids) > self._ids_count:  # a copy has gone on with it: from here on this one has its own
            self._ids = {id_: number for id_, number in self._ids.items() if number < self._ids_count}
        self._ids[candidate] = self._ids_count
        self._ids_count += 1
        return candidate

    def _answer(self) -> None:
        """Close the user's turn: a result for each request, then what was said."""
        results = [
            self._results.get(request.id) or ToolResult(request.id, request.name, NOT_EXECUTED, ok=False)
            for _, request in self._asked
        ]
        if results or self._said:
            if self._model:
                self._close(Message("model", self._model))
                self._model = ()
            self._close(Message("user", (*results, *self._said)))
        self._asked, self._results, self._said = (), {}, ()

    def _close(self, turn: Message) -> None:
        if not self._begun and turn.role == "model":
            self.closed.append(Message("user", (Text(BEGAN_EARLIER),)))
        self._begun = True
        self.closed.append(turn)


def repaired(messages: Iterable[Message]) -> Conversation:
    """A whole log at once."""
    repair = Repair()
    for message in messages:
        repair.hear(message)
    return Conversation(repair.system, (*repair.closed, *repair.end()))


def _says_something(part: Part) -> bool:
    if isinstance(part, Text):
        return bool(part.text.strip())
    return isinstance(part, Reasoning | ToolRequest)
