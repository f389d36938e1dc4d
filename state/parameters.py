"""The chain's parameters: set at genesis, the same at every node, never in a configuration file."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final

from state import codec, protocol
from state.codec import Value
from state.errors import Invalid, Reason

BLOCK_TRANSACTIONS_CEILING = 4_000
"""Most that a block may ever list, whatever the members vote: what one message of agreement carries."""

VOTED: Final[Mapping[str, tuple[int, int]]] = {
    "transaction_window_ms": (60_000, 86_400_000),
    "block_transactions_max": (1, BLOCK_TRANSACTIONS_CEILING),
    "block_bytes_max": (131_072, 4_000_000),
    "block_fuel_max": (10_000_000, 20_000_000_000),
    "transaction_fuel_max": (10_000_000, 1_000_000_000),
    "schedule_calls_max": (1, 4_096),
    "schedule_fuel_max": (10_000_000, 5_000_000_000),
    "identity_level_min": (0, 9),
    "order_approvals": (1, 16),
    "recovery_delay_ms": (0, 90 * 86_400_000),
}
"""What the members can change, and between which bounds: each leaves a chain that works, and on which members can
vote again. The protocol's version is voted with its height, as a subject of its own. The rest is the network's from its
birth: addresses, the execution lag, and the bound that clocks keep."""

MAY_BE_ZERO = ("identity_level_min", "recovery_delay_ms")
"""Parameters for which 0 means none."""


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """Limits that validity depends on."""

    address_prefix: str = "hansa"
    """Prefix of the network's addresses."""
    execution_lag: int = 8
    """L: no PREPARE for height h before the checkpoint certificate of h − L; a change of membership waits as long."""
    transaction_window_ms: int = 3_600_000
    """How far ahead of block time valid_until_ms may lie."""
    clock_bound_ms: int = 10_000
    """How far a fresh proposal's time may lie from a validator's clock."""
    block_transactions_max: int = 2_000
    block_bytes_max: int = 2_000_000
    """Bodies of one block, bytes."""
    block_fuel_max: int = 200_000_000
    """Sum of the fuel limits of one block's transactions: about a second's work, at 4 to 5 ns a unit (the costliest
    construct takes 13), or 1,000 payments that allow ten times what they use."""
    transaction_fuel_max: int = 100_000_000
    schedule_calls_max: int = 256
    """Scheduled calls that one block runs; what is due beyond waits for the next."""
    schedule_fuel_max: int = 100_000_000
    """Sum of the fuel limits of one block's scheduled calls: half a second's work beside the transactions'."""
    identity_level_min: int = 0
    """Level of verification that both parties of a free posting have, whatever the asset asks."""
    order_approvals: int = 1
    """Distinct regulators and courts that must agree before an order is in force."""
    recovery_delay_ms: int = 86_400_000
    """From a bank's word that an account is recovered until its new keys hold; meanwhile the old ones can object."""
    protocol_version: int = protocol.FIRST
    """Version of the rules that a block is made under."""

    def to_value(self) -> Value:
        """Name and value of each parameter, in order."""
        return [[name, value] for name, value in asdict(self).items()]

    @classmethod
    def from_document(cls, document: object) -> "ChainParameters":
        """From the genesis document's ``parameters``; what is not named keeps its default.

        :raises Invalid: BAD_GENESIS with the name of the parameter.
        """
        if not isinstance(document, dict):
            raise Invalid(Reason.BAD_GENESIS, "parameters is a table of names and values")
        known = {field.name for field in fields(cls)}
        for name, value in document.items():
            if name not in known:
                raise Invalid(Reason.BAD_GENESIS, f"there is no parameter {name!r}")
            if name == "address_prefix":
                if not isinstance(value, str) or not re.fullmatch("[a-z]{1,16}", value):
                    raise Invalid(Reason.BAD_GENESIS, "address_prefix is 1 to 16 lower-case ASCII letters")
            elif type(value) is not int or not (name not in MAY_BE_ZERO) <= value <= codec.INT_MAX:
                raise Invalid(Reason.BAD_GENESIS, f"{name} is a positive integer")
            if name == "protocol_version" and not protocol.is_known(value):
                newest = f"this software knows {protocol.FIRST} to {protocol.NEWEST}: install a release that knows it"
                raise Invalid(Reason.BAD_GENESIS, f"the network begins under protocol version {value}, and {newest}")
        return cls(**document)
