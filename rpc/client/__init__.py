"""The Python client: one core without I/O (``core``), driven by a synchronous and an asynchronous client.

from rpc.client import SyncClient
with SyncClient(["http://127.0.0.1:8545", "http://127.0.0.1:8555"]) as client:
    print(client.node_status().height)
"""

from typing import TYPE_CHECKING, Any

from rpc.client.core import Policy, Request, Unreachable
from rpc.client.synchronous import SyncClient
from rpc.errors import RpcError

if TYPE_CHECKING:
    from rpc.client.asynchronous import AsyncClient

__all__ = ["AsyncClient", "Policy", "Request", "RpcError", "SyncClient", "Unreachable"]


def __getattr__(name: str) -> Any:
    """AsyncClient, once it is asked for: aiohttp takes longer to load than all the rest, and SyncClient needs none."""
    if name != "AsyncClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rpc.client.asynchronous import AsyncClient

    return AsyncClient
