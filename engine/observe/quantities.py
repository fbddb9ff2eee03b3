"""Bytes and seconds as people read them: two or three digits and a unit."""


def size(num_bytes: int) -> str:
    """Bytes, in units of 1024."""
    amount, units = float(num_bytes), iter(("bytes", "KiB", "MiB", "GiB"))
    unit = next(units)
    for larger in units:
        if abs(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{num_bytes} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def age(seconds: float) -> str:
    """A span of time; below a second it is not worth a digit."""
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def count(num: int, noun: str) -> str:
    """A number of things."""
    return f"{num} {noun}" if num == 1 else f"{num} {noun}s"
