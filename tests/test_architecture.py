"""What holds for the whole tree: who imports whom, what is light, what is never called."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "sandbox", "trainer")
MAX_LINES = 300

HEAVY = {"torch", "transformers", "sglang", "matplotlib", "jinja2"}
EXECUTES_TEXT = {
    "eval",
    "exec",
    "compile",
    "literal_eval",
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
}
MAY_EXECUTE = {"engine/tiny/programs.py"}
"""Runs programs of its own making while it writes the small model's corpus; reads no model text."""


def sources(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert found
    return found


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


# -- imports


def test_the_import_contracts_hold():
    done = run_python(
        "-c", "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "Contracts: 0 kept" not in done.stdout


LIGHT = {
    "import engine.wire": "import engine.wire",
    "import sandbox": "import sandbox",
    "engine --help": "import engine.cli; run(engine.cli.main)",
    "trainer --help": "import trainer.cli; run(trainer.cli.main)",
    "sandbox --help": "import sandbox.cli; run(sandbox.cli.main)",
}
HELP = """
import contextlib, io, sys
def run(main):
    sys.argv = ["kelvin", "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main()
    assert said.getvalue().strip(), "it printed no help"
"""


@pytest.mark.parametrize("name", LIGHT)
def test_it_loads_no_heavy_library(name):
    package = LIGHT[name].removeprefix("import ").partition(";")[0]
    if not (ROOT / (package.replace(".", "/") + ".py")).exists() and package.endswith(".cli"):
        pytest.skip(f"{package} is not written yet")
    loaded = f"{HELP}{LIGHT[name]}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = run_python("-c", loaded)
    assert done.returncode == 0, done.stderr
    seen = set(done.stdout.split())
    assert name.split()[-1].partition(".")[0] in seen or "--help" in name
    assert seen & HEAVY == set()


def test_the_sandbox_loads_nothing_of_ours_but_itself():
    done = run_python("-c", "import sandbox, sys; print(*sys.modules)")
    assert not {"engine", "trainer", "msgpack", "numpy"} & set(done.stdout.split())


def test_what_runs_in_a_guest_imports_the_standard_library_only():
    for path in sources("sandbox/guest"):
        for name in imported(ast.parse(path.read_text())):
            top = name.partition(".")[0]
            is_own = name == "sandbox.guest" or name.startswith("sandbox.guest.")
            assert is_own or top in sys.stdlib_module_names, f"{path} imports {name}"


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


# -- calls


def executing_uses(source: str) -> list[str]:
    """What in a source executes text, or loads what can execute: by name, however it is reached."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [f"{name} at {node.lineno}" for name in refused_call(node)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            modules = {part for name in names for part in name.split(".")}
            found += [f"import of {name} at {node.lineno}" for name in modules & EXECUTES_TEXT]
    return found


def refused_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    if name in EXECUTES_TEXT and (name, owner) != ("compile", "re") and not is_switch(node, name):
        yield ast.unparse(function)
    elif name == "load" and owner == "torch" and not is_weights_only(node):
        yield "torch.load without weights_only=True"
    elif any(k.arg in ("allow_pickle", "trust_remote_code") for k in node.keywords if is_on(k)):
        yield "allow_pickle or trust_remote_code"


def is_switch(node: ast.Call, name: str) -> bool:
    """`module.eval()` of torch, which has no text to evaluate."""
    if name != "eval" or not isinstance(node.func, ast.Attribute):
        return False
    owner = ast.unparse(node.func.value)
    return owner == "torch.nn.Module" or (owner != "builtins" and not node.args + node.keywords)


def is_on(keyword: ast.keyword) -> bool:
    return not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)


def is_weights_only(node: ast.Call) -> bool:
    return any(
        k.arg == "weights_only" and isinstance(k.value, ast.Constant) and k.value.value is True
        for k in node.keywords
    )


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')", "exec('1')", "compile('1', '', 'eval')", "ast.literal_eval(x)",
        "import pickle", "from pickle import loads", "import torch.marshal", "builtins.eval(x)",
        "torch.load(path)", "torch.load(path, weights_only=False)",
        "np.load(p, allow_pickle=True)", "from ast import literal_eval",
        "builtins.exec(code)", "pd.eval('1')", "Model.load(p, trust_remote_code=flag)",
    ],
)  # fmt: skip
def test_the_search_finds_what_executes_text(source):
    assert executing_uses(source)


@pytest.mark.parametrize(
    "source",
    [
        "re.compile('x')",
        "model.eval()",
        "torch.nn.Module.eval(model)",
        "x = 'eval'",
        "torch.load(p, weights_only=True)",
        "Model.load(p, trust_remote_code=False)",
    ],
)
def test_the_search_leaves_the_harmless_alone(source):
    assert executing_uses(source) == []


def test_t06_no_text_is_executed_outside_of_a_guest():
    found = {
        str(path.relative_to(ROOT)): uses
        for path in sources("engine", "trainer")
        if (uses := executing_uses(path.read_text()))
    }
    assert set(found) <= MAY_EXECUTE, found
    for path in sources("sandbox"):
        if "guest" not in path.parts:
            assert executing_uses(path.read_text()) == [], path


# -- files


def test_no_file_is_longer_than_its_budget():
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources(*PACKAGES)
    }
    assert {name: n for name, n in lines.items() if n > MAX_LINES} == {}


def test_no_file_is_named_for_what_fits_nowhere():
    names = {path.name for path in sources(*PACKAGES)}
    assert not names & {"utils.py", "common.py", "helpers.py", "misc.py", "types.py", "base.py"}


def test_every_module_says_what_it_is():
    for path in sources(*PACKAGES):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_sources_are_ascii():
    for path in sources(*PACKAGES):
        assert path.read_bytes().isascii(), path
