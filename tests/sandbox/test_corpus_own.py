"""The attack programs of this repository: there are enough, they are well-formed, none gets out."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.call import Call
from sandbox.corpus.program import Header, Program, find, load, read_header
from sandbox.corpus.runner import Examiner, examiner, read_all
from sandbox.verdict import Verdict

CORPUS = Path(__file__).parent / "attacks"
FILES = find(CORPUS)
NAMES = [str(path.relative_to(CORPUS).with_suffix("")) for path in FILES]
CLASSES = {
    "compile_bombs", "cpu_hang", "cross_guest", "escape_syscall", "fork_bomb", "fs_read",
    "fs_write", "import_abuse", "memory", "network", "nondeterminism", "output_abuse",
    "process_spawn", "result_forgery", "signal_games",
}  # fmt: skip


def header_of(path: Path) -> Header:
    header = read_header(load(path))
    assert isinstance(header, Header), f"{path}: {header}"
    return header


def test_there_are_programs_of_every_class():
    numbers = Counter(path.parent.name for path in FILES)
    assert len(FILES) >= 120
    assert set(numbers) == CLASSES
    assert min(numbers.values()) >= 5
    assert numbers["nondeterminism"] >= 15


def test_every_known_weakness_of_judges_has_its_program():
    numbers = {int(m[1]) for path in FILES if (m := re.match(r"w(\d\d)_", path.name))}
    assert numbers == set(range(1, 26))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_header_is_whole_and_names_its_directory(path: Path):
    header = header_of(path)
    assert header.kind == path.parent.name
    assert header.detect
    assert header.verify


def test_no_program_is_there_twice():
    bodies = [re.sub(rb"(?m)^#.*\n", b"", path.read_bytes()) for path in FILES]
    assert len(set(bodies)) == len(bodies)


def test_the_readme_lists_every_class():
    text = (CORPUS / "README.md").read_text()
    assert {name for name in CLASSES if f"| `{name}` |" in text} == CLASSES


@pytest_asyncio.fixture(scope="module")
async def programs() -> dict[str, Program]:
    found = await read_all(FILES, root=CORPUS, jail="auto")
    return {program.name: program for program in found}


@pytest_asyncio.fixture(scope="module")
async def examining(programs: dict[str, Program]) -> AsyncIterator[Examiner]:
    async with examiner() as found:
        await found.warm_up(list(programs.values()))
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_an_attack_is_contained(examining: Examiner, programs: dict[str, Program], name: str):
    row = await examining.examine(programs[name])
    assert (row.complaint, row.note) == ("", "")


async def test_a_metaclass_does_not_choose_the_verdict(examining: Examiner):
    program = (
        "class M(type):\n    def __eq__(cls, other): return True\n    __hash__ = type.__hash__\n"
        "class E(Exception, metaclass=M): pass\ndef f(x): raise E"
    )
    outcome = await examining.sandbox.run(Call(program=program, args=["3"]), family=0)
    assert outcome.verdict is Verdict.RAISED
