"""What a thread waits for has an end."""

from __future__ import annotations

import asyncio

import pytest
from haechi.domain.errors import HaechiError
from haechi.wiring.control import wait_for


async def recorded() -> None:
    """At once, where the loop runs."""


def test_a_record_that_the_loop_never_makes_is_late() -> None:
    loop, recording = asyncio.new_event_loop(), recorded()
    with pytest.raises(HaechiError) as raised:
        wait_for(recording, loop, 0.01)
    assert raised.value.code == "audit.late"
    loop.close()
    recording.close()


async def test_the_error_of_the_record_is_the_answer() -> None:
    async def refused() -> None:
        raise HaechiError("audit.disk-full", folder="x")

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(wait_for, recorded(), loop, 5)
    with pytest.raises(HaechiError, match=r"audit\.disk-full"):
        await asyncio.to_thread(wait_for, refused(), loop, 5)
