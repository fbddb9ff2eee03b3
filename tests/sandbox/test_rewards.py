"""docs/rewards.md keeps its word: its blocks are run, in their order, on plausible inputs."""

import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import BlockingSandbox, Limits, ScriptOutcome, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text("utf-8")
BLOCK = re.compile(r"^```(?:python|text) (\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS: dict[str, str] = dict(BLOCK.findall(PAGE))
RIGHT = "Here:\n```python\na, b = map(int, input().split())\nprint(a + b)\n```\nDone."
HALF = "```python\nprint(7)\n```"
CRASHES = "```\na, b = map(int, input().split())\nprint(a + b)\n1 // 0\n```"
TESTS = [{"stdin": "3 4\n", "stdout": "7\n"}, {"stdin": "1 1\n", "stdout": "2\n"}]


def page_up_to(*names: str) -> types.SimpleNamespace:
    """The names that these blocks define, run one after the other."""
    found: dict[str, object] = {}
    for name in names:
        exec(compile(BLOCKS[name], f"docs/rewards.md:{name}", "exec"), found)
    return types.SimpleNamespace(**found)


@pytest.fixture(scope="module")
def pool() -> Iterator[BlockingSandbox]:
    with BlockingSandbox(workers=1, limits=Limits(wall_s=30.0, cpu_s=5.0)) as sandbox:
        yield sandbox


def test_every_block_that_can_be_run_has_a_name_and_a_test():
    source = Path(__file__).read_text()
    assert {"scoring", "trl", "verifiers", "rubric", "taskset", "http", "verl"} <= set(BLOCKS)
    assert all(f'"{name}"' in source for name in BLOCKS)


@pytest.mark.parametrize("as_chat", [False, True])
def test_the_trl_reward_scores_each_completion(pool: BlockingSandbox, as_chat):
    replies = [RIGHT, HALF, CRASHES, "no code at all", "```python\nwhile True\n```"]
    completions = [[{"role": "assistant", "content": r}] for r in replies] if as_chat else replies
    reward = page_up_to("scoring", "trl").make_reward(pool)
    rewards = reward(
        prompts=["?"] * 5, completions=completions, completion_ids=[[1]] * 5, tests=[TESTS] * 5,
        trainer_state=None,
    )  # fmt: skip
    assert rewards == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_a_lost_guest_is_neither_right_nor_wrong():
    page = page_up_to("scoring")
    lost = ScriptOutcome(verdict=Verdict.LOST)
    right = ScriptOutcome(verdict=Verdict.OK, stdout="7\n", exit_code=0)
    assert page.share_passed(TESTS, [right, lost]) is None
    assert page.share_passed(TESTS[:1], [right]) == 1.0


async def test_the_rubric_function_scores_a_rollout(pool: BlockingSandbox):
    page = page_up_to("scoring", "verifiers", "rubric")
    passes = page.make_rubric_function(pool)
    for reply, reward in ((RIGHT, 1.0), (HALF, 0.5), (CRASHES, 0.0)):
        completion = [{"role": "assistant", "content": reply}]
        assert await passes(completion=completion, info={"cases": TESTS}) == reward


async def test_the_task_scores_a_trace():
    pytest.importorskip("verifiers.v1", reason="verifiers is not installed")
    page = page_up_to("scoring", "verifiers", "taskset")
    try:
        task = page.CodeTask(page.CodeData(idx=0, prompt="add", cases=TESTS))
        trace = types.SimpleNamespace(last_reply=RIGHT)
        assert await task.passes_tests(trace) == 1.0
    finally:
        page.SANDBOX.close()


def test_the_http_function_gets_an_answer():
    pytest.importorskip("starlette", reason="the extra `serve` is not installed")
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    run = page_up_to("http").run
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        url = next(line.split()[-1] for line in server.stdout if "now: POST" in line)
        ran = run("print(int(input()) + 1)", "41", url=url)
        server.terminate()
    assert (ran["status"], ran["return_code"], ran["stdout"]) == ("Finished", 0, "42\n")


def test_the_settings_lead_to_a_path_that_there_is():
    gateway = (Path(__file__).parents[2] / "sandbox" / "gateway.py").read_text()
    urls = {name: re.findall(r"https?://\S+", BLOCKS[name]) for name in ("verl", "skyrl", "tinker")}
    assert urls["verl"] == urls["tinker"] == ["http://127.0.0.1:8080/run_code"]
    assert urls["skyrl"] == ["http://127.0.0.1:8080"]
    assert 'Route("/run_code"' in gateway


def test_the_command_lines_of_the_page_are_understood():
    from sandbox.cli import app

    commands = re.findall(r"^    sandbox (.*)$", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        app.parse_args(command, exit_on_error=False, print_error=False)
