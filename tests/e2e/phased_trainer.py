"""`trainer run`, the command itself, which also says in a byte what it is doing.

python tests/e2e/phased_trainer.py RUN PHASES
"""

import sys
from pathlib import Path

from phases import Phases


def main(run: str, phases: str) -> None:
    byte = Phases(Path(phases))
    byte.enter("starting")
    import trainer.checkpoint
    import trainer.cli
    import trainer.loop
    from engine.wire import RingReader
    from trainer.intake import Intake
    from trainer.learner import Learner
    from trainer.publish import Publisher

    for name, owner, attribute in (
        ("trainer: restoring", trainer.loop, "_load"),
        ("trainer: waiting for records", Intake, "next_batch"),
        ("trainer: learning", Learner, "learn"),
        ("trainer: writing the ledger", trainer.loop.Training, "_announce"),
        ("trainer: publishing", Publisher, "publish"),
        ("trainer: writing a checkpoint", trainer.loop, "save_checkpoint"),
        ("trainer: committing", RingReader, "commit"),
        ("trainer: writing metrics", trainer.loop.Training, "_record"),
    ):
        setattr(owner, attribute, byte.marked(name, getattr(owner, attribute)))
    trainer.cli.main(["run", "--run", run])


if __name__ == "__main__":
    main(*sys.argv[1:])
