"""Checkpoints: all that the trainer must know to go on as if it had never stopped.

    checkpoints/step-000012/
      config.json, tokenizer files, model.safetensors   float32 masters, Hugging Face layout
      optimizer.safetensors                             AdamW's moments, torch's generator
      state.json                                        step, place in each ring, running baselines
      manifest.json                                     size and checksum of each file; written last

Written under another name, synced to disk, renamed: what has its name is whole, and a kill at any
moment leaves the one before. A checkpoint whose bytes have changed since is refused, never half
loaded, and nothing else is chosen silently in its stead. Nothing here can execute when read.
"""

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file

from engine.wire import Kind, Role, tensor_checksum
from engine.wire.files import fsync_directory, fsync_file
from trainer.advantage import Moments
from trainer.errors import TrainerError
from trainer.files import named_tensors, on_cpu, save_tensors, write_model
from trainer.learner import Learner
from trainer.valuation import Baselines

SCHEMA: Final = 2

_NAME: Final = re.compile(r"step-(\d{6,})")
_MANIFEST: Final = "manifest.json"
_STATE: Final = "state.json"
_OPTIMIZER: Final = "optimizer.safetensors"
_GENERATOR: Final = "torch_generator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run stands."""

    step: int
    """Optimizer steps done."""
    cursors: Mapping[str, int]
    """By ring: the first record that no step has used; rings that are not in it begin at 0."""


def save_checkpoint(
    root: Path, learner: Learner, *, cursors: Mapping[str, int], origin: Path, keep: int
) -> Path:
    """Write the checkpoint of the learner's step durably, and delete all but the newest `keep`."""
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    target = root / f"step-{learner.step:06d}"
    staging = root / f".tmp-{target.name}"
    staging.mkdir()
    masters = {**named_tensors(learner.model), **learner.optimizer.masters}
    write_model(staging, masters, origin=origin)
    moments = dict(on_cpu(learner.optimizer.state()))
    save_tensors({**moments, _GENERATOR: torch.get_rng_state()}, staging / _OPTIMIZER)
    (staging / _STATE).write_text(json.dumps(_state(learner, cursors=cursors), indent=1))
    manifest = {file.name: _stamp(file) for file in sorted(staging.iterdir())}
    (staging / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    for file in staging.iterdir():
        fsync_file(file)
    fsync_directory(staging)
    if target.exists():  # the same step, saved again
        target.rename(root / f".trash-{target.name}")
    staging.rename(target)
    fsync_directory(root)
    for old in checkpoints(root)[:-keep]:
        old.rename(root / f".trash-{old.name}")
    _sweep(root)
    return target


def checkpoints(root: Path) -> list[Path]:
    """The checkpoints there are, oldest first; leftovers of a kill are none."""
    if not root.is_dir():
        return []
    found = ((_NAME.fullmatch(path.name), path) for path in root.iterdir())
    return [path for _, path in sorted((int(name[1]), path) for name, path in found if name)]


def newest_checkpoint(root: Path) -> Path | None:
    """The newest checkpoint, its bytes verified, or None before the first.

    Raises TrainerError, naming the older ones, if it is not what was written.
    """
    found = checkpoints(root)
    if not found:
        return None
    problem = _problem(found[-1])
    if problem:
        older = ", ".join(path.name for path in found[-2::-1]) or "none"
        raise TrainerError(
            f"checkpoint {found[-1]} is unreadable: {problem}; move it away to resume from an "
            f"older one (there: {older}), if journal or ring still holds what came after"
        )
    return found[-1]


def oldest_place(root: Path) -> Place | None:
    """Where the run stood at the oldest checkpoint that can be read; None without one."""
    for path in checkpoints(root):
        with suppress(OSError, ValueError, TrainerError):
            return read_place(path)
    return None


def read_place(path: Path) -> Place:
    """Where the run stood at a verified checkpoint."""
    return _place(_read_state(path))


def restore_learner(path: Path, learner: Learner) -> None:
    """Give a learner, whose model was loaded from `path`, the rest of its state."""
    state = _read_state(path)
    tensors = load_file(path / _OPTIMIZER)
    torch.set_rng_state(tensors.pop(_GENERATOR))
    try:
        learner.optimizer.restore(tensors)
    except KeyError as error:
        raise TrainerError(
            f"{path / _OPTIMIZER} should have the moments of each parameter, lacks {error}; "
            "the checkpoint is of another model"
        ) from error
    learner.step = _place(state).step
    learner.num_skipped = _number(state, "num_skipped")
    learner.baselines = _baselines(state)


def _state(learner: Learner, *, cursors: Mapping[str, int]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "step": learner.step,
        "cursors": dict(cursors),
        "num_skipped": learner.num_skipped,
        "baselines": [
            {"role": role, "kind": kind, "mean": moments.mean, "var": moments.var}
            for (role, kind), moments in learner.baselines.items()
        ],
    }


def _read_state(path: Path) -> dict[str, object]:
    state: object = json.loads((path / _STATE).read_bytes())
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise TrainerError(
            f"{path / _STATE} must have schema {SCHEMA}; use the kelvin that wrote it"
        )
    return state


def _place(state: Mapping[str, object]) -> Place:
    match state.get("cursors"):
        case dict(cursors) if all(type(seq) is int for seq in cursors.values()):
            return Place(step=_number(state, "step"), cursors=cursors)
    raise TrainerError(f"{_STATE} must have cursors by ring, has {state.get('cursors')!r}")


def _number(state: Mapping[str, object], key: str) -> int:
    value = state.get(key)
    if not isinstance(value, int):
        raise TrainerError(f"{_STATE} must have a whole number {key}, has {value!r}; restore it")
    return value


def _baselines(state: Mapping[str, object]) -> Baselines:
    rows = state.get("baselines")
    assert isinstance(rows, list)  # ours: its bytes are those that were written
    return {
        (Role(row["role"]), Kind(row["kind"])): Moments(row["mean"], row["var"]) for row in rows
    }


def _problem(path: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        manifest: dict[str, dict[str, object]] = json.loads((path / _MANIFEST).read_bytes())
        for name, stamp in manifest.items():
            if _stamp(path / name) != stamp:
                return f"{name} is not as it was written"
    except (OSError, ValueError, AttributeError) as error:
        return str(error)
    needed = {"config.json", "model.safetensors", _OPTIMIZER, _STATE}
    missing = sorted(needed - manifest.keys())
    return f"{missing} missing from its manifest" if missing else None


def _stamp(file: Path) -> dict[str, object]:
    data = file.read_bytes()
    return {"bytes": len(data), "xxh3": tensor_checksum(data)}


def _sweep(root: Path) -> None:
    for path in root.iterdir():
        if path.name.startswith((".tmp-step-", ".trash-step-")):
            shutil.rmtree(path)
