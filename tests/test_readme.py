"""The README keeps its word: its code runs, its commands exist, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_sandbox_example_prints_the_sorted_list():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "ok ['[1, 2, 3]']\n"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)", README))))
def test_every_make_target_it_names_exists(target):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_file_it_names_exists():
    named = re.findall(r"`([\w./]+\.(?:py|toml|md))`", README)
    named += re.findall(r"\]\((docs/[^)]+)\)", README)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert named
    assert missing == []
