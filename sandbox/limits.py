"""What one call may use."""

import math
from dataclasses import dataclass

MAX_THREADS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one call; all argument lists of a call share them."""

    wall_s: float = 2.0
    """Wall-clock seconds, kept outside by the host."""
    cpu_s: float = 2.0
    """CPU seconds, kept by the kernel, which counts whole seconds: rounded up."""
    memory_mb: int = 128
    """Address space of a guest on top of the zygote's own size."""
    threads: int = 0
    """Threads that a guest may start. Any needs a wider filter and gives up the clock trap, and
    what threads compute may depend on timing: not for values that are to be compared."""
    output_bytes: int = 65_536
    """Canonical size of one value; all values of a call together get 16 times this."""
    source_bytes: int = 65_536
    """Size of a program, UTF-8."""
    args_bytes: int = 262_144
    """Size of all argument lists of a call together, UTF-8."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "threads":
                continue
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"limits.{name} must be positive and finite, got {value}")
        if not 0 <= self.threads <= MAX_THREADS:
            raise ValueError(f"limits.threads must be 0 to {MAX_THREADS}, got {self.threads}")

    @property
    def total_bytes(self) -> int:
        """Canonical size of all values of a call together."""
        return 16 * self.output_bytes
