"""Where commands look when they are not told."""

from pathlib import Path
from typing import Final

DEFAULT_RUN: Final = Path("runs/first")
DEFAULT_RING: Final = "ring-0"
