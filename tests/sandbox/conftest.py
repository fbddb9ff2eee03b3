"""Pools that the tests of this folder share, and the option to run all of them in another jail."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import BlockingSandbox, Limits, Sandbox

LIMITS = Limits(wall_s=20.0, cpu_s=1.0)
"""What never ends uses up its CPU time; the clock is for hosts that have little to give."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--jail", default="auto", help="what Sandbox takes for jail=... by default")


def pytest_configure(config: pytest.Config) -> None:
    for kind in (Sandbox, BlockingSandbox):
        kind.__init__.__kwdefaults__["jail"] = config.getoption("--jail", "auto")


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(workers=2, limits=LIMITS) as pool:
        yield pool
