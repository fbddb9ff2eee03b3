"""Does self-play collapse onto one idea? The same run with the gates off and on, examined beside.

    python -m benchmarks.collapse --out runs/collapse --steps 260

Two runs of the shipped million-parameter model, engine and trainer as users run them, in slices of
some steps. After each slice the newest weights answer tasks that were made by the corpus' generator
with a seed of its own (programs of the memory may be among them; none was trained on as such), and
are asked for new proposals with the frozen prompts of the probe.

`off`: normal forms are the only novelty, trivial programs count, every valid program is paid at
least half. `on`: the rules of the recipe `kelvin`. Everything else is the same. A row a slice:
held-out answers that are right, beside what a trivial answer gets on the same rows; proposals that
are valid, and how many different ones there are with constants erased (families); the solver's own
solve rate in training, which is the figure that lies.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.tables import markdown
from engine.choices import Estimate, NoveltyGate
from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks, take_exam
from engine.evaluate.probe import probe
from engine.play.shapes import SHAPES
from engine.policy.local import LocalOptions, LocalPolicy
from engine.policy.pretrained import TINY_WEIGHTS
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.tiny.programs import sketch
from engine.wire import RunDir, latest_version, read_jsonl
from engine.wire.messages import Kind
from sandbox import Limits, Sandbox

NUM_INPUTS: Final = 4
HELD_OUT_SEED: Final = 20_261_201
COMMON: Final = """
[engine]
model = "tiny"
seeds = "identity"
proposals = 16
references = 3
solver_shots = 2
num_inputs = 4
temperature = 1.0
proposal_tokens = 80
answer_tokens = 32
max_value_chars = 80
max_program_chars = 400
max_batch = 64
probe_samples = 0
staleness = 1
rounds_in_flight = 3
induction = 0
{rules}

[sandbox]
workers = 2
wall_s = 1.0

[trainer]
lr = {lr}
batch_samples = 128
checkpoint_every = 20
"""
RULES: Final = {
    "off": """
estimate = "fixed"
solver_rollouts = 8
reward_shape = "lenient"
reject_trivial = false
leak_gate = false
novelty = "form"
""",
    "on": """
estimate = "adaptive"
stages = [2, 4, 8, 16]
mixed_only = true
reward_shape = "variance"
novelty = "behaviour"
leak_gate = true
""",
}
assert "lenient" in SHAPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One arm after so many steps."""

    arm: str
    steps: int
    seconds: float
    """Of self-play and training so far."""
    rows: Mapping[str, int]
    """Held-out tasks of each kind."""
    right: Mapping[str, int]
    trivial: Mapping[str, int]
    """What the trivial answer gets on the same rows."""
    proposals: int
    valid: int
    families: int
    """Different valid proposals, constants erased."""
    trained_solve_rate: Mapping[str, float | None]
    """Of the slice's own attempts."""
    tasks: int
    """In memory."""


