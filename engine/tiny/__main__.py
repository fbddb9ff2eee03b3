"""`python -m engine.tiny --out DIR`: train the small model again."""

import sys
from pathlib import Path

import cyclopts

from engine.policy.pretrained import say_on_stderr

app = cyclopts.App(name="engine.tiny", help="Train the model that is shipped with the engine.")


@app.default
def main(*, out: Path, steps: int = 1300, seed: int = 0, threads: int = 1) -> None:
    """Train for `steps` steps and write the model to `out`; the defaults made `weights/`."""
    if any(out.glob("*")):
        sys.exit(f"{out} is not empty: name a new directory, or remove it")
    from engine.tiny.training import Training, train

    train(out, Training(steps=steps, seed=seed, threads=threads), say=say_on_stderr)


app()
