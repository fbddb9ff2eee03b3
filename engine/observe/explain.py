"""The state of a run in words: who runs, who waits for whom since when, and what to do about it.

Pure: a `RunStatus` in, lines out.
"""

import time
from collections.abc import Iterator, Mapping

from engine.observe import quantities
from engine.observe import ring as ring_words
from engine.observe.parties import Party
from engine.observe.status import RunStatus
from engine.wire import Liveness, RingState
from engine.wire.ring.header import RingStat
from engine.wire.waits import ROOM, Wait

Line = tuple[str, str]


def lines(status: RunStatus) -> Iterator[Line]:
    """The whole screen: (name, text) each."""
    founded = f", run {status.run_id}, founded {status.created}" if status.run_id else ""
    yield "run", f"{status.run.path}{founded}" or "not founded"
    yield "engine", _engine(status)
    yield "trainer", _trainer(status)
    for stat in status.rings:
        yield stat.path.stem, _ring(stat)
    if status.version is not None:
        yield "weights", _weights(status)
    for note in status.notes:
        yield "unread", note
    for reason in reasons(status):
        yield "why", reason
    yield "now", advice(status)


def reasons(status: RunStatus) -> Iterator[str]:
    """Each wait: who waits for what, since when, and what the one is like who can end it."""
    engine, trainer = status.engine, status.trainer
    if engine.wait is not None:
        other = _described(trainer, f"step {status.step}{_ago(status.step_age_s)}")
        yield f"{_waits(engine.wait, 'the engine')}, on the trainer: {other}"
    if trainer.wait is not None:
        told = f"{status.phase}{_ago(status.phase_age_s)}" if status.phase else ""
        yield f"{_waits(trainer.wait, 'the trainer')}, on the engine: {_described(engine, told)}"
    elif trainer.is_running and not status.rings:
        yield "the trainer waits for the engine to make a ring"
    if _is_too_small(status):
        yield (
            "each waits for the other: the ring is full of records that no checkpoint covers; "
            "checkpoint more often, or make the ring larger"
        )


def advice(status: RunStatus) -> str:
    """What to do now: a command, or nothing."""
    engine, trainer, run = status.engine, status.trainer, status.run.path
    for party in (engine, trainer):
        if party.is_suspended:
            return f"the {party.role} is suspended; wake it: kill -CONT {party.pid}"
    for party in (engine, trainer):
        if party.liveness is Liveness.HUNG:
            command = "engine serve" if party.role == "engine" else "trainer run"
            return (
                f"the {party.role} hangs; see {run}/logs/{party.role}.log, then "
                f"kill -9 {party.pid} and start it again: {command} --run {run}"
            )
    if _is_done(status):
        return f"the run is done; see it: engine report --run {run}"
    if not engine.is_running:
        return f"nobody plays; start the engine: engine serve --run {run}"
    if not trainer.is_running:
        return f"nobody trains; start the trainer: trainer run --run {run}"
    return "nothing to do: both run"


def row(status: RunStatus) -> Mapping[str, object]:
    """All of it as plain values, the words included."""
    return {
        "run": str(status.run.path),
        "run_id": status.run_id,
        "created": status.created,
        "engine": _party_row(status.engine),
        "trainer": _party_row(status.trainer),
        "rings": [dict(ring_words.row(stat)) for stat in status.rings],
        "step": status.step,
        "step_age_s": status.step_age_s,
        "version": status.version,
        "version_age_s": status.version_age_s,
        "sampled": dict(status.sampled),
        "is_final": status.is_final,
        "phase": status.phase,
        "phase_age_s": status.phase_age_s,
        "notes": list(status.notes),
        "why": list(reasons(status)),
        "now": advice(status),
    }


# -- parts of the screen


def _engine(status: RunStatus) -> str:
    engine = status.engine
    if not engine.is_running:
        return _described(engine, "")
    if engine.wait is not None:
        return f"{_described(engine, '')}; {_waits(engine.wait, 'it')}"
    told = f"; {status.phase}{_ago(status.phase_age_s)}" if status.phase else ""
    return f"{_described(engine, '')}{told}"


def _trainer(status: RunStatus) -> str:
    trainer = status.trainer
    steps = f"; {quantities.count(status.step, 'step')} done, the last{_ago(status.step_age_s)}"
    work = steps if status.step else "; no step done yet"
    if trainer.wait is not None:
        return f"{_described(trainer, '')}{work}; {_waits(trainer.wait, 'it')}"
    at_work = "; at work on the next" if trainer.liveness is Liveness.ALIVE and status.rings else ""
    return f"{_described(trainer, '')}{work}{at_work}"


def _ring(stat: RingStat) -> str:
    share = f" ({100 * stat.used_bytes / stat.capacity:.0f} %)" if stat.capacity else ""
    state = "state unknown" if stat.state is None else stat.state.name.lower()
    reason = f" ({stat.reason})" if stat.reason else ""
    return (
        f"{state}{reason}; {quantities.count(stat.num_waiting, 'record')} to pop, "
        f"{stat.num_uncommitted} not committed; {quantities.size(stat.used_bytes)} of "
        f"{quantities.size(stat.capacity)} used{share}"
    )


def _weights(status: RunStatus) -> str:
    final = ", the last of the run" if status.is_final else ""
    sampled = ", ".join(f"{name} samples from {n}" for name, n in status.sampled.items())
    sampled = sampled or "no engine has loaded any"
    return f"version {status.version}, published{_ago(status.version_age_s)}{final}; {sampled}"


def _described(party: Party, more: str) -> str:
    """A process: which one, whether it lives, and when it last showed that it does."""
    tail = f", {more}" if more else ""
    beat = ""
    if party.heartbeat_age_s is not None:
        beat = f", heartbeat {quantities.age(max(0.0, party.heartbeat_age_s))} ago"
    if party.liveness is Liveness.NEVER:
        return "never started"
    if party.liveness is Liveness.DEAD:
        fate = (
            f"dead, pid {party.pid} was killed" if party.pid else "not running, it ended in order"
        )
        last = party.last_wait
        is_its_own = last is not None and party.pid == last.pid
        waited = f"; last it waited for {last.what}" if last is not None and is_its_own else ""
        return f"{fate}{beat}{waited}{tail}"
    fate = "hung: suspended" if party.is_suspended else party.liveness.value
    return f"pid {party.pid} {fate}{beat}{tail}"


def _waits(wait: Wait, who: str) -> str:
    since_s = max(0.0, (time.time_ns() - wait.since_ns) / 1e9)
    return f"{who} has waited {quantities.age(since_s)} for {wait.what}"


def _ago(age_s: float | None) -> str:
    return "" if age_s is None else f" {quantities.age(age_s)} ago"


def _is_done(status: RunStatus) -> bool:
    is_closed = bool(status.rings) and status.rings[0].state is RingState.CLOSED
    return (
        status.is_final
        and is_closed
        and not status.engine.is_running
        and not status.trainer.is_running
    )


def _is_too_small(status: RunStatus) -> bool:
    """Whether the engine waits for room, and the trainer for records, having popped them all."""
    wait = status.engine.wait
    if wait is None or status.trainer.wait is None or not wait.what.startswith(ROOM):
        return False
    return all(stat.num_waiting == 0 for stat in status.rings)


def _party_row(party: Party) -> Mapping[str, object]:
    return {
        "pid": party.pid,
        "liveness": party.liveness.value,
        "is_suspended": party.is_suspended,
        "heartbeat_age_s": party.heartbeat_age_s,
        "waits_for": None if party.wait is None else party.wait.what,
        "waits_since_ns": None if party.wait is None else party.wait.since_ns,
    }
