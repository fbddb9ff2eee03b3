"""The ring beside everything else that carries messages from one process to another.

    python -m benchmarks.ring                             all peers, all sizes, all parts
    python -m benchmarks.ring --sizes 4096 --peers ring queue zmq --parts stream
    python -m benchmarks.ring --json FILE --svg FILE

Parts: `stream`, messages in one direction as fast as they go; `latency`, one message there and
back; `codec`, one real batch as bytes and back to arrays. `pip install '.[bench]'` brings ZeroMQ
and msgspec; who is missing is named with the reason.

All peers run in the same run of this script, turn by turn, so that a busy host disturbs them alike;
each cell is the median over the rounds with the least and the most beside it. Each peer has two
processes of its own that do nothing else, and is warmed up before the clock starts. Every message
is checked by whoever receives it, and a wrong one ends the run; that costs all of them the same.
On a host with other work a rate says as much of that work; CPU per message is the steady figure.

Columns: messages and megabytes a second; CPU per message of both processes, user and system, all
threads; the rate of the ring (`ring /`), and of its batches (`batch /`), as multiples of the
peer's. `own check`: whether the peer itself checks what it carries within the measured time.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks import streams, tables, targets
from benchmarks.peers import PEERS, Peer
from benchmarks.sides import WrongMessageError, deck, digest
from benchmarks.targets import Target
from sandbox import bench

SIZES: Final = (256, 4096, 65_536, 1 << 20, 1 << 22)
PARTS: Final = ("stream", "latency", "codec")
_ENOUGH_BYTES: Final = 1 << 30
Report = dict[str, object]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    what, _, how = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ring",
        description=what,
        epilog=how.strip("\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys = [peer.key for peer in PEERS]
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=f"of {', '.join(PARTS)} (all)")  # fmt: skip
    parser.add_argument("--peers", nargs="+", choices=keys, metavar="PEER",
                        help=f"of {', '.join(keys)} (all)")  # fmt: skip
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="BYTES",
                        help="of a message, at least 16 (default: %(default)s)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="turns of each peer (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.25,
                        help="about so long is a turn of a stream (%(default)s)")  # fmt: skip
    parser.add_argument("--round-trips", type=int, default=5_000, metavar="N",
                        help="in a turn of the part latency (%(default)s)")  # fmt: skip
    parser.add_argument("--directory", type=Path, default=shared_directory(),
                        help="for files that are mapped by both sides (%(default)s)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, unrounded")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="a chart of the part stream")
    options = parser.parse_args(arguments)
    if min(options.sizes) < 16 or options.rounds < 1 or options.round_trips < 1:
        parser.error("sizes must be 16 bytes or more, rounds and round trips 1 or more")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    options = parse(arguments)
    command = "python -m benchmarks.ring " + shlex.join(
        sys.argv[1:] if arguments is None else arguments
    )
    about = host()
    print(command.strip())
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    try:
        report = {"command": command.strip(), "host": about} | run(options)
    except WrongMessageError as wrong:
        raise SystemExit(str(wrong)) from wrong
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.svg:
        from benchmarks import chart

        print(chart.draw_streams(report, options.svg))


def run(options: argparse.Namespace) -> Report:
    """The parts that were asked for, shown as they come; what they found."""
    report: Report = {}
    goals: list[Target] = []
    absent: dict[str, str] = {}
    if {"stream", "latency"} & set(options.parts):
        goals += run_peers(options, report, absent)
    if "codec" in options.parts:
        goals += run_codecs(options, report, absent)
    print("\n## Targets\n\n" + tables.targets_table(goals))
    for name, reason in absent.items():
        print(f"\n{name}: not run: {reason}")
    report["targets"] = [asdict(goal) | {"is_met": goal.is_met} for goal in goals]
    return report | {"absent": absent}


def run_peers(options: argparse.Namespace, report: Report, absent: dict[str, str]) -> list[Target]:
    """The parts `stream` and `latency`."""
    peers, missing = select(options.peers or ())
    absent |= missing
    goals: list[Target] = []
    print("\n" + tables.peers_table([peer.key for peer in peers]))
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="kelvin-bench-") as directory:
        course = streams.Course(
            rounds=options.rounds,
            seconds=options.seconds,
            round_trips=options.round_trips,
            directory=Path(directory),
        )
        if "stream" in options.parts:
            goals += run_streams(peers, options.sizes, course, report)
        if "latency" in options.parts:
            found = streams.latencies(peers, course)
            print(
                f"\n## Latency\n\nHalf round trips of {streams.PING_BYTES} bytes, microseconds; "
                "`ring /` is the ring's p50 over the peer's.\n"
            )
            print(tables.latency_table(found))
            report["latency"] = [asdict(latency) for latency in found]
            goals += targets.of_latencies(found)
    return goals


def run_streams(
    peers: Sequence[Peer], sizes: Sequence[int], course: streams.Course, report: Report
) -> list[Target]:
    """The part `stream`."""
    checks_us = {size: check_us(size) for size in sizes}
    print(
        "\n## Stream\n\nMessages of room and what XXH3 over one message costs, which the receiver\n"
        "here does for every peer and the ring itself does once more on either side.\n"
    )
    print(tables.sizes_table(checks_us))
    cells = streams.streams(peers, sizes, course)
    print("\n" + tables.stream_table(cells))
    report["check_us"] = checks_us
    report["stream"] = [asdict(cell) for cell in cells]
    return targets.of_streams(cells)


def run_codecs(options: argparse.Namespace, report: Report, absent: dict[str, str]) -> list[Target]:
    """The part `codec`."""
    from benchmarks import formats

    members, missing = formats.codecs()
    absent |= missing
    found = formats.compare(members, rounds=options.rounds)
    print(
        f"\n## Codec\n\n{formats.NUM_TOKENS:,} sampled tokens in "
        f"{formats.NUM_GROUPS * formats.GROUP_SIZE} rollouts; nanoseconds a token, from and to "
        "numpy arrays, but lists are given ready to those that want lists.\n"
    )
    print(tables.codec_table(found))
    report["codec"] = [asdict(coded) for coded in found]
    return targets.of_codec(found[0].encode_ns)


def host() -> dict[str, object]:
    """Where and when."""
    cpu_info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpu_info if line.startswith("model name")]
    return bench.host() | {"cpu": models[0] if models else platform.machine()}


def select(keys: Sequence[str]) -> tuple[list[Peer], dict[str, str]]:
    """Who takes part, and by name why another does not."""
    asked = [peer for peer in PEERS if not keys or peer.key in keys]
    absent = {peer.name: reason for peer in asked if (reason := peer.missing())}
    return [peer for peer in asked if peer.name not in absent], absent


def shared_directory() -> Path:
    """Memory if there is room for the files of one size, otherwise a disk."""
    memory = Path("/dev/shm")
    if memory.is_dir():
        room = os.statvfs(memory)
        if room.f_bavail * room.f_frsize > _ENOUGH_BYTES:
            return memory
    return Path(tempfile.gettempdir())


def check_us(size: int) -> float:
    """One XXH3 over one message, the messages taken in turn as everywhere here."""
    messages = deck(size)
    began, count = time.perf_counter(), 0
    while (took_s := time.perf_counter() - began) < 0.05 or count == 0:
        for message in messages:
            digest(message)
        count += len(messages)
    return took_s / count * 1e6


if __name__ == "__main__":
    main()
