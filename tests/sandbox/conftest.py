"""Pools that the tests of this folder share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox import Limits, Sandbox

LIMITS = Limits(wall_s=1.0, cpu_s=1.0)


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(workers=2, limits=LIMITS) as pool:
        yield pool
