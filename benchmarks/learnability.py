"""What adaptive sampling of a task's solve rate costs, and how often it errs; computed, not drawn.

    python -m benchmarks.learnability --shape variance --confidence 0.7

Every run of right and wrong answers that a rule allows is followed with its exact probability, for
tasks of true solve rate p. Against a fixed number of attempts that pays by the share that was right
(AZR), and one that pays by the belief. Columns: attempts made; how often the place of p (below,
inside, above the band) is judged wrongly; how often both right and wrong answers were seen, without
which a group teaches the solver nothing; what the proposer is paid for a valid task, its standard
deviation, and how often it is the -1/2 of a task of no worth.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from benchmarks.tables import markdown
from engine.play.learnability import BAND, CONFIDENCE, STAGES, Belief, attempts_wanted
from engine.play.reward import WRONG, proposer_reward
from engine.play.shapes import SHAPES, Shape

RATES: Final = (0.0, 0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0)
FIXED: Final = 8
UNKNOWN: Final = Belief(0, 0)

Band = tuple[float, float]
Wanted = Callable[[Belief], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When to stop, and what is paid then."""

    name: str
    wanted: Wanted
    """Attempts to make now, 0 to stop."""
    pay: Callable[[Belief], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one rule at one solve rate; probabilities and means."""

    attempts: float
    error: float
    mixed: float
    reward: float
    deviation: float
    worthless: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="variance")
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    parser.add_argument("--band", type=float, nargs=2, default=BAND)
    parser.add_argument("--stages", type=int, nargs="+", default=STAGES)
    parser.add_argument("--tolerance", type=float, default=0.0)
    arguments = parser.parse_args()
    band = (arguments.band[0], arguments.band[1])
    shape = SHAPES[arguments.shape]
    adaptive = partial(
        attempts_wanted,
        stages=tuple(arguments.stages),
        band=band,
        confidence=arguments.confidence,
        shape=shape,
        tolerance=arguments.tolerance,
    )
    rules = [
        Rule(name=f"{FIXED}, share", wanted=_fixed, pay=lambda belief: shape(_share(belief))),
        Rule(name=f"{FIXED}, belief", wanted=_fixed, pay=partial(_expected, shape)),
        Rule(name="stages, belief", wanted=adaptive, pay=partial(_expected, shape)),
    ]
    print(f"shape {arguments.shape}, band {band}, confidence {arguments.confidence}\n")
    print(table(rules, band))


def table(rules: Sequence[Rule], band: Band) -> str:
    """A line for each rule at each solve rate."""
    numbers = ["attempts", "misjudged", "both seen", "paid", "+-", "paid -1/2"]
    rows = []
    for rate in RATES:
        for rule in rules:
            seen = figures(rule, rate, band)
            rows.append(
                [
                    f"{rate:g}",
                    rule.name,
                    f"{seen.attempts:.1f}",
                    f"{seen.error:.0%}",
                    f"{seen.mixed:.0%}",
                    f"{seen.reward:.2f}",
                    f"{seen.deviation:.2f}",
                    f"{seen.worthless:.0%}",
                ]
            )
    return markdown(["p", " rule", *numbers], rows)


def figures(rule: Rule, rate: float, band: Band) -> Figures:
    """Exact figures of a rule for tasks of this solve rate."""
    ends = list(outcomes(rule.wanted, rate))
    paid = [(odds, proposer_reward(rule.pay(belief))) for odds, belief in ends]
    reward = sum(odds * each for odds, each in paid)
    place = sum(rate >= edge for edge in band)
    return Figures(
        attempts=sum(odds * belief.num_attempts for odds, belief in ends),
        error=sum(odds for odds, belief in ends if judged(belief, band) != place),
        mixed=sum(odds for odds, belief in ends if belief.successes and belief.failures),
        reward=reward,
        deviation=math.sqrt(sum(odds * (each - reward) ** 2 for odds, each in paid)),
        worthless=sum(odds for odds, each in paid if each == WRONG),
    )


def outcomes(
    wanted: Wanted, rate: float, belief: Belief = UNKNOWN, odds: float = 1.0
) -> Iterator[tuple[float, Belief]]:
    """Where sampling ends, with the probability of each way there."""
    n = wanted(belief)
    if n == 0:
        yield odds, belief
        return
    for right in range(n + 1):
        share = math.comb(n, right) * rate**right * (1.0 - rate) ** (n - right)
        if share:
            yield from outcomes(wanted, rate, belief.after(right, n - right), odds * share)


@lru_cache(maxsize=4096)
def judged(belief: Belief, band: Band) -> int:
    """The likeliest place of the solve rate: 0 below the band, 1 inside, 2 above."""
    return max(range(3), key=belief.places(band).__getitem__)


def _fixed(belief: Belief) -> int:
    return FIXED - belief.num_attempts


def _share(belief: Belief) -> float:
    return belief.successes / belief.num_attempts


def _expected(shape: Shape, belief: Belief) -> float:
    return belief.expectation(shape)


if __name__ == "__main__":
    main()
