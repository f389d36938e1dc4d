"""The Python client: one core without I/O (``core``), driven by a synchronous and an asynchronous client.

from rpc.client import SyncClient
with SyncClient(["http://127.0.0.1:8545", "http://127.0.0.1:8555"]) as client:
    print(client.node_status().height)
"""

from rpc.client.asynchronous import AsyncClient
from rpc.client.core import Policy, Request, Unreachable
from rpc.client.synchronous import SyncClient
from rpc.errors import RpcError

__all__ = ["AsyncClient", "Policy", "Request", "RpcError", "SyncClient", "Unreachable"]
