"""From a round's report to the store: one transaction, and the plan of a round to come with it.

Rounds come here in the order of their numbers. A proposal that has lost its claim meanwhile to one
of an earlier place is a duplicate, whatever its attempts said. What goes to the trainer: a group
for each prompt of the proposer; and for the solver each task's attempts ("rollout recycling"), or
in their stead the rollouts of its own batch. A task that everybody or nobody solves may be left
out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.play.arena import Arena
from engine.play.claims import Claims
from engine.play.outbox import pack
from engine.play.plan import Plan, draw_plan, stream
from engine.play.propose import ADMITTED, ProposeRequest, demoted
from engine.play.record import attempt_rows, prompt_rows, proposal_rows
from engine.play.round import RoundReport
from engine.play.solve import Attempts
from engine.tasks.eviction import make_room
from engine.tasks.rows import OutboxRow, Solved
from engine.tasks.store import TaskStore
from engine.wire.messages import Producer, Role


@dataclass(slots=True, kw_only=True)
class Committer:
    """Writes rounds. One owner: the player."""

    arena: Arena
    store: TaskStore
    claims: Claims
    limit: int
    """Bytes of one record of the ring."""
    producer: Callable[[int], Producer]
    round_size: int = field(init=False)
    """Rollouts of a round, as the last one was: what a running round is taken to add."""

    def __post_init__(self) -> None:
        config = self.arena.config
        self.round_size = config.prompts * config.proposals + config.solver_tasks

    def plan_first(self) -> None:
        """Draw the plans of the first rounds, which no commit precedes."""
        first = self.store.next_round()
        for number in range(first, first + self.arena.config.rounds_in_flight):
            if self.store.plan(number) is None:
                plan = draw_plan(self.store, self.arena.config, number)
                self.store.write_plan(number, plan.to_json())

    def plan(self, number: int) -> Plan:
        """The plan of a round that may start."""
        text = self.store.plan(number)
        if text is None:
            raise KeyError(f"round {number} has no plan: an earlier round must be committed first")
        return Plan.from_json(text)

    def commit(self, report: RoundReport) -> RoundReport:
        """Write a round; returns it as it was written."""
        report = self._settled(report)
        groups = [group for group in self._groups(report) if group.num_rollouts]
        config = self.arena.config
        following = report.number + config.rounds_in_flight
        with self.store.transaction():
            self.store.commit_round(
                report.number,
                tasks=[attempts.task for attempts in report.admitted],
                prompts=prompt_rows(report) if config.record else (),
                proposals=proposal_rows(report),
                attempts=list(attempt_rows(report, self._trained(report))) if config.record else (),
                groups=groups,
                solved=[_solved(each) for each in (*report.admitted, *report.practice)],
                retired=report.retired,
            )
            make_room(
                self.store,
                stream(config.seed, "eviction", report.number),
                capacity=config.memory_capacity,
                policy=config.eviction,
            )
            plan = draw_plan(self.store, config, following)
            self.store.write_plan(following, plan.to_json())
        self.round_size = sum(group.num_rollouts for group in groups)
        for judged in report.judged:
            self.claims.release(judged.place)
        trained = sum(group.num_rollouts for group in groups if group.role is Role.SOLVER)
        return replace(report, num_trained=trained)

    def _settled(self, report: RoundReport) -> RoundReport:
        """What lost its claim to an earlier place is a duplicate."""
        judged = [
            each
            if each.fate != ADMITTED or self.claims.holds(each.place)
            else demoted(self.arena.config, each)
            for each in report.judged
        ]
        return replace(report, judged=judged)

    # -- for the trainer

    def _groups(self, report: RoundReport) -> list[OutboxRow]:
        rows = []
        for request in report.requests:
            rows += self._proposer_group(report, request)
        for attempts in self._trained(report):
            rows += self._solver_group(report, attempts)
        return rows

    def _trained(self, report: RoundReport) -> list[Attempts]:
        """The attempts that the solver learns from."""
        config = self.arena.config
        found = report.admitted if config.recycle else list(report.practice)
        if not config.mixed_only:
            return found
        return [each for each in found if 0 < each.num_right < len(each.scored)]

    def _proposer_group(self, report: RoundReport, request: ProposeRequest) -> list[OutboxRow]:
        judged = [each for each in report.scored if each.place[1] == request.index]
        return pack(
            self.arena.policy,
            group_id=self.arena.name("group", report.number, "proposer", request.index),
            role=Role.PROPOSER,
            kind=report.kind,
            task_id="+".join(request.parents),
            parents=request.parents,
            prompt=request.text,
            params=request.params,
            rollouts=[each.rollout() for each in judged],
            producer=self.producer,
            limit=self.limit,
        )

    def _solver_group(self, report: RoundReport, attempts: Attempts) -> list[OutboxRow]:
        return pack(
            self.arena.policy,
            group_id=self.arena.name("group", report.number, "solver", attempts.task.id),
            role=Role.SOLVER,
            kind=report.kind,
            task_id=attempts.task.id,
            parents=attempts.task.parents,
            prompt=attempts.text,
            params=attempts.params,
            rollouts=attempts.rollouts,
            producer=self.producer,
            limit=self.limit,
        )


def _solved(attempts: Attempts) -> Solved:
    return Solved(
        task_id=attempts.task.id, attempts=len(attempts.scored), solved=attempts.num_right
    )
