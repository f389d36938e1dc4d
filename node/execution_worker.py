"""The execution process: owns the world state, runs blocks, answers reads. Started by ``node.execution_channel`` alone.

It has one socket, which is its standard input, and no other; no keys; and of the disk the one directory that it is
told (``node.confinement``). It serves one request after another and ends when the socket does, or with a sentence when
the disk refuses. A limit that it meets kills it; then what it was doing is in the mark, which its node reads.
"""

import mmap
import os
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import overload

import contracts.language.abi  # noqa: F401 — read when a contract is first described; nothing can be read then
from contracts.executor import Executor
from node import collector, confinement, facts
from node.execution import opened_of, run_block
from node.execution_frames import (
    CONFINE,
    EXECUTE,
    FAILURE_CHARS_MAX,
    FRAME_BYTES_MAX,
    HEADER,
    MARK,
    OPEN,
    OUT_OF_MEMORY,
    SCHEDULED_WORK,
    Confined,
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
from state.transaction import Transaction
from state.world import HEIGHT_BEFORE_GENESIS, World


class Marked(Sequence[Transaction]):
    """A block's transactions; each is marked as the one that is being executed when it is taken.

    :param mark: the page that the node reads when this process has died.
    """

    def __init__(self, mark: mmap.mmap, height: int, transactions: Sequence[Transaction]) -> None:
        self._mark = mark
        self._height = height
        self._transactions = transactions
        MARK.pack_into(mark, 0, height, SCHEDULED_WORK)

    def __iter__(self) -> Iterator[Transaction]:
        index = SCHEDULED_WORK
        for index, taken in enumerate(self._transactions):
            MARK.pack_into(self._mark, 0, self._height, index)
            yield taken
        MARK.pack_into(self._mark, 0, self._height, index + 1)

    @overload
    def __getitem__(self, index: int) -> Transaction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Transaction]: ...
    def __getitem__(self, index: int | slice) -> Transaction | Sequence[Transaction]:
        return self._transactions[index]

    def __len__(self) -> int:
        return len(self._transactions)


class Worker:
    """One world state and the requests for it."""

    def __init__(self, mark: mmap.mmap) -> None:
        self._mark = mark
        self._executor: Executor | None = None
        self._database: Database | None = None

    def answer(self, operation: str, arguments: Value) -> Value:
        """Serve one request. :raises Invalid: refused. :raises Corrupt: the disk."""
        if operation == CONFINE:
            directory = Path(codec.text(arguments))
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Corrupt(f"{directory} can't be made ({error.strerror}): mend the disk, start again.") from error
            return facts.to_value(Confined(confinement.confine(directory)))
        if operation == OPEN:
            return facts.to_value(self._open(facts.from_value(Place, arguments)))
        if self._executor is None:
            raise Invalid(Reason.MALFORMED, "the world state is not open")
        confinement.allow_time()
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
        path, buffer_bytes = Path(place.state_directory), place.write_buffer_bytes
        self._database = Database.open(path, create=True, write_buffer_bytes=buffer_bytes)
        executor = Executor(World.open(self._database), place.chain_id, place.genesis.parameters)
        self._database.reopen()  # The scan of all leaves had every table mapped.
        if executor.world.height == HEIGHT_BEFORE_GENESIS:
            executor.apply_genesis(place.genesis)
        executor.world.pin(at_start=True)
        self._executor = executor
        collector.settle()  # Again: the state's tree is most of what stays.
        return opened_of(executor)

    def _execute(self, executor: Executor, arguments: Value) -> Executed:
        block_value, bodies = codec.fields(arguments, list, list)
        block = Block.from_value_again(block_value)
        # What the main process sends it has decoded and verified: nothing of that is done twice.
        decoded = [
            transaction.decode_again(codec.blob(body), entry)
            for body, entry in zip(codec.items(bodies, len(block.entries)), block.entries, strict=True)
        ]
        executed = run_block(executor, block, Marked(self._mark, block.height, decoded))
        executor.world.pin()
        return executed


def serve(connection: socket.socket, mark: mmap.mmap) -> int:
    """Answer requests until the other side closes. The exit code."""
    worker, stream = Worker(mark), connection.makefile("rb")
    while (request := _receive(stream)) is not None:
        sequence, operation, arguments = read_request(request)
        try:
            reply = frame(sequence, Status.DONE, worker.answer(operation, arguments))
        except Invalid as refusal:
            reply = frame(sequence, Status.REFUSED, [refusal.reason.value, refusal.detail])
        except Corrupt as failure:
            connection.sendall(frame(sequence, Status.FAILED, str(failure)[:FAILURE_CHARS_MAX]))
            return 1
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # As if it had been killed: what another node has the memory for is no failure.
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
    confinement.limit()
    connection = socket.socket(fileno=sys.stdin.fileno())
    mark = mmap.mmap(sys.stdout.fileno(), MARK.size)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    collector.settle()
    try:
        return serve(connection, mark)
    except (BrokenPipeError, ConnectionResetError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
