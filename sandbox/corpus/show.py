"""The report of a corpus: a line per file for people, one JSON document for programs."""

import json
import os
import platform
from pathlib import Path

from sandbox.corpus.contain import values_text
from sandbox.corpus.hoststate import RSS_TOLERANCE, RSS_TOLERANCE_MB
from sandbox.corpus.runner import LIMITS, Report, Row


def line(row: Row) -> str:
    """One file: contained or not, where, how it ended in each family, what is wrong."""
    state = "contained    " if row.is_contained else "NOT CONTAINED"
    verdicts = " ".join(outcome.verdict for outcome in row.outcomes)
    certified = f" certify: {row.certified}" if row.certified else ""
    wrong = f": {row.complaint}" if row.complaint else ""
    aside = f" ({row.note})" if row.note else ""
    return _printable(f"{state} {row.name}  {verdicts}{certified}{aside}{wrong}")


def _printable(text: str) -> str:
    """Names of files and sockets are anyone's: one line, ASCII, no control characters."""
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text)


def summary(report: Report) -> str:
    """The last line."""
    return f"{len(report.rows)} programs, {report.num_contained} contained"


def document(report: Report, *, directory: Path) -> str:
    """Everything, as JSON."""
    return json.dumps(
        {
            "directory": str(directory),
            "host": {
                "python": platform.python_version(),
                "kernel": platform.release(),
                "machine": platform.machine(),
                "num_cpus": os.cpu_count(),
                "uid": os.geteuid(),
                "jail": report.jail,
                "layers": {name: is_on for name, (is_on, _) in report.layers.items()},
            },
            "limits": {
                "wall_s": LIMITS.wall_s,
                "cpu_s": LIMITS.cpu_s,
                "memory_mb": LIMITS.memory_mb,
            },
            "rss_mb": {
                "before": round(report.rss_mb[0], 1),
                "after": round(report.rss_mb[1], 1),
                "tolerance": f"{RSS_TOLERANCE:.0%} and {RSS_TOLERANCE_MB:.0f} MB",
            },
            "programs": [_fields(row) for row in report.rows],
            "num_programs": len(report.rows),
            "num_contained": report.num_contained,
        },
        indent=1,
    )


def _fields(row: Row) -> dict[str, object]:
    return {
        "file": f"{row.name}.py",
        "class": row.kind,
        "expect": row.expect,
        "families": {
            str(family): {
                "verdict": outcome.verdict.value,
                "error": outcome.error,
                "value": values_text(outcome),
                "wall_s": round(outcome.cost.wall_s, 3),
            }
            for family, outcome in enumerate(row.outcomes)
        },
        "certify": row.certified,
        "note": row.note,
        "complaint": row.complaint,
        "contained": row.is_contained,
    }
