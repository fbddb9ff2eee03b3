"""The report's pictures: SVG text, one function each, drawn from rows of metrics."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.wire.messages import MAIN_KINDS, Kind

Row = Mapping[str, object]

COLOURS = {
    "deduction": "#2563eb", "abduction": "#d97706", "induction": "#059669", "error": "#7c3aed",
}  # fmt: skip
SMOOTH = 6
"""Rounds (or steps) of a running mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a figure."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str | None = None


def draw(
    curves: Sequence[Curve], *, x: str, y: str, levels: Mapping[str, float] | None = None
) -> str:
    """Lines with raw points behind, dashed horizontal lines at `levels`; SVG text, or ""."""
    if not any(curve.x for curve in curves):
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    axes = figure.subplots()
    for curve in curves:
        if not curve.x:
            continue
        (line,) = axes.plot(
            curve.x, running_mean(curve.y, SMOOTH), label=curve.label, color=curve.colour
        )
        axes.plot(curve.x, curve.y, ".", markersize=3, alpha=0.35, color=line.get_color())
    for label, level in (levels or {}).items():
        axes.axhline(level, linestyle="--", linewidth=1, color="#6b7280")
        axes.annotate(label, (1, level), xycoords=("axes fraction", "data"), ha="right",
                      va="bottom", fontsize=7, color="#6b7280")  # fmt: skip
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def bars(parts: Mapping[str, float], *, x: str) -> str:
    """One stacked horizontal bar of named parts; SVG text, or ""."""
    total = sum(parts.values())
    if total <= 0:
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.3), layout="constrained")
    axes = figure.subplots()
    left = 0.0
    for name, part in parts.items():
        axes.barh(0, part / total, left=left, label=f"{name} {100 * part / total:.0f} %")
        left += part / total
    axes.set_yticks([])
    axes.set_xlabel(x)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def by_kind(rows: Sequence[Row], numerator: str, denominator: str) -> list[Curve]:
    """A share per round, one curve a kind, over the policy version that played the round."""
    curves = []
    for kind in Kind:
        mine = [r for r in rows if r["kind"] == kind.value and number(r, denominator)]
        if not mine and kind not in MAIN_KINDS:
            continue
        curves.append(
            Curve(
                label=kind.value,
                x=[number(r, "version") for r in mine],
                y=[number(r, numerator) / number(r, denominator) for r in mine],
                colour=COLOURS[kind.value],
            )
        )
    return curves


def mean_by_kind(rows: Sequence[Row], key: str) -> list[Curve]:
    """A mean per round, one curve a kind; rounds without a value are left out."""
    curves = []
    for kind in Kind:
        mine = [r for r in rows if r["kind"] == kind.value and r.get(key) is not None]
        if not mine and kind not in MAIN_KINDS:
            continue
        curves.append(
            Curve(
                label=kind.value,
                x=[number(r, "version") for r in mine],
                y=[number(r, key) for r in mine],
                colour=COLOURS[kind.value],
            )
        )
    return curves


def series(rows: Sequence[Row], key: str, label: str) -> Curve:
    """A trainer's metric over its steps; rows without a value are left out."""
    mine = [row for row in rows if row.get(key) is not None]
    return Curve(
        label=label, x=[number(row, "step") for row in mine], y=[number(row, key) for row in mine]
    )


def number(row: Row, key: str) -> float:
    """A numeric field of a row, 0 if it is absent or null."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """Mean of the last `width` values at each place."""
    means = []
    for end in range(1, len(values) + 1):
        window = values[max(0, end - width) : end]
        means.append(sum(window) / len(window))
    return means


def _svg(figure: object) -> str:
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    out = io.StringIO()
    figure.savefig(out, format="svg")
    text = out.getvalue()
    return text[text.index("<svg") :]
