"""A whole run, and the same whose two processes are killed again and again; says where they died.

    python tests/e2e/run_killer.py DIRECTORY ROUNDS KILLS SEED [--cold]

DIRECTORY holds a model and gets the runs `whole` and `killed`. The engine is `scripted_engine.py`,
the trainer the command `trainer run`; each killed one is started again. They are forked from here,
where torch is imported already, so that kills meet work and not imports; with --cold each is a
fresh interpreter. A kill comes a random while after the one before, or every other time after both
have come to work again. In one case of three a process kills itself on entering a phase drawn at
random, for the short ones would hardly be hit otherwise. All kills come before the run has reached
a round drawn for each, so they are over before the run is. Prints what happened as JSON; exits with
1 and the end of a log if a process fails, or leaves one behind.
"""

import ctypes
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import phased_trainer
import scripted_engine
from phases import NAMES, Phases

from engine.tasks.store import StoreError, TaskStore
from engine.wire import RunDir

HERE = Path(__file__).parent
PATIENCE_S = 300.0
LONGEST_S = 0.6
"""From one kill, or from the moment when both are at work again, to the next kill."""
AT_WORK_S = 10.0
"""Longest wait for both to be at work."""
FATE_S = 3.0
"""Longest wait for a process to kill itself."""
NOT_AT_WORK = ("starting", "sandbox", "seeds", "restoring")
_BE_SUBREAPER = 36
SCRIPTS = {"engine": scripted_engine, "trainer": phased_trainer}


class Side:
    """The engine or the trainer, one life after the other."""

    def __init__(self, name: str, run: Path, arguments: list[str], *, is_cold: bool) -> None:
        self.name = name
        self.log = run / f"{name}.log"
        self._byte = run / f"{name}.phase"
        self.phases = Phases(self._byte)
        self._arguments = [*arguments, str(self._byte)]
        self._is_cold = is_cold
        self.start()

    def start(self) -> None:
        self.phases.restart()
        self.status, self.is_doomed = None, False
        self.pid = os.fork()
        if self.pid == 0:
            self._live()

    def doom(self, dice: random.Random) -> None:
        """Have it kill itself on entering a phase drawn at random."""
        self.is_doomed = True
        self.phases.doom(dice.choice([name for name in NAMES if name.startswith(self.name)]))

    def kill(self) -> str | None:
        """Where it died, or None if it had ended before."""
        if not self.is_over():
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitpid(self.pid, 0)[1]
        return self.phases.name if self.status == signal.SIGKILL else None

    def is_over(self) -> bool:
        """Whether it has done its work, or killed itself. SystemExit if it failed."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        if self.status is None or (self.status == signal.SIGKILL and self.is_doomed):
            return self.status is not None
        if self.status:
            tail = "\n".join(self.log.read_text().splitlines()[-30:])
            raise SystemExit(f"the {self.name} failed with status {self.status}:\n{tail}")
        return True

    def is_at_work(self) -> bool:
        """Beyond its beginnings, or at its end."""
        return self.is_over() or not any(word in self.phases.name for word in NOT_AT_WORK)

    def _live(self) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        module = SCRIPTS[self.name]
        code = 1
        try:
            if self._is_cold:
                os.execv(sys.executable, [sys.executable, module.__file__, *self._arguments])
            module.main(*self._arguments)
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        except BaseException:  # noqa: BLE001  # a forked child must not return into its parent
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)


def rounds_done(run: RunDir) -> int:
    try:
        with TaskStore(run.tasks_db, read_only=True) as store:
            return store.next_round()
    except StoreError:
        return 0  # not there yet


def wait(run: RunDir, sides: list[Side], *, mark: int, dice: random.Random) -> None:
    """A random while, from now or from when both are at work; not beyond the round `mark`."""
    while_s = dice.uniform(0.0, LONGEST_S)
    now = time.monotonic()
    is_to_work, latest, deadline = dice.random() < 0.5, now + AT_WORK_S, now + while_s
    while time.monotonic() < deadline and rounds_done(run) < mark:
        for side in sides:
            side.is_over()  # or failed
        if is_to_work and time.monotonic() < latest and not all(map(Side.is_at_work, sides)):
            deadline = time.monotonic() + while_s
        time.sleep(0.005)


def wait_for_fate(run: RunDir, side: Side, *, mark: int, dice: random.Random) -> None:
    """Until it has killed itself; not for long, and not beyond the round `mark`."""
    side.doom(dice)
    deadline = time.monotonic() + FATE_S
    while not side.is_over() and time.monotonic() < deadline and rounds_done(run) < mark:
        time.sleep(0.005)


def finish(sides: list[Side]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while sum(side.is_over() for side in sides) < len(sides):  # each is looked at
        if time.monotonic() > deadline:
            where = {side.name: side.phases.name for side in sides if not side.is_over()}
            raise SystemExit(f"the run does not end: {where}")
        time.sleep(0.02)


def reap_orphans() -> None:
    """Zygotes and guests of killed engines became ours; they must all have ended by themselves."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > deadline:
                raise SystemExit("a killed engine has left processes behind")
            time.sleep(0.02)


def kill_at_random(
    run: RunDir, sides: list[Side], *, rounds: int, kills: int, dice: random.Random
) -> dict[str, Counter[str]]:
    died = {side.name: Counter() for side in sides}
    for number in range(kills):
        mark = int(rounds * (number + dice.random()) / kills)
        victims = dice.choice([sides[:1], sides[1:], sides, sides[::-1]])
        if dice.random() < 1 / 3:
            wait_for_fate(run, victims[0], mark=mark, dice=dice)
        else:
            wait(run, sides, mark=mark, dice=dice)
        for side in victims:
            where = side.kill()
            if where is not None:
                died[side.name][where] += 1
                side.start()
    return died


def play(path: Path, *, rounds: int, kills: int, seed: int, is_cold: bool) -> dict[str, object]:
    """One run from its first round to its last; what happened."""
    run, started = RunDir(path).create(), time.monotonic()
    engine = [str(path), str(path.parent / "model"), str(rounds)]
    sides = [
        Side("engine", path, engine, is_cold=is_cold),
        Side("trainer", path, [str(path)], is_cold=is_cold),
    ]
    dice = random.Random(seed)
    died = kill_at_random(run, sides, rounds=rounds, kills=kills, dice=dice)
    finish(sides)
    reap_orphans()
    return {
        "seconds": round(time.monotonic() - started, 1),
        "killed": {name: each.total() for name, each in died.items()},
        "died": {name: dict(each.most_common()) for name, each in died.items()},
    }


def main(directory: str, rounds: str, kills: str, seed: str, *flags: str) -> None:
    is_cold = "--cold" in flags
    if not is_cold:
        import trainer.loop  # noqa: F401  # before the forks
    ctypes.CDLL(None).prctl(_BE_SUBREAPER, 1, 0, 0, 0)
    report = {
        name: play(
            Path(directory) / name,
            rounds=int(rounds),
            kills=number,
            seed=int(seed),
            is_cold=is_cold,
        )
        for name, number in (("whole", 0), ("killed", int(kills)))
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
