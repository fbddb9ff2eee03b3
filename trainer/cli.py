"""The command `trainer`: one verb, `run`.

Whatever is wrong with the input ends in one sentence on standard error and exit code 2. torch and
transformers are imported only once there is something to train, so that `--help` is quick.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, CycloptsError, Parameter

from engine.wire import Run, RunDir, WireError
from trainer import signals
from trainer.config import TrainerConfig, describe_keys, read_config
from trainer.errors import TrainerError

EXIT_BAD_INPUT: Final = 2
EXIT_ABORTED: Final = 130

_RUN_POLL_S: Final = 1.0

log = logging.getLogger("trainer")


def run(
    *,
    run: Path,
    trainer: Annotated[dict[str, str] | None, Parameter(show=False)] = None,
    stop_with_parent: int | None = None,
) -> None:
    """Train on what the engine plays, until it closes the run.

    Start it before or after `engine serve`, on the same directory. It may be killed at any moment:
    the same command goes on from the last checkpoint. Ctrl-C writes a checkpoint first.

    Example: trainer run --run runs/first --trainer.lr 1e-5

    Parameters
    ----------
    run
        The run directory, where engine and trainer meet.
    trainer
        A setting of the run's table [trainer], as --trainer.KEY VALUE; it wins over run.json.
    stop_with_parent
        Pid of the process that starts this one: stop, as by SIGTERM, when it dies.
    """
    if stop_with_parent is not None:
        signals.stop_with_parent(stop_with_parent)
    read_config({}, trainer or {})  # a typing error is told now, not when the engine has come
    directory = RunDir(run).create()
    with signals.stop_on_signals() as stop, directory.lock("trainer"):
        try:
            _train(directory, overrides=trainer or {}, stop=stop)
        except signals.StopRequested:
            log.info("asked to stop before anything was trained")


def main(arguments: list[str] | None = None) -> None:
    """Entry point; exits 0 when the run is over or was stopped, 2 with a sentence otherwise."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s trainer: %(message)s"
    )
    try:
        _app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, TrainerError, WireError, OSError) as error:
        sentence = " ".join(str(error).split())
        if isinstance(error, OSError):
            sentence = f"expected --run to be a directory that can be written: {sentence}"
        print(f"trainer: {sentence}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        print("trainer: aborted; the last checkpoint stands", file=sys.stderr)
        sys.exit(EXIT_ABORTED)


def _app() -> App:
    app = App(
        name="trainer",
        help="Turns groups of verified rollouts into a better policy.",
        suppress_keyboard_interrupt=False,
    )
    settings = f"Settings of [trainer], their defaults and meanings:\n\n{describe_keys()}"
    app.command(run, help_epilogue=settings, help_format="plaintext")
    return app


def _train(directory: RunDir, *, overrides: Mapping[str, str], stop: signals.StopFlag) -> None:
    founded = _await_run(directory, stop)
    config = read_config(_table(founded, "trainer"), overrides)
    _check_batch(config, _table(founded, "trainer"))
    model_directory = directory.path / _model(founded)  # absolute, or inside the run
    try:
        from trainer.loop import train
    except ModuleNotFoundError as error:
        raise TrainerError(
            f"`trainer run` needs {error.name}, not installed here; pip install 'kelvin-rl[train]'"
        ) from None

    train(directory, model_directory=model_directory, config=config, stop=stop)


def _await_run(directory: RunDir, stop: signals.StopFlag) -> Run:
    """The run, as soon as the engine has founded it; StopRequested ends the wait."""
    if not directory.run_json.exists():
        log.info("waiting for %s: start `engine serve` on it", directory.run_json)
    while True:
        stop.check()
        try:
            return directory.wait_for_run(_RUN_POLL_S)
        except WireError:
            if directory.run_json.exists():
                raise


def _table(founded: Run, name: str) -> Mapping[str, object]:
    table = founded.config.get(name, {})
    if not isinstance(table, dict):
        raise TrainerError(f"run.json must have a table {name}, has {table!r}; found the run anew")
    return table


def _check_batch(config: TrainerConfig, table: Mapping[str, object]) -> None:
    """The engine plays so many batches ahead and no further: both must mean the same batch."""
    played = table.get("batch_samples")
    if played is not None and played != config.batch_samples:
        raise TrainerError(
            f"trainer.batch_samples is {config.batch_samples} here, {played} for the engine: both "
            "would wait for ever; leave the override out, or set it with `engine serve`"
        )


def _model(founded: Run) -> Path:
    directory = _table(founded, "model").get("directory")
    if not isinstance(directory, str):
        raise TrainerError(
            f"run.json must name the initial weights as model.directory, has {directory!r}; "
            "found the run anew with `engine serve`"
        )
    return Path(directory)


if __name__ == "__main__":
    main()
