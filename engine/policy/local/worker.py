"""The thread that owns the model.

    inbox --> waiting --> admit (prompt computed or known, copied into a slot) --> active rows
                            ^                                                          |
                            +---- a slot is freed: end, stop, budget, abort <---- step, draw

Between two steps it obeys what has come in: new requests, aborted ones, new weights. A request of
n completions is n rows; rows wait in the order of arrival and join the batch as slots become free,
so a batch never waits for its longest row. With nothing to do the thread sleeps on its inbox.

New weights come staged, read and verified on another thread, and are only copied here. Running rows
go on: their prompts and what they have drawn are computed anew under the new weights, so that the
next token is drawn from exactly the policy its chunk names. Without `recompute` they keep their old
keys and values, as in engines that update in flight, and the next token's policy is a mixture.

Rows of a request draw from streams of random numbers seeded with (seed, index). The logits of a
row depend on the batch beside it only through the order of floating-point sums, so the same seed
and weights give the same completions unless a draw falls within that noise (about 1e-5).
"""

import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import torch

from engine.policy.local.decoder import Decoder
from engine.policy.local.link import Abort, PolicyStats, Stop, Submit
from engine.policy.local.prefix import PrefixCache
from engine.policy.local.sampler import draw
from engine.policy.local.weights import Staged, swap_weights
from engine.policy.protocol import Chunk
from engine.policy.text import TextStream
from engine.wire.messages import Finish


@dataclass(frozen=True, slots=True)
class Swap:
    """Take staged weights; `reply` gets the checksum of the model's own tensors."""

    staged: Staged
    version: int
    reply: Callable[[str], None]


