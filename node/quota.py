"""The quota as this node's proposals keep it: so much fuel in a block for the customers of one member.

Execution refuses what is over (receipt ``quota``), which uses up an id for nothing; so a proposer leaves it to a later
block, and takes what waits behind it. It needs to know each fuel payer's bank, which the state alone says. What
execution tells of the blocks it has run is remembered here; a payer not heard of yet may be anybody's customer, and
counts against every member, but takes no more than a share of the block.

In the blocks that are on their way while a new quota is voted, some may still be refused.
"""

from collections import OrderedDict
from collections.abc import Iterable

from state.transaction import Body

BANKS_MAX = 262_144
"""Payers whose bank is remembered; past it those that have paid nothing for longest are forgotten."""

STRANGERS_SHARE = 4
"""Payers not heard of yet take at most quota ÷ STRANGERS_SHARE of a block, or one transaction."""


class Quota:
    """What is known of quota and banks."""

    __slots__ = ("_banks", "fuel")

    def __init__(self, fuel: int = 0) -> None:
        """:param fuel: the quota in force, 0 for none."""
        self.fuel = fuel
        self._banks: OrderedDict[str, str] = OrderedDict()

    def executed(self, fuel: int, banks: Iterable[tuple[str, str]]) -> None:
        """By the state after the newest block this is the quota, and these are payers and their banks."""
        self.fuel = fuel
        if not fuel:
            self._banks.clear()
        for payer, bank in banks:
            self._banks[payer] = bank
            self._banks.move_to_end(payer)
        while len(self._banks) > BANKS_MAX:
            self._banks.popitem(last=False)

    def allowance(self) -> "Allowance | None":
        """For one block; None where nothing is bounded."""
        return Allowance(self.fuel, self._banks) if self.fuel else None


class Allowance:
    """What one block has left for each member."""

    __slots__ = ("_banks", "_fuel", "_greatest", "_strangers", "_taken")

    def __init__(self, fuel: int, banks: OrderedDict[str, str]) -> None:
        self._fuel = fuel
        self._banks = banks
        self._taken: dict[str, int] = {}
        self._greatest = 0
        """What the member that has most has taken."""
        self._strangers = 0

    def takes(self, body: Body) -> bool:
        """Whether the block has room for it, which it then takes up."""
        bank = self._banks.get(body.fuel_payer or body.sender)
        if bank is None:
            total = self._strangers + body.fuel_limit
            if self._strangers and total > self._fuel // STRANGERS_SHARE:
                return False
            if self._greatest + total > self._fuel:
                return False
            self._strangers = total
            return True
        total = self._taken.get(bank, 0) + body.fuel_limit
        if total + self._strangers > self._fuel:
            return False
        self._taken[bank] = total
        self._greatest = max(self._greatest, total)
        return True
