"""The flight recorder: what is kept of prompts, proposals and attempts, and how it is found."""

from collections.abc import Iterator, Sequence

from engine.tasks.flight import (
    AttemptRow,
    PromptRow,
    ProposalRow,
    attempt_row_of,
    prompt_row_of,
    proposal_row_of,
    written_values,
)
from engine.tasks.memory import TaskMemory

_WRITTEN = "prompt_id, sample, seed, finish, versions, num_tokens, components"


class FlightRecorder(TaskMemory):
    """The tables `prompts`, `proposals` and `attempts`."""

    def proposals(self) -> list[tuple[int, ProposalRow]]:
        """Every proposal with its round, in order."""
        rows = self._rows("SELECT * FROM proposals ORDER BY id")
        return [(row["round"], proposal_row_of(row)) for row in rows]

    def proposals_of(self, number: int) -> list[ProposalRow]:
        """Those of one round, in order."""
        query = "SELECT * FROM proposals WHERE round = ? ORDER BY id"
        return [proposal_row_of(row) for row in self._rows(query, (number,))]

    def attempts_of(self, number: int) -> list[AttemptRow]:
        """Those of one round, in order."""
        query = "SELECT * FROM attempts WHERE round = ? ORDER BY id"
        return [attempt_row_of(row) for row in self._rows(query, (number,))]

    def proposal_of_task(self, task_id: str) -> tuple[int, ProposalRow] | None:
        """The proposal that became this task, with its round."""
        query = "SELECT * FROM proposals WHERE task_id = ? ORDER BY id LIMIT 1"
        rows = self._rows(query, (task_id,))
        return (rows[0]["round"], proposal_row_of(rows[0])) if rows else None

    def attempts_at(self, task_id: str) -> Iterator[tuple[int, AttemptRow]]:
        """Every attempt at a task, with its round, in order."""
        for row in self._rows("SELECT * FROM attempts WHERE task_id = ? ORDER BY id", (task_id,)):
            yield row["round"], attempt_row_of(row)

    def prompt(self, prompt_id: str) -> PromptRow | None:
        """A prompt by its id."""
        rows = self._rows("SELECT * FROM prompts WHERE id = ?", (prompt_id,))
        return prompt_row_of(rows[0]) if rows else None

    def children_of(self, task_id: str) -> list[str]:
        """Ids of the tasks whose proposer was shown this one, in the order they were admitted."""
        query = "SELECT id FROM tasks WHERE instr(parents, ?) ORDER BY position"
        return [found for (found,) in self._db.execute(query, (f'"{task_id}"',))]

    def _record(
        self,
        number: int,
        prompts: Sequence[PromptRow],
        proposals: Sequence[ProposalRow],
        attempts: Sequence[AttemptRow],
    ) -> None:
        """Write a round's rows, in its transaction."""
        for prompt in prompts:
            about = (prompt.role, prompt.kind, prompt.form, prompt.lead, prompt.given, prompt.text)
            query = "INSERT OR IGNORE INTO prompts VALUES (?,?,?,?,?,?,?)"
            self._db.execute(query, (prompt.id, *about))
        for row in proposals:
            about_it = (number, row.kind, row.version, row.fate, row.detail, row.text)
            result = (row.solve_rate, row.reward, row.task_id)
            query = "INSERT INTO proposals (round, kind, version, fate, detail, text, solve_rate,"
            query += f" reward, task_id, {_WRITTEN}) VALUES ({','.join('?' * 16)})"
            self._db.execute(query, (*about_it, *result, *written_values(row.written)))
        for each in attempts:
            outcome = (each.verdict, each.text, each.reward, each.is_trained, each.is_measure)
            query = "INSERT INTO attempts (round, task_id, verdict, text, reward, is_trained,"
            query += f" is_measure, {_WRITTEN}) VALUES ({','.join('?' * 14)})"
            self._db.execute(query, (number, each.task_id, *outcome, *written_values(each.written)))