Command = Submit | Abort | Swap | Stop
Chunks = list[tuple[int, Chunk]]
"""What one step drew, by request."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Row:
    request: Submit
    index: int
    text: TextStream
    random: random.Random
    budget: int
    """Tokens it may still draw."""
    length: int
    """Positions in its slot."""
    drawn: list[int] = field(default_factory=list)
    """Its tokens; the last one is fed by the next step."""


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """Runs a decoder until told to stop; every field belongs to its thread."""

    decoder: Decoder
    prompts: PrefixCache
    decode_text: Callable[[Sequence[int]], str]
    end_tokens: frozenset[int]
    version: int
    inbox: SimpleQueue[Command]
    deliver: Callable[[Chunks], None]
    """Called on the worker's thread, once a step, and before it sleeps."""
    recompute: bool = True
    stats: PolicyStats = field(default_factory=PolicyStats)
    _waiting: deque[_Row] = field(default_factory=deque)
    _active: list[_Row] = field(default_factory=list)
    """Row i is in slot i."""

    def run(self) -> None:
        """Obey, admit, step, until `Stop`. Sleeps while there is neither a row nor a command."""
        with torch.inference_mode():
            while self._obey():
                self._admit()
                if self._active:
                    self._step()

    def _obey(self) -> bool:
        """Carry out what is in the inbox; False once told to stop."""
        idle = not (self._active or self._waiting)
        if idle:
            self._hand_over([])  # what the counters say now, they will say for a while
        while True:
            try:
                command = self.inbox.get(block=idle)
            except Empty:
                return True
            if isinstance(command, Stop):
                return False
            self._carry_out(command)
            idle = False

    def _carry_out(self, command: Submit | Abort | Swap) -> None:
        match command:
            case Submit():
                self._waiting.extend(self._rows(command))
            case Abort(key, None):
                self._forget(key)
            case Abort(key, int(index)):
                self._cut(key, index)
            case Swap():
                self._swap(command)

    def _rows(self, request: Submit) -> list[_Row]:
        params = request.params
        seed = secrets.randbits(64) if params.seed is None else params.seed
        length = len(request.tokens)
        return [
            _Row(
                request=request,
                index=index,
                text=TextStream(self.decode_text, stop=params.stop),
                random=random.Random(f"{seed}/{index}"),
                budget=min(params.max_tokens, self.decoder.max_length - length),
                length=length,
            )
            for index in range(params.n)
        ]

    def _forget(self, key: int) -> None:
        self._waiting = deque(row for row in self._waiting if row.request.key != key)
        self._release([row for row in self._active if row.request.key == key])

    def _cut(self, key: int, index: int) -> None:
        """End one completion where it is; no-op if it has ended by itself."""
        for row in (*self._waiting, *self._active):
            if row.request.key == key and row.index == index:
                if row in self._waiting:
                    self._waiting.remove(row)
                else:
                    self._release([row])
                self._hand_over([(key, self._last_chunk(row))])

    def _last_chunk(self, row: _Row) -> Chunk:
        return Chunk(
            index=row.index,
            text=row.text.flush(),
            tokens=(),
            logprobs=(),
            version=self.version,
            finish=Finish.ABORT,
        )

    def _swap(self, command: Swap) -> None:
        # A failure ends the worker: half a model must not sample.
        started = time.perf_counter()
        checksum = swap_weights(self.decoder.model, command.staged)
        self.prompts.clear()
        self.version = command.version
        if self.recompute:
            self._recompute()
        self.stats.loads += 1
        self.stats.swap_s += time.perf_counter() - started
        command.reply(checksum)

    def _recompute(self) -> None:
        """Give running rows the keys and values that the new weights would have given them."""
        for slot, row in enumerate(self._active):
            prompt = self.prompts.get(row.request.tokens)
            if len(row.drawn) > 1:  # the last is not in the slot yet
                tokens = (*row.request.tokens, *row.drawn[:-1])
                prompt = self.decoder.prefill(tokens, known=prompt.kv_L2HPD)
                self.stats.recomputed_tokens += len(row.drawn) - 1
            self.decoder.place(prompt, slot, max_length=row.length)

    def _admit(self) -> None:
        """Give free slots to waiting rows, and each its first token."""
        started = time.perf_counter()
        rows, logits = [], []
        while self._waiting and len(self._active) < self.decoder.slots:
            row = self._waiting.popleft()
            prompt = self.prompts.get(row.request.tokens)
            limit = row.length + row.budget
            self.decoder.place(prompt, len(self._active), max_length=limit)
            self._active.append(row)
            rows.append(row)
            logits.append(prompt.logits_V)
        if rows:
            self._advance(rows, torch.stack(logits))
            self.stats.prefill_s += time.perf_counter() - started

    def _step(self) -> None:
        started = time.perf_counter()
        rows = list(self._active)
        logits = self.decoder.step(
            [row.drawn[-1] for row in rows], positions=[row.length for row in rows]
        )
        for row in rows:
            row.length += 1
        self._advance(rows, logits)
        self.stats.decode_s += time.perf_counter() - started
        self.stats.steps += 1

    def _advance(self, rows: list[_Row], logits: torch.Tensor) -> None:
        """Draw a token for each row, deliver it, and free the slots of rows that end."""
        draws = draw(
            logits,
            temperatures=[row.request.params.temperature for row in rows],
            uniforms=[row.random.random() for row in rows],
        )
        self.stats.tokens += len(rows)
        chunks = [
            (row.request.key, self._chunk(row, token=token, logprob=logprob))
            for row, token, logprob in zip(rows, draws.tokens, draws.logprobs, strict=True)
        ]
        self._release([row for row in rows if row.budget == 0])
        self._hand_over(chunks)

    def _chunk(self, row: _Row, *, token: int, logprob: float) -> Chunk:
        """What the row's next token amounts to; a row that ends has no budget left."""
        row.drawn.append(token)
        row.budget -= 1
        text = row.text.push(token)
        finish = Finish.LENGTH if row.budget == 0 else None
        if token in self.end_tokens or row.text.stopped:
            finish = Finish.STOP
        if finish:
            row.budget = 0
            text += row.text.flush()
        return Chunk(
            index=row.index,
            text=text,
            tokens=(token,),
            logprobs=(logprob,),
            version=self.version,
            finish=finish,
        )

    def _release(self, rows: list[_Row]) -> None:
        """Free the slots of `rows`; the last active row moves into each hole."""
        for row in rows:
            slot = self._active.index(row)
            last = self._active.pop()
            if last is not row:
                self.decoder.move(len(self._active), slot, length=last.length)
                self._active[slot] = last

    def _hand_over(self, chunks: Chunks) -> None:
        stats, prompts = self.stats, self.prompts
        stats.running, stats.waiting = len(self._active), len(self._waiting)
        stats.prefill_tokens, stats.reused_tokens = prompts.num_computed, prompts.num_reused
        stats.prefix_hits = prompts.num_hits
        self.deliver(chunks)
