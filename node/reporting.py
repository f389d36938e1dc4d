"""Reporting: what proves that a validator signed twice is put on chain, by the first nodes that find it.

A node signs the report with its node key, which has no other authority on chain. Whoever is first is enough: a report
that is there already is refused, and then this node is done. It tries again until it is there, also after a restart.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from contracts.kernel.evidence import CONTRACT, METHOD
from rpc.backend import Refused, SubmitResult
from state.codec import Value
from state.digest import DIGEST_BYTES
from state.errors import Invalid
from state.evidence import Evidence
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.transaction import CLIENT_ID_BYTES, Body, Call, sign

logger = logging.getLogger("hansa")

AGAIN_SECONDS = 5.0

REPORT_FUEL = 2_000_000

PENDING_MAX = 64
"""Evidence that waits to be reported; more of it stays on disk, for after the next start."""

INTERFACE = 1


class Reporter:
    """Reports of one node.

    :param speaker: address of the member's account, which sends, and the node's own key; None while it may not.
    :param submit: takes transactions in as a client's are.
    :param is_settled: whether there is nothing to report: the chain has it, or the key is no validator's.
    """

    def __init__(
        self,
        chain_id: bytes,
        parameters: ChainParameters,
        speaker: Callable[[], tuple[str, KeyPair] | None],
        submit: Callable[[list[bytes]], Awaitable[Sequence[SubmitResult]]],
        is_settled: Callable[[Evidence], Awaitable[bool]],
    ) -> None:
        self._chain_id = chain_id
        self._window_ms = parameters.transaction_window_ms
        self._speaker = speaker
        self._submit = submit
        self._is_settled = is_settled
        self._pending: dict[bytes, None] = {}
        self._arrived = asyncio.Event()

    def add(self, encoded: bytes) -> None:
        """Evidence that this node holds."""
        if len(self._pending) < PENDING_MAX:
            self._pending[encoded] = None
            self._arrived.set()

    async def run(self) -> None:
        """Report what is added, until cancelled."""
        while True:
            await self._arrived.wait()
            for encoded in list(self._pending):
                if await self._is_done(Evidence.decode(encoded)):
                    del self._pending[encoded]
                else:
                    await self._report(encoded)
            if self._pending:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._arrived.clear()

    async def _is_done(self, evidence: Evidence) -> bool:
        try:
            return await self._is_settled(evidence)
        except Invalid as error:
            logger.warning("whether evidence is on chain can't be told yet", extra={"facts": {"why": str(error)}})
            return False

    async def _report(self, encoded: bytes) -> None:
        speaker = self._speaker()
        if speaker is None:
            return
        account, key = speaker
        now_ms = time.time_ns() // 1_000_000
        arguments: list[Value] = [encoded]
        body = Body(
            self._chain_id,
            account,
            (now_ms.to_bytes(8, "big") + encoded[-DIGEST_BYTES:])[:CLIENT_ID_BYTES],
            now_ms + self._window_ms // 2,
            None,
            REPORT_FUEL,
            (Call(CONTRACT, INTERFACE, METHOD, arguments),),
            (),
        )
        for result in await self._submit([sign(body, [key]).encoded]):
            if isinstance(result, Refused):
                logger.warning("evidence was not taken in", extra={"facts": {"why": result.detail}})
