"""The jails by name, and what is tried for each."""

from collections.abc import Mapping
from typing import Literal

Jail = Literal["auto", "native", "nsjail", "filter-only"]
JAILS: Mapping[str, tuple[str, ...]] = {
    "auto": ("native", "nsjail"),
    "native": ("native",),
    "nsjail": ("nsjail",),
    "filter-only": ("filter-only",),
}
"""What may be asked for, and what is then tried, in order: nothing weaker unless it was named."""
