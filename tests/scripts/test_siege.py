"""Besiegers: as many connections as they are told, from several addresses, opened again when they are closed."""

import asyncio
import sys
from collections import Counter
from contextlib import suppress

import pytest

from scripts.benchmarks import siege


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8 on loopback")
@pytest.mark.parametrize("byte_seconds", [None, 0.05])
async def test_they_hold_what_they_are_told(byte_seconds: float | None) -> None:
    sources, said, open_now, dropped = Counter[str](), 0, 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said, open_now, dropped
        sources[writer.get_extra_info("peername")[0]] += 1
        open_now += 1
        if sum(sources.values()) <= 4:
            dropped += 1
        else:
            while data := await reader.read(1_000):
                said += len(data)
        open_now -= 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    door = server.sockets[0].getsockname()[:2]

    async def held() -> None:
        while not (open_now == 24 and dropped == 4 and (byte_seconds is None or said > 100)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    with siege.besieged([door] * 24, siege.Manner(byte_seconds)):
        await asyncio.wait_for(held(), 20)
    assert set(sources) == {f"127.0.0.{number}" for number in range(2, 2 + siege.ADDRESSES)}
    assert sum(sources.values()) == 28
    assert byte_seconds is not None or said == 0
    server.close()


async def test_readers_ask_again_as_soon_as_they_are_answered() -> None:
    request = siege.request_for("hansa1customer")
    asked = Counter[int]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = writer.get_extra_info("peername")[1]
        with suppress(EOFError):
            while await reader.readexactly(len(request)) == request:
                asked[caller] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    door = server.sockets[0].getsockname()[:2]

    async def answered() -> None:
        while len(asked) < 4 or min(asked.values()) < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    with siege.besieged([door] * 4, siege.Manner(request=request)):
        await asyncio.wait_for(answered(), 20)
    server.close()
