"""The tables of docs/values.md, so that what the page says is what is tested."""

from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "values.md"


def rows(head: str) -> list[list[str]]:
    """The rows of the table whose first line is `head`, cells without their back-ticks."""
    lines = iter(PAGE.read_text("utf-8").splitlines())
    for line in lines:
        if line == head:
            break
    else:
        raise ValueError(f"no table {head!r} in {PAGE}")
    next(lines)  # the line of dashes
    found = []
    for line in lines:
        if not line.startswith("| "):
            break
        found.append([cell.strip().strip("`") for cell in line.strip("| ").split(" | ")])
    return found
