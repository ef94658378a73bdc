"""The loaded model: it counts tokens, scores texts by log-probability and continues a text.

Prompts are turns, ``[role, text]``, in the model's own chat form (ChatML); the last turn is left open and may have
begun with ``lead``. What stands in a turn is never read as a control token, whatever it spells. A turn with the role
``raw`` is taken as it is, without chat form.

Several prompts stay resident. A new one takes over the longest beginning it shares with any of them by reference,
and only the rest is computed; options that are scored after one prompt share it in the same way.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemot.models.embedded import native

WINDOW = 4096
"""Tokens of one prompt and its reply together."""
CELLS = 6144
"""Tokens the cache holds over all resident prompts and options (about 140 MB)."""
RESIDENT = 4
"""Prompts kept for the next call that begins like them."""
TOGETHER = 24
"""Options scored in one pass."""
CHUNK = 256
"""Tokens between two looks at whether the work was cancelled."""
_BOUND = 24.0
"""Near the largest logit this model gives; subtracted before exponentials so that they neither overflow nor vanish."""

Turns = Sequence[Sequence[str]]


class Cancelled(Exception):
    """The work was given up in the middle."""


class TooLong(Exception):
    """The prompt does not fit the window."""


@dataclass
class Tally:
    """What one operation used: tokens computed of the prompt, tokens taken over from earlier prompts, tokens made."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0


@dataclass
class _Slot:
    sequence: int
    tokens: list[int] = field(default_factory=list[int])
    used_at: int = 0


