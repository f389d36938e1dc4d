"""A real server on a free port of the loopback, over a node in memory."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import pytest

from rpc import submissions
from rpc.methods import method_table
from rpc.server import Server, ServerOptions
from tests.rpc.memory_node import MemoryNode


@dataclass(slots=True)
class Face:
    """The server, its node, and a way to ask it."""

    node: MemoryNode
    server: Server
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, body: bytes | str, **headers: str) -> tuple[int, bytes]:
        named = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        data = body.encode() if isinstance(body, str) else body
        async with self.session.post(self.url, data=data, headers=named) as response:
            return response.status, await response.read()

    async def ask(self, called: str, /, *params: object, **named: object) -> Any:
        """The response to one call, without jsonrpc and id."""
        request = {"jsonrpc": "2.0", "id": 1, "method": called, "params": named or list(params)}
        status, body = await self.post(json.dumps(request))
        response = json.loads(body)
        assert (status, response.pop("jsonrpc"), response.pop("id")) == (200, "2.0", 1)
        return response

    async def result(self, called: str, /, *params: object, **named: object) -> Any:
        response = await self.ask(called, *params, **named)
        assert "result" in response, response
        return response["result"]


async def start_face(node: MemoryNode, options: ServerOptions | None = None) -> tuple[Server, int]:
    server = Server(
        method_table(node, node, "0.1.0"),
        lambda: node.not_ready,
        lambda: b"hansa_height %d\n" % node.world.height,
        partial(submissions.answer, node),
        options or ServerOptions(),
    )
    return server, await server.start("127.0.0.1", 0)


@pytest.fixture
def options() -> ServerOptions:
    """What the server of a test is set up with; a test module may say otherwise."""
    return ServerOptions()


@pytest.fixture
async def face(options: ServerOptions) -> AsyncIterator[Face]:
    node = MemoryNode()
    server, port = await start_face(node, options)
    async with aiohttp.ClientSession() as session:
        yield Face(node, server, port, session)
    await server.stop()
