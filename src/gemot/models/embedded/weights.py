"""The loaded model: it counts tokens, scores texts by log-probability and continues a text.

Prompts are turns, ``[role, text]``, in the model's own chat form (ChatML); the last turn is left open and may have
begun with ``lead``. What stands in a turn is never read as a control token, whatever it spells. A turn with the role
``raw`` is taken as it is, without chat form.

What was computed stays (:mod:`gemot.models.embedded.prefixes`). A new prompt takes over the longest beginning that it
shares with anything kept by reference, and only the rest is computed; options that are scored after one prompt share it
in the same way. Where a trial shows that the engine can't share here, every prompt is computed whole: the same results,
later.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gemot.models.embedded import native, trial
from gemot.models.embedded.prefixes import Kept, Prefixes

WINDOW = 4096
"""Tokens of one prompt and its reply together."""
CELLS = 6144
"""Tokens kept over all prompts and options, those that are shared counted once (about 140 MB)."""
RESIDENT = 16
"""Prompts kept for the next call that begins like them: eight forks, their parent, and as many again. Each that is kept
makes every token a little slower, by a tenth for 1,500 tokens."""
TOGETHER = 24
"""Options scored in one pass."""
SEQUENCES = RESIDENT + TOGETHER + 1
_COMPANION = SEQUENCES - 1
"""A sequence for a token that is computed only so that another one is not computed alone."""
OPTION_TOKENS_MAX = 1024
"""Tokens of one option that are looked at, and of all that are scored in one pass."""
CHUNK = 256
"""Tokens between two looks at whether the work was cancelled."""
_BOUND = 24.0
"""Near the largest logit this model gives; subtracted before exponentials so that they neither overflow nor vanish."""

_NO_FLASH = 0
"""The engine's fused attention rounds by what else is in the cache and by where a prompt was cut into portions, and with
weights of eight bits that moves logits by up to 0.8. Without it the same prompt has the same logits nearly always, whatever
was computed before it, as long as no token of it is computed alone: one alone goes through other code."""
_NO_CELLS = 1
"""What the engine returns where no cell is free; it has changed nothing then."""

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
class _Cells:
    """The engine's memory of one context; see :class:`gemot.models.embedded.prefixes.Memory`."""

    library: ctypes.CDLL
    address: int

    def copy(self, source: int, target: int, length: int) -> None:
        self.library.llama_memory_seq_cp(self.address, source, target, 0, length)

    def cut(self, sequence: int, start: int) -> None:
        self.library.llama_memory_seq_rm(self.address, sequence, start, -1)

    def clear(self) -> None:
        self.library.llama_memory_clear(self.address, True)


