"""Settings that all tests share, and how long fuzzing goes on.

`--fuzz-minutes N` keeps the fuzz tests alone (the marker, and files named test_fuzz_*) and runs
them in rounds, with fresh random examples each, until the time is up or one fails. The examples
of a property are few in a plain run and many in a round.
"""

import time

import pytest
from hypothesis import HealthCheck, settings

# Shared machines pause: a deadline would test the machine, and so would a health check of speed.
# The suite says the same of the same code, so its examples are too; `make fuzz` looks further.
settings.register_profile(
    "kelvin",
    deadline=None,
    max_examples=45,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "fuzz", settings.get_profile("kelvin"), max_examples=200, derandomize=False
)
settings.load_profile("kelvin")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-minutes", type=float, default=0.0, help="run fuzz tests only, again and again"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fuzz-minutes"):
        settings.load_profile("fuzz")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fuzz-minutes"):
        others = [item for item in items if not is_fuzz(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if is_fuzz(item)]


def is_fuzz(item: pytest.Item) -> bool:
    return item.path.name.startswith("test_fuzz_") or item.get_closest_marker("fuzz") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Rounds until the deadline; a fixture of the session or a module lives through all of them."""
    minutes = session.config.getoption("--fuzz-minutes")
    if not minutes or session.config.option.collectonly or not session.items:
        return None
    deadline = time.monotonic() + 60 * minutes
    items, at = session.items, 0
    while time.monotonic() < deadline and not session.testsfailed:
        item, after = items[at % len(items)], items[(at + 1) % len(items)]
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        at += 1
    session._setupstate.teardown_exact(None)  # what the last item had left set up for a next one
    return True