def main() -> None:
    """Run both arms and print the curves; goes on where it stopped."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/collapse"))
    parser.add_argument("--steps", type=int, default=260)
    parser.add_argument("--every", type=int, default=26, help="steps of a slice")
    parser.add_argument("--rows", type=int, default=200, help="held-out tasks of a kind")
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--arms", nargs="+", choices=RULES, default=list(RULES))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for arm in arguments.arms:
        asyncio.run(_play_arm(arm, arguments))
    print(table(read_slices(arguments.out)))


async def _play_arm(arm: str, arguments: argparse.Namespace) -> None:
    recipe = arguments.out / f"{arm}.toml"
    recipe.write_text(COMMON.format(rules=RULES[arm].strip(), lr=arguments.lr))
    run = RunDir(arguments.out / arm)
    done = [each for each in read_slices(arguments.out) if each.arm == arm]
    steps, spent = (done[-1].steps, done[-1].seconds) if done else (0, 0.0)
    if not done:
        _note(arguments.out, await _examine(arm, run, arguments.rows, steps=0, seconds=0.0))
    while steps < arguments.steps:
        began = time.time()
        _serve(run, recipe, arguments.every)
        spent += time.time() - began
        steps += arguments.every
        found = await _examine(arm, run, arguments.rows, steps=steps, seconds=spent, since=began)
        _note(arguments.out, found)


def _serve(run: RunDir, recipe: Path, steps: int) -> None:
    command = ["engine", "serve", "--run", str(run.path), "--recipe", str(recipe)]
    engine = Path(sys.executable).with_name("engine")
    subprocess.run(
        [str(engine), *command[1:], "--engine.steps", str(steps), "--with-trainer"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


async def _examine(
    arm: str, run: RunDir, num_rows: int, *, steps: int, seconds: float, since: float = 0.0
) -> Slice:
    newest = latest_version(run.weights) if run.weights.exists() else None
    directory = newest.path if newest else TINY_WEIGHTS
    # Measured alike in both arms: families are shapes, and trivial programs are no programs.
    config = EngineConfig(
        solver_shots=2, num_inputs=NUM_INPUTS, proposal_tokens=80, answer_tokens=32,
        max_value_chars=80, max_program_chars=400, estimate=Estimate.FIXED,
        novelty=NoveltyGate.SHAPE, probe_temperatures=(1.0,), probe_samples=256,
    )  # fmt: skip
    scratch = run.path.parent / f"{arm}.seeds.sqlite"
    scratch.unlink(missing_ok=True)
    policy = await LocalPolicy.open(directory, options=LocalOptions(max_batch=64, threads=1))
    async with Sandbox(workers=2, limits=Limits(wall_s=2.0)) as sandbox:
        with TaskStore(scratch) as store:
            store.add_seeds(await certified_tasks(sandbox, _shots(), num_inputs=NUM_INPUTS))
            tasks = await certified_tasks(sandbox, _held_out(num_rows), num_inputs=NUM_INPUTS)
            exam = await take_exam(policy, sandbox, store, config, tasks)
            (proposed,) = await probe(policy, sandbox, store, config, lambda _: None)
    await policy.close()
    scratch.unlink()
    return Slice(
        arm=arm,
        steps=steps,
        seconds=seconds,
        rows={result.kind.value: result.rows for result in exam},
        right={result.kind.value: result.right for result in exam},
        trivial={result.kind.value: result.baseline for result in exam},
        proposals=proposed.samples,
        valid=proposed.valid,
        families=proposed.new,
        trained_solve_rate=_solve_rates(run, since),
        tasks=_num_tasks(run),
    )


def _shots() -> list[SeedProgram]:
    dice = random.Random(HELD_OUT_SEED - 1)
    return [_made(dice) for _ in range(6)]


def _held_out(num: int) -> list[SeedProgram]:
    dice = random.Random(HELD_OUT_SEED)
    return [_made(dice) for _ in range(num)]


def _made(dice: random.Random) -> SeedProgram:
    made = sketch(dice, num_inputs=NUM_INPUTS)
    return SeedProgram(program=made.program, inputs=made.args, message=made.message)


def _solve_rates(run: RunDir, since: float) -> dict[str, float | None]:
    rates: dict[str, float | None] = {}
    rows = [dict(row) for row in read_jsonl(run.engine_metrics)] if since else []
    for kind in (Kind.DEDUCTION, Kind.ABDUCTION):
        of_kind = [
            row
            for row in rows
            if row.get("kind") == kind.value
            and row.get("event") == "round"
            and float(str(row["time"])) >= since
        ]
        num = sum(int(str(row["solver/rollouts"])) for row in of_kind)
        right = sum(int(str(row["solver/right"])) for row in of_kind)
        rates[kind.value] = right / num if num else None
    return rates


def _num_tasks(run: RunDir) -> int:
    if not run.tasks_db.exists():
        return 0
    with TaskStore(run.tasks_db, read_only=True) as store:
        return store.num_tasks()


def _note(out: Path, found: Slice) -> None:
    with (out / "slices.jsonl").open("a") as file:
        file.write(json.dumps(asdict(found)) + "\n")
    print(table([found]).split("\n")[-1], file=sys.stderr)


def read_slices(out: Path) -> list[Slice]:
    """What was measured so far."""
    path = out / "slices.jsonl"
    if not path.exists():
        return []
    return [Slice(**json.loads(line)) for line in path.read_text().splitlines()]


def table(slices: list[Slice]) -> str:
    """A line for each slice."""
    headings = [" gates", "steps", "deduction", "abduction", "trivial", "valid", "families"]
    headings += ["trained: deduction", "abduction", "tasks", "minutes"]
    return markdown(headings, [_line(each) for each in slices])


def _line(each: Slice) -> list[str]:
    kinds = (Kind.DEDUCTION.value, Kind.ABDUCTION.value)
    rates = [each.trained_solve_rate.get(kind) for kind in kinds]
    return [
        each.arm,
        str(each.steps),
        *(f"{each.right[kind]} / {each.rows[kind]}" for kind in kinds),
        " + ".join(str(each.trivial[kind]) for kind in kinds),
        f"{each.valid} / {each.proposals}",
        str(each.families),
        *("-" if rate is None else f"{rate:.0%}" for rate in rates),
        f"{each.tasks:,}",
        f"{each.seconds / 60:.1f}",
    ]


if __name__ == "__main__":
    main()
