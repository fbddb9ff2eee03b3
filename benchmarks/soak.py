"""Many programs, one in twenty an attacker: does anything grow?

Calls run two at a time; for each sample they are let end, so that what is counted is what stays.
The rule. The first fifth of the samples is warm-up. Descriptors, threads, processes and zombies are
`growing` if the last sample has more of any than the first kept one had. Memory (of the host, and
of the zygotes together) is `growing` if the median of the last quarter of the kept samples is above
the median of the first quarter by more than 2 % and 1 MB. Anything else is `flat`. A verdict LOST,
or an honest program with another value than its own, ends the run. An honest program that runs
into the wall limit, as it does when the machine stands still, is counted as `honest_timeouts`.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.workloads import FIVE, mixed
from sandbox import Call, Limits, Sandbox, Verdict, bench, turn

NUM_SAMPLES = 20
LANES = 2
LIMITS = Limits(wall_s=0.5, cpu_s=1.0)
_COUNTS = ("host_fds", "zygote_fds", "threads", "processes", "zombies")
_SIZES = ("host_rss_kb", "zygotes_rss_kb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What there is while no call is under way."""

    num_calls: int
    seconds: float
    host_fds: int
    zygote_fds: int
    """-1 where they cannot be listed: another user's."""
    threads: int
    processes: int
    zombies: int
    host_rss_kb: int
    zygotes_rss_kb: int


async def run(num_programs: int) -> dict[str, object]:
    """Run, show a table and a verdict; the report's part."""
    samples: list[Sample] = []
    late: list[int] = []
    cases = mixed(FIVE)
    began = time.perf_counter()
    async with Sandbox(workers=1, limits=LIMITS) as sandbox:
        # All the threads that the default executor will ever have: it starts them one by one.
        pauses = (asyncio.to_thread(time.sleep, 0.1) for _ in range((os.cpu_count() or 1) + 4))
        await asyncio.gather(*pauses)
        print("\n" + "".join(f"{name:>15}" for name in Sample.__slots__))
        for number in range(NUM_SAMPLES):
            first = num_programs * number // NUM_SAMPLES
            last = num_programs * (number + 1) // NUM_SAMPLES
            await _run_between(sandbox, cases, iter(range(first, last)), late)
            samples.append(_sample(last, time.perf_counter() - began, sandbox.status().pids))
            print("".join(f"{_short(value):>15}" for value in asdict(samples[-1]).values()))
        verdicts = sandbox.status().verdicts
        num_starts = sandbox.status().num_starts
    growing = judge(samples)
    print(f"{'growing: ' + ', '.join(growing) if growing else 'flat'}; verdicts {verdicts}")
    return {
        "num_programs": num_programs,
        "verdict": "growing" if growing else "flat",
        "growing": growing,
        "rule": (__doc__ or "").partition("The rule. ")[2].strip(),
        "verdicts": verdicts,
        "zygotes_started": num_starts,
        "honest_timeouts": len(late),
        "samples": [asdict(sample) for sample in samples],
    }


async def _run_between(
    sandbox: Sandbox, cases: Sequence[bench.Case], numbers: Iterator[int], late: list[int]
) -> None:
    async def lane() -> None:
        for number in numbers:
            case = cases[number % len(cases)]
            outcome = await sandbox.run(Call(program=case.program, args=case.args))
            values = [bench.text_of(value) for value in outcome.values]
            if outcome.verdict is Verdict.LOST:
                raise turn.WrongResultError(f"program {number} was lost")
            if outcome.verdict is Verdict.TIMEOUT and case.expected is not None:
                late.append(number)
            else:
                turn.check(case.to_json(), values)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())


def _sample(num_calls: int, seconds: float, zygotes: Sequence[int]) -> Sample:
    host = turn.read_stat(os.getpid())
    assert host is not None
    below = turn.descendants()
    return Sample(
        num_calls=num_calls,
        seconds=seconds,
        host_fds=_num_fds(os.getpid()),
        zygote_fds=sum(map(_num_fds, zygotes)),
        threads=sum(stat.num_threads for stat in (host, *below)),
        processes=len(below),
        zombies=sum(stat.state == "Z" for stat in below),
        host_rss_kb=host.rss_kb,
        zygotes_rss_kb=sum(stat.rss_kb for stat in below),
    )


def _num_fds(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except PermissionError:
        return -1


def judge(samples: Sequence[Sample]) -> list[str]:
    """The names of what grows, by the rule above."""
    kept = samples[len(samples) // 5 :]
    counts = [n for n in _COUNTS if getattr(kept[-1], n) > getattr(kept[0], n)]
    return counts + [name for name in _SIZES if _has_grown([getattr(s, name) for s in kept])]


def _has_grown(sizes_kb: Sequence[int]) -> bool:
    quarter = max(1, len(sizes_kb) // 4)
    early, late = statistics.median(sizes_kb[:quarter]), statistics.median(sizes_kb[-quarter:])
    return late > early * 1.02 and late - early > 1024


def _short(value: float) -> str:
    return f"{value:.0f}"