class Weights:
    def __init__(self, path: Path, threads: int) -> None:
        self._library = native.load()
        native.quieten(self._library)
        self._library.llama_backend_init()
        model = self._library.llama_model_load_from_file(str(path).encode(), self._library.llama_model_default_params())
        if not model:
            raise native.Mismatch(f"{path} is not a model file this engine can load; run: gemot model install")
        params = self._library.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = CELLS, RESIDENT + TOGETHER, True
        self._context = self._library.llama_init_from_model(model, params)
        if not self._context:
            raise native.Mismatch("the engine gave no context for the model; is there 400 MB of free memory?")
        self._threads = threads
        self._memory = self._library.llama_get_memory(self._context)
        self._vocab = self._library.llama_model_get_vocab(model)
        self._vocab_size: int = self._library.llama_vocab_n_tokens(self._vocab)
        self._row = (ctypes.c_float * self._vocab_size)()
        self._batch: native.Batch = self._library.llama_batch_init(max(CHUNK, 1024), 0, 1)
        self._slots = [_Slot(number) for number in range(RESIDENT)]
        self._clock = 0
        self._check()

    def _check(self) -> None:
        """The structures we wrote were read as we meant them, and text survives the way to tokens and back."""
        sequences: int = self._library.llama_n_seq_max(self._context)
        per_sequence: int = self._library.llama_n_ctx_seq(self._context)
        text = "Two words, 17 * 23; naïve <|im_end|>"
        back = b"".join(self._piece(token) for token in self._tokens(text, control=False)).decode()
        if (sequences, per_sequence, back) != (RESIDENT + TOGETHER, CELLS, text) or self._vocab_size < 1000:
            raise native.Mismatch(
                f"{native.PACKAGE} {native.VERSION} does not do what it is asked on this computer (sequences "
                f"{sequences}, cells {per_sequence}, vocabulary {self._vocab_size}, text {back!r}); nothing was computed"
            )

    def count(self, text: str) -> int:
        return len(self._tokens(text, control=False))

    def score(
        self, turns: Turns, lead: str, options: Sequence[str], stop: Callable[[], bool]
    ) -> tuple[list[tuple[float, int]], Tally]:
        """For each option the sum of its tokens' natural log-probabilities after the prompt, and how many they are."""
        prompt = self._prompt(turns, lead)
        longest = 4 + max((self.count(option) for option in options), default=0)
        tally = Tally()
        slot = self._make_resident(prompt, min(longest * min(len(options), TOGETHER), CELLS // 2), tally, stop)
        tokens = [self._tokens(option, control=False) or [self._tokens("\n", control=False)[0]] for option in options]
        first = [self._logprob(-1, option[0]) for option in tokens]
        scores: list[tuple[float, int]] = []
        at = 0
        while at < len(tokens):
            group: list[list[int]] = []
            while at + len(group) < len(tokens) and len(group) < TOGETHER:
                option = tokens[at + len(group)]
                if group and sum(map(len, group)) + len(option) > 1024:
                    break
                group.append(option[:1024])
            scores += self._score_group(slot, len(prompt), group, first[at : at + len(group)], stop)
            at += len(group)
            tally.tokens_in += sum(map(len, group))
        return scores, tally

    def _score_group(
        self, slot: _Slot, start: int, group: list[list[int]], first: list[float], stop: Callable[[], bool]
    ) -> list[tuple[float, int]]:
        if stop():
            raise Cancelled
        entries: list[tuple[int, int, int, bool]] = []
        for number, option in enumerate(group):
            sequence = RESIDENT + number
            self._library.llama_memory_seq_cp(self._memory, slot.sequence, sequence, -1, -1)
            entries += [(token, start + at, sequence, True) for at, token in enumerate(option[:-1])]
        if entries:
            self._decode(entries)
        scores: list[tuple[float, int]] = []
        row = 0
        for number, option in enumerate(group):
            total = first[number]
            for token in option[1:]:
                total += self._logprob(row, token)
                row += 1
            scores.append((total, len(option)))
            self._library.llama_memory_seq_rm(self._memory, RESIDENT + number, -1, -1)
        return scores

    def complete(
        self,
        turns: Turns,
        lead: str,
        tokens_max: int,
        until: Sequence[str],
        stop: Callable[[], bool],
        heard: Callable[[str], None],
    ) -> tuple[str, str, Tally]:
        """Continue the prompt with the likeliest token each time: text, why it ended (``stop``, ``length``), tally."""
        prompt = self._prompt(turns, lead)
        tally = Tally()
        room = min(tokens_max, WINDOW - len(prompt))
        slot = self._make_resident(prompt, room, tally, stop)
        made, said, finish = b"", "", "length"
        for at in range(room):
            if stop():
                raise Cancelled
            token = self._likeliest()
            tally.tokens_out += 1
            if self._library.llama_vocab_is_eog(self._vocab, token):
                finish = "stop"
                break
            made += self._piece(token)
            text = made.decode(errors="ignore")
            ends = [found for mark in until if (found := text.find(mark)) >= 0]
            text = text[: min(ends)] if ends else text
            if len(text) > len(said):
                heard(text[len(said) :])
                said = text
            if ends:
                finish = "stop"
                break
            self._decode([(token, len(prompt) + at, slot.sequence, True)])
        self._library.llama_memory_seq_rm(self._memory, slot.sequence, len(prompt), -1)
        return said, finish, tally

    def _prompt(self, turns: Turns, lead: str) -> list[int]:
        tokens: list[int] = []
        for role, text in turns:
            if role == "raw":
                tokens += self._tokens(text, control=False)
                continue
            tokens += self._tokens(f"<|im_start|>{role}\n", control=True)
            tokens += self._tokens(text, control=False)
            tokens += self._tokens("<|im_end|>\n", control=True)
        if turns and turns[-1][0] != "raw":
            tokens += self._tokens("<|im_start|>assistant\n", control=True)
        tokens += self._tokens(lead, control=False) if lead else []
        if len(tokens) >= WINDOW:
            raise TooLong(f"the prompt has {len(tokens):,} tokens; the embedded model's window is {WINDOW:,}")
        return tokens

    def _make_resident(self, prompt: list[int], room: int, tally: Tally, stop: Callable[[], bool]) -> _Slot:
        """A slot that holds exactly ``prompt``, its last token just computed, with ``room`` free cells left."""
        self._clock += 1
        best = max(self._slots, key=lambda slot: _shared(slot.tokens, prompt))
        shared = min(_shared(best.tokens, prompt), len(prompt) - 1)
        slot = best
        if shared < len(best.tokens) - 1:
            slot = min((slot for slot in self._slots if slot is not best), key=lambda slot: slot.used_at)
            self._forget(slot)
            self._library.llama_memory_seq_cp(self._memory, best.sequence, slot.sequence, 0, shared)
            slot.tokens = prompt[:shared]
        slot.used_at = best.used_at = self._clock
        others = sorted((other for other in self._slots if other is not slot), key=lambda other: other.used_at)
        while sum(len(other.tokens) for other in others) + len(prompt) + room > CELLS and others:
            self._forget(others.pop(0))
        self._library.llama_memory_seq_rm(self._memory, slot.sequence, shared, -1)
        slot.tokens = slot.tokens[:shared]
        tally.tokens_cached += shared
        while len(slot.tokens) < len(prompt):
            if stop():
                raise Cancelled
            at = len(slot.tokens)
            chunk = prompt[at : at + CHUNK]
            last = at + len(chunk) == len(prompt)
            end = len(chunk) - 1
            self._decode([(t, at + i, slot.sequence, last and i == end) for i, t in enumerate(chunk)])
            slot.tokens += chunk
            tally.tokens_in += len(chunk)
        return slot

    def _forget(self, slot: _Slot) -> None:
        self._library.llama_memory_seq_rm(self._memory, slot.sequence, -1, -1)
        slot.tokens = []

    def _decode(self, entries: Sequence[tuple[int, int, int, bool]]) -> None:
        """Compute (token, position, sequence, logits wanted) entries."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for at, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position, 1
            batch.seq_id[at][0] = sequence
            batch.logits[at] = wanted
        threads = max(1, min(self._threads, _free_processors()))
        self._library.llama_set_n_threads(self._context, threads, threads)
        status = self._library.llama_decode(self._context, batch)
        if status != 0:
            for slot in self._slots:
                slot.tokens = []
            self._library.llama_memory_clear(self._memory, True)
            raise RuntimeError(f"the engine could not compute {len(entries)} tokens (status {status})")

    def _logprob(self, row: int, token: int) -> float:
        address: int = self._library.llama_get_logits_ith(self._context, row)
        logits = (ctypes.c_float * self._vocab_size).from_address(address)
        bound = _BOUND
        total: float = self._library.ggml_vec_soft_max_f32(self._vocab_size, self._row, address, bound)
        if not 1e-20 < total < math.inf:
            bound = max(logits)
            total = self._library.ggml_vec_soft_max_f32(self._vocab_size, self._row, address, bound)
        return logits[token] - bound - math.log(total)

    def _likeliest(self) -> int:
        address: int = self._library.llama_get_logits_ith(self._context, -1)
        logits: list[float] = (ctypes.c_float * self._vocab_size).from_address(address)[:]
        return logits.index(max(logits))

    def _tokens(self, text: str, *, control: bool) -> list[int]:
        raw = text.encode()
        room = (ctypes.c_int32 * (len(raw) + 8))()
        count: int = self._library.llama_tokenize(self._vocab, raw, len(raw), room, len(room), False, control)
        if count < 0:
            raise RuntimeError(f"the engine could not read a text of {len(raw):,} bytes as tokens")
        return room[:count]

    def _piece(self, token: int) -> bytes:
        room = ctypes.create_string_buffer(256)
        length: int = self._library.llama_token_to_piece(self._vocab, token, room, len(room), 0, True)
        return room.raw[: max(length, 0)]


def _free_processors() -> int:
    """How many processors this thread and threads of ours could have now.

    The engine's threads wait for each other by spinning: one that has to share its processor makes all of them many
    times slower than a single thread is.
    """
    try:
        with open("/proc/loadavg") as file:
            others = int(file.read().split()[3].partition("/")[0]) - 1
        return len(os.sched_getaffinity(0)) - others
    except (OSError, AttributeError, IndexError, ValueError):
        return os.cpu_count() or 1


def _shared(left: list[int], right: list[int]) -> int:
    for at, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return at
    return min(len(left), len(right))
