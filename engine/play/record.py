"""A round as rows of the flight recorder."""

from collections.abc import Collection, Iterable

from engine.play.completion import Completion
from engine.play.propose import Judged
from engine.play.round import RoundReport
from engine.play.solve import Attempts
from engine.prompts import Rendered
from engine.tasks.flight import AttemptRow, PromptRow, ProposalRow, Written
from engine.wire.messages import Role


def prompt_rows(report: RoundReport) -> list[PromptRow]:
    """Every prompt of the round, the solver's too."""
    rows = [_prompt(Role.PROPOSER, each.prompt, each.text) for each in report.requests]
    sittings = (*report.admitted, *report.practice)
    return rows + [_prompt(Role.SOLVER, each.prompt, each.text) for each in sittings]


def proposal_rows(report: RoundReport) -> list[ProposalRow]:
    """Every proposal that has a reward."""
    prompts = [_prompt(Role.PROPOSER, each.prompt, each.text).id for each in report.requests]
    return [_proposal(report, each, prompts[each.place[1]]) for each in report.scored]


def attempt_rows(report: RoundReport, trained: Collection[Attempts]) -> Iterable[AttemptRow]:
    """Every attempt that has a verdict; those of `trained` go to the trainer."""
    for is_measure, sittings in ((True, report.admitted), (False, report.practice)):
        for attempts in sittings:
            prompt_id = _prompt(Role.SOLVER, attempts.prompt, attempts.text).id
            is_trained = any(attempts is each for each in trained)
            for attempt in attempts.scored:
                yield AttemptRow(
                    task_id=attempts.task.id,
                    verdict=attempt.judgement.value,
                    text=attempt.completion.text,
                    reward=attempt.reward,
                    is_trained=is_trained,
                    is_measure=is_measure,
                    written=_written(
                        attempt.completion, prompt_id, attempt.seed, attempt.components()
                    ),
                )


def _prompt(role: Role, prompt: Rendered, text: str) -> PromptRow:
    return PromptRow(
        role=role,
        kind=prompt.kind,
        form=prompt.form.value,
        lead=prompt.lead,
        given=prompt.given,
        text=text,
    )


def _proposal(report: RoundReport, judged: Judged, prompt_id: str) -> ProposalRow:
    completion = judged.completion
    request = report.requests[judged.place[1]]
    return ProposalRow(
        kind=report.kind,
        version=completion.version or 0,
        fate=judged.fate,
        detail=judged.detail,
        text=request.prompt.lead + completion.text,
        reward=judged.reward,
        solve_rate=judged.solve_rate,
        task_id=judged.attempts.task.id if judged.attempts else None,
        written=_written(completion, prompt_id, request.params.seed, judged.components()),
    )


def _written(
    completion: Completion, prompt_id: str, seed: int | None, components: dict[str, float]
) -> Written:
    return Written(
        prompt_id=prompt_id,
        sample=completion.index,
        seed=seed,
        finish=completion.finish.value,
        versions=completion.versions,
        num_tokens=len(completion.tokens),
        components=components,
    )
