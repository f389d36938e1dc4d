"""What the kernel should come to, said once more in the plainest way: who owns what, and which holds there are.

It keeps what each account owns of each asset and every hold ever made; all else (available, held, supply) is summed up
from these each time it is asked for. ``may_*`` say whether the kernel shall take something; the other methods do it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

SUPPLY = "supply"
OPEN, POSTED, VOIDED, EXPIRED = "open", "posted", "voided", "expired"
SEND, RECEIVE, SETTLE = 1, 2, 4

Leg = tuple[str, str, int]
Fill = tuple[str, str, int, bool]
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold, as it is."""

    asset: str
    account: str
    amount: int
    beneficiary: str
    expires_ms: int
    contract: str
    status: str = OPEN
    group: str = ""


@dataclass(slots=True)
class Model:
    """A ledger of dictionaries."""

    authorised: dict[str, int]
    """Asset → what may be out."""
    time_ms: int
    owned: dict[Place, int] = field(default_factory=dict)
    """(Account, asset) → available and held."""
    holds: dict[str, Hold] = field(default_factory=dict)
    groups: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Group → (contract, holds); one that is resolved is gone."""
    freezes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Account → (what it stops, until when; 0: for ever)."""

    # ------------------------------------------------------------------------------------------------------- looks

    def held(self, place: Place) -> int:
        return sum(
            hold.amount for hold in self.holds.values() if (hold.account, hold.asset) == place and self.is_live(hold)
        )

    def available(self, place: Place) -> int:
        return self.owned.get(place, 0) - self.held(place)

    def supply(self, asset: str) -> int:
        return sum(amount for (_, owned), amount in self.owned.items() if owned == asset)

    def is_live(self, hold: Hold) -> bool:
        return hold.status == OPEN and not 0 < hold.expires_ms <= self.time_ms

    def status(self, hold: Hold) -> str:
        return EXPIRED if hold.status == OPEN and not self.is_live(hold) else hold.status

    def is_frozen(self, address: str, bit: int) -> bool:
        return any(
            stops & bit and (not until or self.time_ms < until) for stops, until in self.freezes.get(address, [])
        )

    # --------------------------------------------------------------------------------------------------- free legs

    def may_post(self, legs: Sequence[Leg], freed: dict[Place, int], credited: Iterable[Place]) -> bool:
        """Whether free legs may be, beside what a posting of holds frees and credits."""
        if any(not change for _, _, change in legs):
            return False
        for asset in {asset for asset, _, _ in legs}:
            if sum(change for other, _, change in legs if other == asset):
                return False
        paid = {(address, asset) for asset, address, change in legs if change > 0}
        for place in {(address, asset) for asset, address, _ in legs if address != SUPPLY}:
            changes = [change for asset, address, change in legs if (address, asset) == place]
            debits = -sum(change for change in changes if change < 0)
            if place in paid and debits > self.available(place):
                return False
            if place in credited and debits > self.available(place) + freed.get(place, 0):
                return False
            # Credits of the posting fund nothing, so the sum needs no look at them.
            if sum(changes) < 0 and -sum(changes) > self.available(place) + freed.get(place, 0):
                return False
            if debits and self.is_frozen(place[0], SEND):
                return False
            if place in paid and self.is_frozen(place[0], RECEIVE):
                return False
        return True

    def may_mint(self, legs: Sequence[Leg], burnt: dict[str, int]) -> bool:
        for asset, limit in self.authorised.items():
            out = -sum(change for other, address, change in legs if (other, address) == (asset, SUPPLY))
            out -= burnt.get(asset, 0)
            if out > 0 and self.supply(asset) + out > limit:
                return False
        return True

    def post_legs(self, legs: Sequence[Leg]) -> None:
        for asset, address, change in legs:
            if address != SUPPLY:
                self.owned[address, asset] = self.owned.get((address, asset), 0) + change

    # ------------------------------------------------------------------------------------------------------- holds

    def may_hold(self, asset: str, account: str, amount: int, beneficiary: str, expires_ms: int) -> bool:
        if amount <= 0 or amount > self.available((account, asset)) or 0 < expires_ms <= self.time_ms:
            return False
        return not self.is_frozen(account, SEND) and not (beneficiary and self.is_frozen(beneficiary, RECEIVE))

    def may_fill(self, fill: Fill, contract: str, group: str = "") -> bool:
        name, to, amount, _ = fill
        hold = self.holds[name]
        if hold.contract != contract or not self.is_live(hold) or hold.group != group:
            return False
        if not 0 < amount <= hold.amount or (hold.beneficiary and to != hold.beneficiary):
            return False
        if not hold.beneficiary and to != SUPPLY and self.is_frozen(to, RECEIVE):
            return False
        return not any(self.is_frozen(party, SETTLE) for party in (hold.account, to))

    def fill(self, fill: Fill, rest: str) -> None:
        """Post one hold; ``rest`` names the hold that keeps what is left, empty if it goes back."""
        name, to, amount, _ = fill
        hold = self.holds[name]
        self.holds[name] = replace(hold, status=POSTED)
        if rest:
            self.holds[rest] = replace(hold, amount=hold.amount - amount, group="")
        self.post_legs([(hold.asset, hold.account, -amount), (hold.asset, to, amount)])

    def may_resolve(self, name: str, contract: str, group: str = "") -> bool:
        hold = self.holds[name]
        return hold.contract == contract and hold.status == OPEN and hold.group == group

    def void(self, name: str) -> None:
        """A hold past its expiry ends as expired."""
        hold = self.holds[name]
        self.holds[name] = replace(hold, status=VOIDED if self.is_live(hold) else EXPIRED)
