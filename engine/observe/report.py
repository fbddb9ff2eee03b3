"""One self-contained HTML page a run: what was learned, what was not, and what it rests on.

Everything is computed from the run directory, so it can be written at any time and again. Training
figures never stand alone: the frozen probe, the held-out exam and the trivial answers are beside
them.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from engine.errors import EngineError
from engine.evaluate.interval import ratio, wilson
from engine.observe import curves
from engine.observe.curves import Row, number
from engine.play.propose import ADMITTED
from engine.tasks.flight import ProposalRow
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir, atomic_write, read_jsonl
from engine.wire.messages import Kind

NUM_EXAMPLES = 5


def evaluations_path(run: RunDir) -> Path:
    """Where probe and exam are recorded: one row each time, oldest first."""
    return run.path / "evaluations.jsonl"


def write_report(run: RunDir) -> Path:
    """Write report.html of a run; returns its path. Raises EngineError without jinja2 or a run."""
    try:
        from jinja2 import Environment
    except ImportError:
        raise EngineError(
            "the report needs jinja2 and matplotlib; pip install kelvin-rl[train]"
        ) from None
    source = resources.files("engine.observe").joinpath("report.html.jinja").read_text("utf-8")
    page = Environment(autoescape=True).from_string(source).render(_facts(run))
    atomic_write(run.report, page.encode())
    return run.report


def _facts(run: RunDir) -> dict[str, object]:
    try:
        founded = run.read_run()
    except FileNotFoundError:
        raise EngineError(
            f"expected a run at {run.path}, found no {run.run_json.name} there; see --run"
        ) from None
    config = founded.config
    engine = config["engine"]
    assert isinstance(engine, Mapping)
    rounds = [row for row in read_jsonl(run.engine_metrics) if row.get("event") == "round"]
    trainer = read_jsonl(run.trainer_metrics)
    evaluations = read_jsonl(evaluations_path(run))
    with TaskStore(run.tasks_db, read_only=True) as store:
        proposals = [row for _, row in store.proposals()]
        num_tasks = store.num_tasks(origin=Origin.PROPOSAL)
    return {
        "run": str(run.path),
        "model": engine["model"],
        "seeds": engine["seeds"],
        "steps": len(read_jsonl(run.steps_ledger)),
        "versions": len({row.version for row in proposals}),
        "rounds": len(rounds),
        "proposals": len(proposals),
        "tasks": num_tasks,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "verdict": _verdict(evaluations),
        "probes": _probe_rows(evaluations),
        "exam": _exam_rows(evaluations, proposals),
        "held_out": max((int(number(e, "rows")) for e in _exam_of(evaluations, -1)), default=0),
        "figures": _figures(rounds, trainer, evaluations),
        "fates": _fates(proposals),
        "examples": _examples(proposals),
        "config": json.dumps(config, indent=1, default=str),
    }


# -- probe


def _probe_of(evaluations: Sequence[Row], index: int) -> list[Row]:
    rows = evaluations[index]["probe"] if evaluations else []
    return list(rows) if isinstance(rows, list) else []


def _best(probe: Sequence[Row]) -> Row | None:
    return max(probe, key=lambda r: number(r, "new") / max(1, number(r, "samples")), default=None)


def _verdict(evaluations: Sequence[Row]) -> str:
    if len(evaluations) < 2:
        return "Only one measurement so far: there is nothing to compare yet."
    before, after = _best(_probe_of(evaluations, 0)), _best(_probe_of(evaluations, -1))
    if before is None or after is None:
        return "No probe was taken."
    pairs = [(int(number(r, "new")), int(number(r, "samples"))) for r in (after, before)]
    share = [f"{100 * new / max(1, n):.0f} % (T = {number(r, 'temperature'):g})"
             for (new, n), r in zip(pairs, (after, before), strict=True)]  # fmt: skip
    text = (
        f"New valid proposals at each one's best temperature: {share[1]} before, {share[0]} after"
    )
    found = ratio(pairs[0], pairs[1])
    if found is None:
        return text + "; a ratio has no interval where a count is zero."
    quotient, (low, high) = found
    said = f"{text}: x {quotient:.2f}, 95 % interval {low:.2f} to {high:.2f}"
    if low <= 1 <= high:
        return f"{said}; the interval includes 1: no clear change."
    return f"{said}; the interval excludes 1: a clear {'gain' if low > 1 else 'loss'}."


def _probe_rows(evaluations: Sequence[Row]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for index in sorted({0, len(evaluations) - 1}) if evaluations else []:
        probe = _probe_of(evaluations, index)
        best = _best(probe)
        for row in probe:
            new, samples = int(number(row, "new")), int(number(row, "samples"))
            low, high = wilson(new, samples)
            rows.append(
                {
                    **row,
                    "share": f"{100 * new / max(1, samples):.0f} %",
                    "interval": f"{100 * low:.0f} to {100 * high:.0f} %",
                    "best": row is best,
                }
            )
    return rows


# -- exam


def _exam_of(evaluations: Sequence[Row], index: int) -> list[Row]:
    rows = evaluations[index]["exam"] if evaluations else []
    return list(rows) if isinstance(rows, list) else []


def _exam_rows(
    evaluations: Sequence[Row], proposals: Sequence[ProposalRow]
) -> list[dict[str, object]]:
    rows = []
    for before, after in zip(_exam_of(evaluations, 0), _exam_of(evaluations, -1), strict=True):
        total = max(1.0, number(after, "rows"))
        early, late = _thirds([p for p in proposals if p.kind == after["kind"]])
        rows.append(
            {
                "kind": after["kind"],
                "rows": int(total),
                "baseline": f"{100 * number(after, 'baseline') / total:.0f} %",
                "before": f"{100 * number(before, 'right') / total:.0f} %",
                "after": f"{100 * number(after, 'right') / total:.0f} %",
                "early": _mean_solve_rate(early),
                "late": _mean_solve_rate(late),
            }
        )
    return rows


def _mean_solve_rate(proposals: Sequence[ProposalRow]) -> str:
    rates = [p.solve_rate for p in proposals if p.solve_rate is not None]
    return f"{100 * sum(rates) / len(rates):.0f} %" if rates else "-"


# -- curves and tables


def _figures(
    rounds: Sequence[Row], trainer: Sequence[Row], evaluations: Sequence[Row]
) -> list[dict[str, str]]:
    levels = {
        f"held-out {e['kind']}: trivial answer": number(e, "baseline") / max(1, number(e, "rows"))
        for e in _exam_of(evaluations, -1)
        if e["kind"] != Kind.INDUCTION.value
    }
    x, step = "policy version", "optimizer step"
    drawn = [
        (
            curves.draw(
                curves.by_kind(rounds, "proposer/valid", "proposer/rollouts"), x=x, y="valid share"
            ),
            "Training: share of proposals that became tasks, by round (points) and running mean.",
        ),
        (
            curves.draw(curves.mean_by_kind(rounds, "proposer/reward_mean"), x=x, y="reward"),
            "Training: mean reward of the proposer, -1 (no valid new task) to 1.",
        ),
        (
            curves.draw(curves.mean_by_kind(rounds, "solver/reward_mean"), x=x, y="reward"),
            "Training: mean reward of the solver, -1 (malformed), -0.5 (wrong), 1 (right).",
        ),
        (
            curves.draw(
                curves.by_kind(rounds, "solver/right", "solver/rollouts"),
                x=x,
                y="solve rate",
                levels=levels,
            ),
            (
                "Training: share of right answers, on the model's own tasks. Dashed: what a "
                "trivial answer gets on the held-out rows."
            ),
        ),
        (
            curves.draw(
                [curves.series(trainer, "policy/entropy", "entropy (nats a token)")], x=step, y=""
            ),
            "Entropy of the policy on the tokens it trained on: falling is sharpening.",
        ),
        (
            curves.draw(
                [curves.series(trainer, "policy/age_steps_mean", "mean age of samples")],
                x=step,
                y="versions",
            ),
            "Staleness, measured when a sample was used.",
        ),
        (_time_bar(trainer), "Where the trainer's time went."),
    ]
    return [{"svg": svg, "caption": caption} for svg, caption in drawn if svg]


def _time_bar(trainer: Sequence[Row]) -> str:
    names = sorted({key for row in trainer for key in row if key.startswith("time/")})
    parts = {name.removeprefix("time/"): sum(number(r, name) for r in trainer) for name in names}
    parts = {name: part for name, part in parts.items() if not name.startswith("step")}
    return curves.bars(parts, x="share of the trainer's time")


def _fates(proposals: Sequence[ProposalRow]) -> list[dict[str, object]]:
    early, late = (Counter(p.fate for p in part) for part in _thirds(proposals))
    names = sorted(set(early) | set(late), key=lambda n: -(early[n] + late[n]))
    return [{"name": n, "early": _share(early, n), "late": _share(late, n)} for n in names]


def _share(counts: Counter[str], name: str) -> str:
    return f"{100 * counts[name] / max(1, counts.total()):.0f} %"


def _thirds(
    proposals: Sequence[ProposalRow],
) -> tuple[Sequence[ProposalRow], Sequence[ProposalRow]]:
    third = max(1, len(proposals) // 3)
    return proposals[:third], proposals[-third:]


def _examples(proposals: Sequence[ProposalRow]) -> list[tuple[str, str]]:
    texts = [p.text.strip() for p in proposals if p.fate == ADMITTED and p.kind != Kind.INDUCTION]
    return list(zip(texts[:NUM_EXAMPLES], texts[-NUM_EXAMPLES:], strict=False))
