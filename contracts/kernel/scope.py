"""The scope of one transaction: the state it sees, who authorised it, which contract runs, what it has emitted.

Everything in the kernel takes the scope first. Authority is judged here, in one way for all: an account agrees
when the keys that sign meet its policy, when the account is the running contract's own, or when the account has
granted the running contract a standing authority.

Keys speak for the contracts that the transaction itself calls, which their holder has read, and for no contract that
one of those calls: deeper contracts act with their own money or by grant. A fuel payer's keys that are not the sender's
too agree to the fuel alone.
"""

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import AccountRow, Row
from contracts.language.fuel import Meter
from state.codec import Value
from state.overlay import Overlay
from state.policy import Key
from state.receipt import EVENTS_MAX, Event
from state.transaction import Call

LEDGER = "ledger"
"""The name under which the kernel emits events; no contract can be deployed under it."""

EVENTS_BYTES_MAX = 1024 * 1024
"""Events of one transaction, bytes: a receipt stays far below what one message carries."""

EVENT_BYTES = 512
"""What one event of the kernel counts for; a journal's legs beside."""

LEG_BYTES = 128
"""What one leg in an event counts for: asset, address and amount at their longest."""


class Scope:
    """One transaction on its way through the kernel."""

    __slots__ = (
        "acted",
        "acts_as",
        "agreed",
        "assumes_authority",
        "decided",
        "deltas",
        "event_bytes",
        "events",
        "height",
        "hold_count",
        "meter",
        "overlay",
        "payer",
        "prefix",
        "proposal_count",
        "retired",
        "running",
        "sender",
        "signers",
        "time_ms",
        "touched",
        "transaction_id",
        "upgraded",
    )

    def __init__(
        self,
        overlay: Overlay[Row],
        prefix: str,
        height: int,
        time_ms: int,
        transaction_id: bytes,
        sender: str,
        signers: tuple[Key, ...],
        meter: Meter,
        *,
        assumes_authority: bool = False,
    ) -> None:
        self.overlay = overlay
        self.prefix = prefix
        """Address prefix of the network."""
        self.height = height
        self.time_ms = time_ms
        """The block's time."""
        self.transaction_id = transaction_id
        self.sender = sender
        self.signers = signers
        self.meter = meter
        self.assumes_authority = assumes_authority
        """For a dry run without signatures: every policy asked counts as met, and ``agreed`` lists them."""
        self.agreed: dict[str, bool] = {}
        """Address → whether the keys meet its policy, for the policies asked so far."""
        self.retired: dict[str, bool] = {}
        """The same for policies that were replaced after they were asked."""
        self.acts_as = ""
        """The account whose decided proposal is carried out; it agrees, and no key does anything. Empty: none is."""
        self.payer = ""
        """Who agreed to pay the fuel, and to nothing else. Empty: the sender pays."""
        self.running: list[str] = []
        """Names of the contracts that run, outermost first."""
        self.acted: dict[str, None] = {}
        """Contracts with invariants of which an action has run, in order: they are checked at the end."""
        self.events: list[Event] = []
        self.touched: dict[str, None] = {}
        """Addresses whose balances moved, in order: the history rows."""
        self.deltas: dict[str, int] = {}
        """Asset → sum of all balance changes minus the supply's; zero for each after every transaction."""
        self.decided: list[tuple[str, tuple[Call, ...]]] = []
        """Account and calls of proposals that got their last approval here, to be carried out after the calls."""
        self.upgraded: dict[str, None] = {}
        """Contracts whose source this transaction has replaced: what does not hold of the new one ends it, no more."""
        self.event_bytes = 0
        self.proposal_count = 0
        self.hold_count = 0

    @property
    def contract(self) -> str:
        """Name of the running contract; empty outside any."""
        return self.running[-1] if self.running else ""

    def emit(self, name: str, *entries: tuple[str, Value], bytes_count: int = EVENT_BYTES) -> None:
        """Record an event of the kernel, with the running contract on record."""
        running = self.running
        self.record(Event(LEDGER, name, (("contract", running[-1] if running else ""), *entries)), bytes_count)

    def record(self, event: Event, bytes_count: int) -> None:
        """Keep an event, of about that size, for the receipt. :raises ContractError: too_many_events or too_large."""
        self.event_bytes += bytes_count
        if self.event_bytes > EVENTS_BYTES_MAX:
            refuse("too_large", f"the events of a transaction take at most {EVENTS_BYTES_MAX} bytes")
        if len(self.events) >= EVENTS_MAX:
            refuse("too_many_events")
        self.events.append(event)

    def account(self, address: str) -> AccountRow:
        """The account's row. :raises ContractError: unknown_account."""
        row: AccountRow | None = self.overlay.get(b"account/" + address.encode())  # type: ignore[assignment]
        if row is None:
            refuse("unknown_account", f"no account has the address {address[:96]}")
        return row

    @property
    def keys_reach(self) -> bool:
        """Whether the keys that sign speak for what runs now: a contract that the transaction calls, or none."""
        return len(self.running) <= 1

    @property
    def authorities(self) -> tuple[tuple[str, bool], ...]:
        """Accounts whose policy was asked for, and whether the keys met it then."""
        return tuple((self.agreed | self.retired if self.retired else self.agreed).items())

    def policy_met(self, address: str) -> bool:
        """Whether the keys that sign meet the account's policy now, and speak for what runs.

        :raises ContractError: unknown_account.
        """
        if len(self.running) > 1:
            self.account(address)
            return False
        met = self.agreed.get(address)
        if met is None:
            policy = self.account(address)[1]
            if policy is None:
                met = False
            elif self.acts_as:
                met = address == self.acts_as
            else:
                keys, threshold = policy
                signers = self.signers
                met = (self.assumes_authority and address != self.payer) or (
                    sum([weight for suite, public, weight in keys if (suite, public) in signers]) >= threshold
                )
            self.agreed[address] = met
        return met

    def paid_by(self, payer: str) -> None:
        """From here on the keys that sign for the fuel payer and not for the sender say nothing more."""
        theirs, own = ([key[:2] for key in (self.account(who)[1] or ((), 0))[0]] for who in (payer, self.sender))
        self.signers = tuple(key for key in self.signers if key in own or key not in theirs)
        self.payer = payer
        self.retired[payer] = self.agreed.pop(payer)

    def policy_changed(self, address: str) -> None:
        """The account has another policy from now on: keys that it leaves out speak for it no more."""
        met = self.agreed.pop(address, None)
        if met is not None and not self.acts_as:
            self.retired[address] = met

    def agrees(self, address: str, row: AccountRow | None = None) -> bool:
        """Whether the account, of that row if it is read already, agrees to what the running contract does with it.

        :raises ContractError: unknown_account.
        """
        if len(self.running) <= 1 and self.agreed.get(address):
            return True
        running = self.running
        contract = running[-1] if running else ""
        owner = (row or self.account(address))[2]
        if owner:
            return owner == contract
        if contract and self.overlay.get(layout.grant_key(address, contract)) is not None:
            return True
        return self.policy_met(address)

    def settle(self) -> None:
        """After a transaction: what came into or left the balances is what was minted or burnt, asset by asset."""
        for asset, delta in self.deltas.items():
            assert delta == 0, f"{asset}: balances and supply are {delta} apart"
