"""The execution process: owns the world state, runs blocks, answers reads. Started by ``node.execution_process`` alone.

It has one socket, which is its standard input, and no other; no keys; and of the disk the one directory that it is
told. It serves one request after another and ends when the socket does, or with a sentence when the disk refuses.
"""

import resource
import signal
import socket
import sys
import traceback
from io import BufferedReader
from pathlib import Path

from contracts.executor import Executor
from node import collector, facts
from node.execution import opened_of, run_block
from node.execution_frames import (
    EXECUTE,
    FAILURE_CHARS_MAX,
    FRAME_BYTES_MAX,
    HEADER,
    OPEN,
    Opened,
    Place,
    Status,
    frame,
    read_request,
)
from node.reads import READS
from node.seams import Executed
from state import codec, transaction
from state.block import Block
from state.codec import Value
from state.errors import Corrupt, Invalid, Reason
from state.store import Database
from state.world import HEIGHT_BEFORE_GENESIS, World

MEMORY_BYTES_MAX = 2 * 1024 * 1024 * 1024
"""What the process may allocate. A backstop far above what metered contracts reach, never a result."""

FILES_MAX = 512
"""Descriptors: LevelDB's tables and a few more."""


class Worker:
    """One world state and the requests for it."""

    def __init__(self) -> None:
        self._executor: Executor | None = None
        self._database: Database | None = None

    def answer(self, operation: str, arguments: Value) -> Value:
        """Serve one request. :raises Invalid: refused. :raises Corrupt: the disk."""
        if operation == OPEN:
            return facts.to_value(self._open(facts.from_value(Place, arguments)))
        if self._executor is None:
            raise Invalid(Reason.MALFORMED, "the world state is not open")
        if operation == EXECUTE:
            return facts.to_value(self._execute(self._executor, arguments))
        read = READS.get(operation)
        if read is None or type(arguments) is not list:
            raise Invalid(Reason.UNKNOWN, f"there is no read {operation!r}")
        return facts.to_value(read.function(self._executor, *arguments))

    def close(self) -> None:
        """Give the files back."""
        if self._database is not None:
            self._database.close()

    def _open(self, place: Place) -> Opened:
        self._database = Database.open(Path(place.state_directory), create=True)
        executor = Executor(World.open(self._database), place.chain_id, place.genesis.parameters)
        if executor.world.height == HEIGHT_BEFORE_GENESIS:
            executor.apply_genesis(place.genesis)
        self._executor = executor
        return opened_of(executor)

    @staticmethod
    def _execute(executor: Executor, arguments: Value) -> Executed:
        block_value, bodies = codec.fields(arguments, list, list)
        block = Block.from_value_again(block_value)
        # What the main process sends it has decoded and verified: nothing of that is done twice.
        decoded = [
            transaction.decode_again(codec.blob(body), entry)
            for body, entry in zip(codec.items(bodies, len(block.entries)), block.entries, strict=True)
        ]
        return run_block(executor, block, decoded)


def serve(connection: socket.socket) -> int:
    """Answer requests until the other side closes. The exit code."""
    worker, stream = Worker(), connection.makefile("rb")
    while (request := _receive(stream)) is not None:
        sequence, operation, arguments = read_request(request)
        try:
            reply = frame(sequence, Status.DONE, worker.answer(operation, arguments))
        except Invalid as refusal:
            reply = frame(sequence, Status.REFUSED, [refusal.reason.value, refusal.detail])
        except Corrupt as failure:
            connection.sendall(frame(sequence, Status.FAILED, str(failure)[:FAILURE_CHARS_MAX]))
            return 1
        except Exception:  # noqa: BLE001 — the process's edge: our own bug ends it, and the node with it
            connection.sendall(frame(sequence, Status.FAILED, traceback.format_exc()[-FAILURE_CHARS_MAX:]))
            return 1
        connection.sendall(reply)
    worker.close()
    return 0


def _receive(stream: BufferedReader) -> bytes | None:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    size = HEADER.unpack(header)[0]
    assert size <= FRAME_BYTES_MAX, "a request larger than any block"
    data = stream.read(size)
    return data if len(data) == size else None


def main() -> int:
    """The process. Signals that end a node are its main process's business; here the socket's end decides."""
    assert __debug__
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, FILES_MAX)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES_MAX)
    connection = socket.socket(fileno=sys.stdin.fileno())
    collector.settle()
    try:
        return serve(connection)
    except (BrokenPipeError, ConnectionResetError):
        return 1


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    sys.exit(main())
