"""Prompts as Python documents: a heading, a few worked blocks, and the start of one more.

A language model of any size continues code, so both roles and all three kinds are written as a
file of small blocks separated by blank lines; the last block is begun and the model finishes it.
The beginning of that block (`lead`) belongs to the prompt and carries no loss; the parser puts it
back. A block ends at a blank line or a closing fence, an answer of one line at the line's end: the
stop strings.

What each prompt shows, `...` being where the model goes on:

    propose deduction / abduction     propose induction        solve deduction
    def f(x, k):                      def f(x, k):             def f(x, k):
        return x * k                      return x * k             return x * k
    print(f(3, 4))                    # multiplies             assert f(3, 4) == 12
                                      f(3, 4)
    def f(...                         f(0, 2)                  def f(s):
                                                                   return s[::-1]
                                      def f(s):                assert f('ab') ==...
                                          return s[::-1]
                                      #...

    solve abduction                   solve induction
    def f(x, k):                      # multiplies
        return x * k                  assert f(3, 4) == 12
    assert 12 == f(3, 4)              def f(x, k):
                                          return x * k
    def f(s):
        return s[::-1]                # reverses
    assert 'ba' == f(...              assert f('ab') == 'ba'
                                      def f(...

A proposer's prompt never contains a gold: a reference is a program and its call, nothing more.
"""

from collections.abc import Sequence

from engine.prompts.forms import Rendered
from engine.tasks.task import Task, error_of
from engine.wire.messages import Kind

BLOCK_END = "\n\n"
FENCE = "\n```"
"""Many models take any code for a fenced block and close it: that ends a block, too."""

BLOCK_STOPS = (BLOCK_END, FENCE)

_PROPOSE = {
    Kind.DEDUCTION: "# Python functions, each with one call whose result takes some thought.",
    Kind.ABDUCTION: "# Python functions, each with one call to be guessed from its result.",
    Kind.ERROR: "# Python functions, each with one call that may end with an error.",
    Kind.INDUCTION: "# Python functions, each with what it does and different calls.",
}
_SOLVE = {
    Kind.DEDUCTION: "# Python functions and the exact result of a call.",
    Kind.ABDUCTION: "# Python functions and a call that gives the result.",
    Kind.ERROR: "# Python functions and the error that a call ends with, or NoError.",
    Kind.INDUCTION: "# Python functions written from examples of their results.",
}


def propose(
    kind: Kind, references: Sequence[Task], *, num_inputs: int, program: str = ""
) -> Rendered:
    """The proposer's prompt; induction invents inputs and a message for `program`."""
    if kind is Kind.INDUCTION:
        blocks = [_described_block(task, num_inputs) for task in references]
        lead = f"{program}\n#"
    else:
        blocks = [_called_block(task) for task in references]
        lead = "def f("
    return Rendered(
        text=_document(_PROPOSE[kind], blocks, lead),
        lead=lead,
        stop=BLOCK_STOPS,
        kind=kind,
        given=program,
    )


def solve(task: Task, shots: Sequence[Task]) -> Rendered:
    """The solver's prompt: `shots` are other tasks with their answers, then `task` without."""
    blocks = [_solved_block(task.kind, shot) for shot in shots]
    if task.kind is Kind.INDUCTION:
        lead = "def f("
        text = f"{_shown_examples(task)}{lead}"
        stop: tuple[str, ...] = BLOCK_STOPS
    else:
        example = task.examples[0]
        lead = {
            Kind.DEDUCTION: f"assert f({example.args}) ==",
            Kind.ABDUCTION: f"assert {example.shown} == f(",
            Kind.ERROR: f"# f({example.args}) ends with",
        }[task.kind]
        text = f"{task.program}\n{lead}"
        stop = ("\n",)
    return Rendered(
        text=_document(_SOLVE[task.kind], blocks, text), lead=lead, stop=stop, kind=task.kind
    )


def _document(heading: str, blocks: Sequence[str], begun: str) -> str:
    return BLOCK_END.join([heading, *blocks, begun])


def _called_block(task: Task) -> str:
    return f"{task.program}\nprint(f({task.examples[0].args}))"


def _described_block(task: Task, num_inputs: int) -> str:
    calls = [f"f({example.args})" for example in task.examples[:num_inputs]]
    return "\n".join([task.program, f"# {task.message}", *calls])


def _solved_block(kind: Kind, shot: Task) -> str:
    example = shot.examples[0]
    if kind is Kind.DEDUCTION:
        return f"{shot.program}\nassert f({example.args}) == {example.shown}"
    if kind is Kind.ERROR:
        return f"{shot.program}\n# f({example.args}) ends with {error_of(example)}"
    if kind is Kind.ABDUCTION:
        return f"{shot.program}\nassert {example.shown} == f({example.args})"
    return f"{_shown_examples(shot)}{shot.program}"


def _shown_examples(task: Task) -> str:
    lines = [f"assert f({example.args}) == {example.shown}\n" for example in task.shown]
    return "".join([f"# {task.message}\n", *lines])