class Weights:
    """``sharing`` False: every prompt is computed whole. ``unshared`` says why that is so, ``""`` where it is not.

    Raises :class:`native.Missing` or :class:`native.Mismatch`.
    """

    def __init__(self, path: Path, threads: int, sharing: bool = True) -> None:
        self._library = native.load()
        native.quieten(self._library)
        self._library.llama_backend_init()
        model = self._library.llama_model_load_from_file(str(path).encode(), self._library.llama_model_default_params())
        if not model:
            raise native.Mismatch(f"{path} is not a model file this engine can load; run: gemot model install")
        params = self._library.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = CELLS, SEQUENCES, True
        params.flash_attn_type = _NO_FLASH
        self._context = self._library.llama_init_from_model(model, params)
        if not self._context:
            raise native.Mismatch("the engine gave no context for the model; is there 400 MB of free memory?")
        self._threads = threads
        self._cells = _Cells(self._library, self._library.llama_get_memory(self._context))
        self._vocab = self._library.llama_model_get_vocab(model)
        self._vocab_size: int = self._library.llama_vocab_n_tokens(self._vocab)
        self._row = (ctypes.c_float * self._vocab_size)()
        self._batch: native.Batch = self._library.llama_batch_init(max(CHUNK, OPTION_TOKENS_MAX), 0, 1)
        self._prefixes = Prefixes(self._cells, 1, CELLS, sharing=False)
        self._check()
        self.unshared = self._try_sharing() if sharing else "it was not asked to"
        self._prefixes = Prefixes(self._cells, RESIDENT, CELLS, sharing=not self.unshared)

    def _check(self) -> None:
        """The structures we wrote were read as we meant them, and text survives the way to tokens and back."""
        sequences: int = self._library.llama_n_seq_max(self._context)
        per_sequence: int = self._library.llama_n_ctx_seq(self._context)
        text = "Two words, 17 * 23; naïve <|im_end|>"
        back = b"".join(self._piece(token) for token in self._tokens(text, control=False)).decode()
        if (sequences, per_sequence, back) != (SEQUENCES, CELLS, text) or self._vocab_size < 1000:
            raise native.Mismatch(
                f"{native.PACKAGE} {native.VERSION} does not do what it is asked on this computer (sequences "
                f"{sequences}, cells {per_sequence}, vocabulary {self._vocab_size}, text {back!r}); nothing was computed"
            )
        batch = self._batch
        if batch.n_tokens or batch.embd or not (batch.token and batch.pos and batch.n_seq_id and batch.logits):
            raise native.Mismatch(
                f"{native.PACKAGE} {native.VERSION} lays its batches out differently on this computer"
            )
        if reason := trial.unsound(self._tried(), self._cells, self._compute):
            raise native.Mismatch(f"{native.PACKAGE} {native.VERSION} can't compute on this computer: {reason}")

    def _try_sharing(self) -> str:
        missing = native.missing_to_share(self._library)
        if missing:
            return f"{native.PACKAGE} {native.VERSION} does not export {', '.join(missing)}"
        return trial.unshared(self._tried(), self._cells, self._compute)

    def _tried(self) -> list[int]:
        return self._tokens("One, two, three, five", control=False)

    def _compute(self, sequence: int, start: int, tokens: Sequence[int]) -> list[float]:
        last = len(tokens) - 1
        self._decode([(token, start + at, sequence, at == last) for at, token in enumerate(tokens)], None)
        return self._logits()

    def count(self, text: str) -> int:
        return len(self._tokens(text, control=False))

    def score(
        self, turns: Turns, lead: str, options: Sequence[str], stop: Callable[[], bool]
    ) -> tuple[list[tuple[float, int]], Tally]:
        """For each option the sum of its tokens' natural log-probabilities after the prompt, and how many they are."""
        prompt = self._prompt(turns, lead)
        tokens = [self._tokens(option, control=False) or [self._tokens("\n", control=False)[0]] for option in options]
        tokens = [option[:OPTION_TOKENS_MAX] for option in tokens]
        tally = Tally()
        room = min(max(map(len, tokens), default=0) * min(len(tokens), TOGETHER), CELLS // 2)
        mine = self._resident(prompt, room, tally, stop)
        first = [self._logprob(-1, option[0]) for option in tokens]
        if self.unshared:
            return [self._score_alone(prompt, *one, tally, stop) for one in zip(tokens, first, strict=True)], tally
        scores: list[tuple[float, int]] = []
        at = 0
        while at < len(tokens):
            group: list[list[int]] = []
            while at + len(group) < len(tokens) and len(group) < TOGETHER:
                option = tokens[at + len(group)]
                if group and sum(map(len, group)) + len(option) > OPTION_TOKENS_MAX:
                    break
                group.append(option)
            scores += self._score_group(mine, group, first[at : at + len(group)], stop)
            at += len(group)
            tally.tokens_in += sum(map(len, group))
        return scores, tally

    def _score_alone(
        self, prompt: list[int], option: list[int], first: float, tally: Tally, stop: Callable[[], bool]
    ) -> tuple[float, int]:
        """An option where nothing may be shared: the prompt is computed again before it."""
        if len(option) > 1:
            mine = self._resident(prompt[:-1] or prompt, len(option), tally, stop)
            start = len(mine.tokens)
            ends = prompt[start:] + option[:-1]
            self._decode([(token, start + at, 0, True) for at, token in enumerate(ends)], None)
        rest = sum(self._logprob(row - len(option) + 1, token) for row, token in enumerate(option[1:]))
        tally.tokens_in += len(option)
        return first + rest, len(option)

    def _score_group(
        self, mine: Kept, group: list[list[int]], first: list[float], stop: Callable[[], bool]
    ) -> list[tuple[float, int]]:
        if stop():
            raise Cancelled
        start = len(mine.tokens)
        entries: list[tuple[int, int, int, bool]] = []
        for number, option in enumerate(group):
            sequence = RESIDENT + number
            self._cells.copy(mine.sequence, sequence, start)
            entries += [(token, start + at, sequence, True) for at, token in enumerate(option[:-1])]
        if len(entries) == 1:
            entries += [(entries[0][0], 0, _COMPANION, False)]
        try:
            if entries:
                self._decode(entries, mine)
        finally:
            for sequence in range(RESIDENT, SEQUENCES):
                self._cells.cut(sequence, 0)
        scores: list[tuple[float, int]] = []
        row = 0
        for number, option in enumerate(group):
            total = first[number]
            for token in option[1:]:
                total += self._logprob(row, token)
                row += 1
            scores.append((total, len(option)))
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
        mine = self._resident(prompt, room, tally, stop)
        made, said, finish = b"", "", "length"
        for at in range(room):
            if stop():
                self._prefixes.cut(mine, len(prompt))
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
            self._decode([(token, len(prompt) + at, mine.sequence, True)], mine)
        self._prefixes.cut(mine, len(prompt))
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
        tokens = tokens or self._tokens("\n", control=False)
        if len(tokens) >= WINDOW:
            raise TooLong(f"the prompt has {len(tokens):,} tokens; the embedded model's window is {WINDOW:,}")
        return tokens

    def _resident(self, prompt: list[int], room: int, tally: Tally, stop: Callable[[], bool]) -> Kept:
        """A sequence that holds exactly ``prompt``, its last token just computed, with ``room`` free cells left."""
        mine = self._prefixes.begin(prompt, room)
        tally.tokens_cached += len(mine.tokens)
        while len(mine.tokens) < len(prompt):
            if stop():
                raise Cancelled
            at = len(mine.tokens)
            chunk = prompt[at : at + CHUNK - (len(prompt) == at + CHUNK + 1)]  # none is left to be computed alone
            last = at + len(chunk) == len(prompt)
            end = len(chunk) - 1
            self._decode([(t, at + i, mine.sequence, last and i == end) for i, t in enumerate(chunk)], mine)
            mine.tokens += chunk
            tally.tokens_in += len(chunk)
        self._prefixes.settle(mine)
        return mine

    def _decode(self, entries: Sequence[tuple[int, int, int, bool]], mine: Kept | None) -> None:
        """Compute (token, position, sequence, logits wanted) entries; what is kept makes room for them, but for ``mine``."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for at, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position, 1
            batch.seq_id[at][0] = sequence
            batch.logits[at] = wanted
        threads = max(1, min(self._threads, _free_processors()))
        self._library.llama_set_n_threads(self._context, threads, threads)
        status = self._library.llama_decode(self._context, batch)
        while status == _NO_CELLS and mine is not None and self._prefixes.let_go(mine):
            status = self._library.llama_decode(self._context, batch)
        if status != 0:
            self._prefixes.forget()
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
        logits = self._logits()
        return logits.index(max(logits))

    def _logits(self) -> list[float]:
        """Of the token that was computed last."""
        address: int = self._library.llama_get_logits_ith(self._context, -1)
        return (ctypes.c_float * self._vocab_size).from_address(address)[:]

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
