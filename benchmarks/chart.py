"""The rivals as an SVG: what one costs in CPU and how many fit into a second, on log scales."""

from collections.abc import Sequence
from pathlib import Path

_OURS, _OTHER, _FLOOR = "#0b6e4f", "#9aa5b1", "#c8963e"
_COLORS = {"kelvin": _OURS, "fork": _FLOOR, "fork-exit": _FLOOR, "exec": _FLOOR}


def draw(report: dict[str, object], file: Path, *, workload: str = "sort") -> str:
    """Write the chart of one workload in one lane; returns a sentence on what was done."""
    rows = rows_of(report, workload)
    if not rows:
        return f"no chart: the run has no rows of the workload {workload}"
    return _draw_bars(
        file,
        [str(row["name"]) for row in rows],
        [_COLORS.get(str(row["key"]), _OTHER) for row in rows],
        [
            ([_figure(row, "cpu_ms") for row in rows], ".3g", "CPU per call, ms (less is better)"),
            (
                [_figure(row, "calls_per_s") for row in rows],
                ",.0f",
                "calls/s, one at a time (more is better)",
            ),
        ],
        heading=_heading(report, f"workload {workload}"),
    )


def draw_streams(report: dict[str, object], file: Path, *, size: int = 4096) -> str:
    """Write the chart of the ring and its rivals at one message size; says what was done."""
    cells = report.get("stream", [])
    assert isinstance(cells, list)
    rows = sorted((c for c in cells if c["size"] == size), key=lambda cell: float(cell["cpu_us"]))
    if not rows:
        return f"no chart: the run has no streams of {size} bytes"
    return _draw_bars(
        file,
        [str(row["peer"]) for row in rows],
        [_OURS if str(row["peer"]).startswith("ring") else _OTHER for row in rows],
        [
            ([row["cpu_us"] for row in rows], ".3g", "CPU per message, us (less is better)"),
            ([row["messages_per_s"] for row in rows], ",.0f", "messages/s (more is better)"),
        ],
        heading=_heading(report, f"messages of {size:,} bytes"),
    )


def _draw_bars(
    file: Path,
    names: Sequence[str],
    colors: Sequence[str],
    panels: Sequence[tuple[Sequence[float], str, str]],
    *,
    heading: str,
) -> str:
    """Bars side by side; a panel is its values, how to spell them, and its title."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return "no chart: matplotlib is not installed; it is in the extra `train`"
    figure = Figure(figsize=(10, 0.45 * len(names) + 1.4), layout="constrained")
    both = figure.subplots(1, len(panels), sharey=True)
    for axes, (values, spelling, title) in zip(both, panels, strict=True):
        bars = axes.barh(names, values, color=colors)
        axes.bar_label(bars, labels=[format(v, spelling) for v in values], padding=3, fontsize=8)
        axes.set_xscale("log")
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].invert_yaxis()
    figure.suptitle(heading, fontsize=9)
    with rc_context({"svg.fonttype": "none"}):  # text stays text
        figure.savefig(file, format="svg", metadata={"Date": None})
    return f"chart: {file}"


def rows_of(report: dict[str, object], workload: str) -> Sequence[dict[str, object]]:
    """The one-lane rows of a workload, cheapest first."""
    part = report.get("rivals")
    rows = part["rows"] if isinstance(part, dict) else []
    mine = [row for row in rows if row["workload"] == workload and row["lanes"] == 1]
    return sorted(mine, key=lambda row: _figure(row, "cpu_ms"))


def _figure(row: dict[str, object], field: str) -> float:
    summary = row["summary"]
    assert isinstance(summary, dict)
    return float(summary[field])


def _heading(report: dict[str, object], what: str) -> str:
    where = report["host"]
    assert isinstance(where, dict)
    return (
        f"{what}; {where['date']}, {where['machine']}, Linux {where['kernel']}, "
        f"Python {where['python']}, {where['cpus']} CPUs"
    )
