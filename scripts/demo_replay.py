"""The replay: thousands of signed rows sent to four validators at once, while one of them is killed and comes back.

Row j goes to validator j mod 4, and where that one is down the same bytes go to the next. Accepted is not durable:
what is not final some seconds later is sent again, the same bytes, so it can't happen twice. A row is final when the
block that holds it is executed at the first validator, which is asked for one block after another.
"""

import threading
import time
from collections.abc import Callable, Sequence

from rpc.client import Policy, RpcError, SyncClient, Unreachable
from scripts.demo_record import Stopped
from state.transaction import Transaction

ROWS_PER_REQUEST = 25

WAITING_MAX = 300
"""Rows that are sent and not yet final, at most: more makes each wait longer and the whole no faster."""

RESEND_SECONDS = 4.0
"""What is not final by then is sent again, to the next validator."""

STALL_SECONDS_MAX = 40.0
"""Without one more final row for so long, the demo gives up."""

POLL_SECONDS = 0.02

ONCE = Policy(timeout_seconds=15.0, rounds_max=1)


class Replay:
    """Sender threads, one a validator, and one that watches blocks."""

    def __init__(self, urls: Sequence[str], rows: Sequence[Transaction], first_row: int, watched_from: int) -> None:
        """
        :param first_row: rows before it are final already.
        :param watched_from: first height in which a row may be found.
        """
        self._urls = tuple(urls)
        self._rows = rows
        self._first_row = first_row
        self._index = {rows[number].id: number for number in range(first_row, len(rows))}
        self.sent: list[float | None] = [None] * len(rows)
        """When each row was first sent, monotonic seconds."""
        self.final: list[float | None] = [None] * len(rows)
        self.elsewhere = 0
        """Rows that another validator than theirs took, because theirs was down."""
        self.resent = 0
        self._tried: list[float] = [0.0] * len(rows)
        self._final_count = self._sent_count = first_row
        self._released = len(rows)
        self._changed = threading.Condition()
        self._ended = False
        self._failure: str | None = None
        self._height = watched_from
        self._last_progress = time.monotonic()

    @property
    def final_count(self) -> int:
        """Rows that are final."""
        return self._final_count

    @property
    def finality_ms(self) -> list[float]:
        """Of each final row, from its first sending."""
        pairs = zip(self.sent, self.final, strict=True)
        return [(final - sent) * 1000 for sent, final in pairs if sent is not None and final is not None]

    def start(self, released: int) -> None:
        """Begin to send; rows from ``released`` on wait for ``release``."""
        self._released = released
        jobs: list[Callable[[], None]] = [self._watch]
        jobs += [lambda own=own: self._send(own) for own in range(len(self._urls))]  # type: ignore[misc]
        for job in jobs:
            threading.Thread(target=self._guarded, args=(job,), daemon=True).start()

    def release(self) -> None:
        """Send the rows that were held back too."""
        with self._changed:
            self._released = len(self._rows)
            self._changed.notify_all()

    def stop(self) -> None:
        """End the threads."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def await_final(self, count: int, told: Callable[[int], None]) -> None:
        """Wait until so many rows are final; ``told`` hears of each turn. :raises Stopped: nothing moves."""
        self._last_progress = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait(0.25)
                failure, reached = self._failure, self._final_count
            if failure is not None:
                raise Stopped(failure)
            told(reached)
            if reached >= count:
                return
            if time.monotonic() - self._last_progress > STALL_SECONDS_MAX:
                raise Stopped(f"{reached} rows are final and none has followed for {STALL_SECONDS_MAX:.0f} s")
            self._resend()

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except (Stopped, Unreachable, RpcError) as error:
            with self._changed:
                self._failure = str(error)
                self._changed.notify_all()

    def _send(self, own: int) -> None:
        """The rows of one validator, in order."""
        mine = [row for row in range(own, len(self._rows), len(self._urls)) if row >= self._first_row]
        clients = [SyncClient([url], ONCE) for url in self._urls]
        for start in range(0, len(mine), ROWS_PER_REQUEST):
            chunk = mine[start : start + ROWS_PER_REQUEST]
            with self._changed:
                while not self._ended and (chunk[-1] >= self._released or self._waiting() > WAITING_MAX):
                    self._changed.wait(0.5)
                if self._ended:
                    return
            self._submit(clients, own, chunk)

    def _submit(self, clients: Sequence[SyncClient], own: int, chunk: Sequence[int]) -> None:
        """Hand rows to the first of the validators, from ``own`` on, that is up."""
        now = time.monotonic()
        for number in chunk:
            self._tried[number] = now
            if self.sent[number] is None:
                self.sent[number] = now
                with self._changed:
                    self._sent_count += 1
        transactions = [self._rows[number].encoded for number in chunk]
        for step in range(len(clients)):
            try:
                results = clients[(own + step) % len(clients)].tx_submit_many(transactions)
            except (Unreachable, RpcError):
                continue
            refused = [result for result in results if isinstance(result, RpcError) and not result.retryable]
            if refused:
                raise Stopped(f"a payment was refused: {refused[0]}")
            self.elsewhere += len(chunk) if step else 0
            return
        raise Stopped("no validator takes payments any more; their logs say why")

    def _resend(self) -> None:
        """What has been sent and is not final after a while: it may be lost with the node that took it."""
        late = time.monotonic() - RESEND_SECONDS
        due = [
            number
            for number, (sent, final) in enumerate(zip(self.sent, self.final, strict=True))
            if sent is not None and final is None and self._tried[number] < late
        ]
        clients = [SyncClient([url], ONCE) for url in self._urls]
        for start in range(0, len(due), ROWS_PER_REQUEST):
            chunk = due[start : start + ROWS_PER_REQUEST]
            self.resent += len(chunk)
            self._submit(clients, chunk[0] + 1, chunk)

    def _watch(self) -> None:
        """Ask the first validator for one block after another."""
        client = SyncClient(self._urls[:1], ONCE)
        while not self._ended:
            try:
                block = client.chain_block(self._height)
            except RpcError as refusal:
                if refusal.code not in ("unknown", "unavailable", "busy"):
                    raise
                time.sleep(POLL_SECONDS)
                continue
            now = time.monotonic()
            self._height += 1
            with self._changed:
                for text in block.transactions:
                    number = self._index.get(bytes.fromhex(text[2:]))
                    if number is not None and self.final[number] is None:
                        self.final[number] = now
                        self._final_count += 1
                        self._last_progress = now
                self._changed.notify_all()

    def _waiting(self) -> int:
        return self._sent_count - self._final_count
