"""One execution process, from its start to its end: frames to it, frames from it, the mark, and how it ended.

It gets one socket, one page of memory for the mark, an empty environment and the name of one directory. What it sends
is decoded as strictly as what a peer says.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from socket import socketpair

import node
from node.execution_frames import FRAME_BYTES_MAX, HEADER, MARK, OUT_OF_MEMORY, Status, read_reply
from state.codec import Value
from state.errors import Invalid

CLOSE_SECONDS_MAX = 10.0
"""How long the process may take to finish its block and give its files back."""

NO_MARK = (0, 0)

worker_module = "node.execution_worker"
"""What the process runs."""


class Channel(asyncio.Protocol):
    """One process.

    :param answered: told sequence, status and answer of each reply; raises Invalid for what answers nothing.
    :param lied: told, in a sentence, that the process can't be believed. Nothing it says is heard after that.
    :param lost: told that the socket has ended, whoever ended it.
    """

    def __init__(
        self,
        answered: Callable[[int, Status, Value], None],
        lied: Callable[[str], None],
        lost: Callable[["Channel"], None],
    ) -> None:
        """Use ``start``."""
        self._answered = answered
        self._lied = lied
        self._lost = lost
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._mark_file = os.memfd_create("mark")
        os.truncate(self._mark_file, MARK.size)

    async def start(self) -> None:
        """Start the process."""
        ours, theirs = socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", worker_module),
                stdin=theirs.fileno(),
                stdout=self._mark_file,
                cwd="/",
                env=scrubbed_environment(),
            )
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    @property
    def process_id(self) -> int:
        """The process's id, 0 without one."""
        return 0 if self._process is None else self._process.pid

    def send(self, request: bytes) -> None:
        """Send a frame; it is lost where the process has ended."""
        if self._transport is not None:
            self._transport.write(request)

    def mark(self) -> tuple[int, int]:
        """Height and index of the transaction that is, or was last, executed; see ``node.execution_frames.MARK``.

        Read like any file: memory that another process may cut short is never mapped here.
        """
        data = b"" if self._mark_file < 0 else os.pread(self._mark_file, MARK.size, 0)
        return MARK.unpack(data) if len(data) == MARK.size else NO_MARK

    async def ended(self) -> str:
        """Wait for the end of the process, and say how it ended."""
        status = None if self._process is None else await self._process.wait()
        if status == OUT_OF_MEMORY:
            return "out of memory"
        if status == -signal.SIGXCPU:
            return "out of processor time"
        if status is not None and status < 0:
            return signal.Signals(-status).name
        return f"exit status {status}"

    async def close(self) -> None:
        """End the process, once it has answered what was asked before. It gives its files back by itself."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS_MAX)
            except TimeoutError:
                await self.kill()
        self.hang_up()

    async def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Hear nothing from it any more."""
        if self._transport is not None:
            self._transport.close()
        if self._mark_file >= 0:
            os.close(self._mark_file)
            self._mark_file = -1

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of what has come."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            size = HEADER.unpack_from(self._buffer)[0]
            if size > FRAME_BYTES_MAX:
                self._lied("The execution process sent a message larger than any answer.")
                return
            end = HEADER.size + size
            if len(self._buffer) < end:
                return
            reply = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            try:
                self._answered(*read_reply(reply))
            except Invalid as error:
                self._lied(f"The execution process sent what is no answer to what was asked ({error}).")
                return

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone."""
        self._lost(self)


def scrubbed_environment() -> dict[str, str]:
    """All that the execution process sees of the environment: where Hansa's own packages are."""
    root = str(Path(node.__file__).resolve().parent.parent)
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PYTHONPATH": root, "PYTHONUTF8": "1", **kept}
