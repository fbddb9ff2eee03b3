"""Command line of the engine: serve, status, queue, tasks, report.

Every user error ends as one sentence on stderr and exit code 2; heavy imports happen inside the
commands, so that `--help` is quick.
"""

import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.config import Dict

from engine.commands.explain import explain
from engine.commands.places import DEFAULT_RUN
from engine.commands.queue_export import export
from engine.commands.queue_fsck import fsck
from engine.commands.queue_stat import stat
from engine.commands.queue_tail import tail
from engine.commands.replay import replay
from engine.commands.status import status
from engine.commands.tasks import check, list_tasks, show
from engine.commands.tasks_diversity import diversity
from engine.commands.tasks_exchange import export_file, import_file
from engine.config import ConfigError, EngineConfig, RunConfig, SandboxConfig
from engine.recipe import read_recipe

DEFAULT_RECIPE = "laptop"
DEFAULT_CACHE = Path(".cache/kelvin")

app = App(
    name="engine",
    help="Self-play for code reasoning: proposes, executes, scores and publishes.",
    help_epilogue=(
        "First run, two terminals: `engine serve --run runs/first`, "
        "`trainer run --run runs/first`. One terminal: add --with-trainer."
    ),
)
queue = App(
    name="queue",
    help="Look at the queue between engine and trainer; changes nothing, live or dead.",
)
for _command in (stat, tail, fsck, export):
    queue.command(_command)
tasks = App(name="tasks", help="The tasks of a run: look at them, check them, exchange them.")
tasks.command(list_tasks, name="list")
tasks.command(show)
tasks.command(check)
tasks.command(diversity)
tasks.command(export_file, name="export")
tasks.command(import_file, name="import")
app.command(queue)
app.command(tasks)
app.command(status)
app.command(explain)
app.command(replay)


@app.command
def serve(
    *,
    run: Path = DEFAULT_RUN,
    recipe: str = DEFAULT_RECIPE,
    with_trainer: bool = False,
    cache: Path = DEFAULT_CACHE,
    api: str = "",
    engine: EngineConfig = EngineConfig(),  # noqa: B008  # frozen
    sandbox: SandboxConfig = SandboxConfig(),  # noqa: B008  # frozen
    trainer: dict[str, str] | None = None,
) -> int:
    """Play until the budget is spent, measuring before and after; goes on where it stopped.

    Parameters
    ----------
    run
        The run directory, where engine and trainer meet.
    recipe
        A shipped recipe (laptop, smoke) or a TOML file with [engine], [sandbox], [trainer].
    with_trainer
        Also run `trainer run` on this directory, and restart it if it is killed.
    cache
        Where converted models are kept.
    api
        Also answer HTTP at HOST:PORT, e.g. 127.0.0.1:8460: /health, /metrics, /status, /tasks,
        /run_code. The same as --engine.api.
    trainer
        Keys of the trainer's table, e.g. --trainer.lr 1e-5; `trainer run --help` lists them.
    """
    _require_extras()
    import uvloop

    from engine.api.door import open_door
    from engine.policy.pretrained import resolve_model
    from engine.service import serve as serve_run
    from engine.wire import RunDir

    table = {**read_recipe(recipe).get("trainer", {}), **_typed(trainer or {})}
    engine = replace(engine, api=api) if api else engine
    config = RunConfig(engine=engine, sandbox=sandbox, trainer=table)
    door = open_door(engine)
    directory = RunDir(run).create()
    logging.basicConfig(
        filename=directory.engine_log,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    model = resolve_model(engine.model, cache=cache).resolve()
    if door is not None:
        print(f"api: {door.url}", file=sys.stderr, flush=True)
    code = uvloop.run(
        serve_run(directory, config, model=model, with_trainer=with_trainer, door=door)
    )
    if code == 0:
        print(f"report: {directory.report}\ncheckpoint: {_newest(directory.checkpoints)}")
    else:
        print(f"stopped; the same command goes on from here (run {run})")
    return code


@app.command
def report(*, run: Path = DEFAULT_RUN) -> int:
    """Write report.html of a run from what it has recorded so far.

    Parameters
    ----------
    run
        The run directory.
    """
    from engine.observe.report import write_report
    from engine.wire import RunDir

    print(write_report(RunDir(run)))
    return 0


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
) -> int:
    """Make the recipe's tables the defaults of `serve`, then run the command."""
    if tokens[:1] == ("serve",):
        recipe = _recipe_of(tokens)
        tables = {k: v for k, v in read_recipe(recipe).items() if k != "trainer"}
        app.config = (Dict(tables, use_commands_as_keys=False, source=f"recipe {recipe}"),)
    result = app(tokens, result_action="return_value")
    return result if isinstance(result, int) else 0


def _recipe_of(tokens: tuple[str, ...]) -> str:
    """The value of --recipe, needed before the command line is parsed in full."""
    for token, following in zip(tokens, (*tokens[1:], ""), strict=True):
        if token == "--recipe":
            return following
        if token.startswith("--recipe="):
            return token.removeprefix("--recipe=")
    return DEFAULT_RECIPE


def main() -> None:
    """Entry point of the `engine` script."""
    sys.exit(_run())


def _run() -> int:
    try:
        return int(app.meta(result_action="return_value") or 0)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(f"engine: {sentence}", file=sys.stderr)
        return 2


def _sentence(error: BaseException) -> str | None:
    """What to tell a user of an error that is his to mend, or None: then it is a bug of ours."""
    if isinstance(error, BaseExceptionGroup):
        told = [_sentence(each) for each in error.exceptions]
        return "; ".join(dict.fromkeys(t for t in told if t)) if all(told) else None
    if _is_full_disk(error):
        return f"the disk is full ({error}); free some space and run the same command again"
    from engine.errors import EngineError
    from engine.play.outbox import OutboxError
    from engine.policy.errors import PolicyError
    from engine.tasks.store import StoreError
    from engine.wire import WireError
    from sandbox import SandboxError

    known = (ConfigError, EngineError, OutboxError, PolicyError, StoreError, WireError)
    return str(error) if isinstance(error, (*known, SandboxError)) else None


def _is_full_disk(error: BaseException) -> bool:
    from engine.play.patience import SPACE, what_is_missing

    return what_is_missing(error) == SPACE


def _require_extras() -> None:
    """Say at once, and not after minutes, that the extra for models is not installed."""
    from importlib.util import find_spec

    missing = [
        name for name in ("torch", "transformers", "jinja2", "matplotlib") if not find_spec(name)
    ]
    if missing:
        raise ConfigError(
            f"`engine serve` needs {', '.join(missing)}, not installed here; "
            "pip install 'kelvin-rl[train]'"
        )


def _typed(table: dict[str, str]) -> dict[str, object]:
    """Values of the trainer's table: command-line words become TOML scalars where they parse."""
    import tomllib

    typed: dict[str, object] = {}
    for key, value in table.items():
        try:
            typed[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            typed[key] = value
    return typed


def _newest(checkpoints: Path) -> str:
    found = sorted(path for path in checkpoints.glob("step-*") if path.is_dir())
    return str(found[-1]) if found else "none"


if __name__ == "__main__":
    main()
