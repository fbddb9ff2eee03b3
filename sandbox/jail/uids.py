"""Which user ids zygotes and guests get: nobody's on this host, and no other pool's.

The kernel counts processes by uid, and a uid is what permits a signal: two pools on one host must
not have the same. So each draws a block of its own, from a range that distributions leave unused
(1879048192 to 2147352575), or from a low one in a container that has but 65,536 ids.
"""

import random
from pathlib import Path

_UNUSED = (0x7000_0000, 0x7FFD_0000)
_LOW = (61_000, 64_000)


def first_uid() -> int:
    """The first of a block for a whole pool."""
    low, high = _UNUSED if is_mapped(_UNUSED[1] - 1, "uid_map") else _LOW
    return random.SystemRandom().randrange(low, high)


def is_mapped(number: int, table: str) -> bool:
    """Whether this user namespace knows a uid or gid; `table` is uid_map or gid_map."""
    lines = Path(f"/proc/self/{table}").read_text().splitlines()
    ranges = [[int(field) for field in line.split()] for line in lines]
    return any(first <= number < first + count for first, _, count in ranges)
