"""`GET /metrics`: what the engine counts, in the format of Prometheus.

Nothing is counted here: when asked, the numbers that the engine keeps anyway become samples.
Counters begin at 0 with each invocation.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from engine.api.scene import Scene
from engine.wire.messages import Kind
from sandbox.status import LATENCY_BOUNDS_S, Status

Values = TypeVar("Values", bound=tuple[str, ...])


class SceneCollector(Collector):
    """Turns a scene into metrics whenever it is asked."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        yield from _play(self._scene)
        yield from _state(self._scene)
        yield from _sandbox(self._scene.sandbox.status())


def exposition(scene: Scene) -> bytes:
    """The body of an answer."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SceneCollector(scene))
    return bytes(generate_latest(registry))


def _play(scene: Scene) -> Iterator[Metric]:
    counters = scene.counters
    rounds = {(kind,): counters.rounds[kind] for kind in Kind}
    yield _counter("kelvin_rounds", "Committed rounds.", ("kind",), rounds)
    told = "Proposals by what became of them; admitted ones are tasks."
    yield _counter("kelvin_proposals", told, ("kind", "fate"), counters.proposals)
    told = "Attempts of the solver that were scored."
    yield _counter("kelvin_attempts", told, ("kind", "verdict"), counters.attempts)
    aborted = {(role,): count for role, count in counters.aborted.items()}
    told = "Completions that were cut because they could no longer become valid."
    yield _counter("kelvin_completions_aborted", told, ("role",), aborted)
    saved = {(role,): count for role, count in counters.saved.items()}
    told = "What was left of the token budgets of aborted completions: at most so much was saved."
    yield _counter("kelvin_tokens_saved", told, ("role",), saved)
    tokens = {(): scene.policy.num_tokens}
    yield _counter("kelvin_tokens", "Tokens sampled, in rounds and beside them.", (), tokens)


def _state(scene: Scene) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("kelvin_tasks", "Tasks that can be drawn.", labels=["kind"])
    for kind in Kind:
        tasks.add_metric([kind.value], scene.store.num_tasks(kind))
    yield tasks
    capacity = scene.ring_capacity
    used = capacity - scene.ring.free_bytes
    yield GaugeMetricFamily("kelvin_ring_used_bytes", "Occupied bytes of the ring.", used)
    yield GaugeMetricFamily("kelvin_ring_capacity_bytes", "Bytes of the ring.", capacity)
    told = "Rollouts that no published version has learned from, by the last look."
    yield GaugeMetricFamily("kelvin_rollouts_unconsumed", told, scene.board.unconsumed)
    told = "The version that the next token is drawn from."
    yield GaugeMetricFamily("kelvin_policy_version", told, scene.policy.version)


def _sandbox(status: Status) -> Iterator[Metric]:
    calls = {(verdict,): count for verdict, count in status.verdicts.items()}
    yield _counter("kelvin_sandbox_calls", "Calls by how they ended.", ("verdict",), calls)
    bounds = [*map(str, LATENCY_BOUNDS_S), "+Inf"]
    buckets = list(zip(bounds, accumulate(status.latency), strict=True))
    told = "From the order to fork a guest until it was reaped."
    yield HistogramMetricFamily(
        "kelvin_sandbox_call_seconds", told, buckets=buckets, sum_value=status.busy_s
    )
    yield GaugeMetricFamily("kelvin_sandbox_guests", "Guests that run.", status.num_running)
    told = "Calls that no zygote has taken yet."
    yield GaugeMetricFamily("kelvin_sandbox_waiting", told, status.num_waiting)


def _counter(name: str, told: str, labels: tuple[str, ...], counts: Mapping[Values, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric([str(value) for value in values], count)
    return family
