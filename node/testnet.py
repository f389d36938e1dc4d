"""A test network: all homes of its members on one machine, by the same ceremony that banks go through.

The members are fictional. Validators are banks; the first observer is the settlement agent, others are regulators.
Only whoever made the homes holds all keys, which is what makes it a test network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genesis.document import Genesis, Settlement
from genesis.identifiers import make_lei
from genesis.member import Function, Role
from node import ceremony
from node.ceremony import Details
from node.configuration import P2P_PORT, Configuration, P2pSettings, RpcSettings
from node.home import Home
from state.errors import Invalid, Reason
from state.parameters import ChainParameters
from state.validators import VALIDATORS_MAX

OBSERVERS_MAX = 20

RPC_PORT_OFFSET = 100
"""RPC ports stand this far above the ports for other nodes; more nodes than this fit on no test machine."""

NODES_MAX = RPC_PORT_OFFSET

BASE_PORT = P2P_PORT
BASE_PORT_MAX = 32767 - RPC_PORT_OFFSET - NODES_MAX
"""So that every port lies below 32768, outside the range for outgoing connections."""

ADDRESS_PREFIX = "hansat"
"""Addresses of a test network never look like those of a real one."""

GENESIS_FILE = "genesis.json"

_BANKS = (
    ("alpina", "Alpina Privatbank AG", "CH"),
    ("borealis", "Borealis Pankki Oyj", "FI"),
    ("corriente", "Banco Corriente S.A.", "MX"),
    ("deltahaven", "Deltahaven Bank Ltd", "SG"),
)
_AGENT = ("meridian", "Meridian Central Bank", "LU")


@dataclass(frozen=True, slots=True)
class Seat:
    """One member's place in a test network."""

    details: Details
    p2p_port: int
    rpc_port: int

    @property
    def configuration(self) -> Configuration:
        """Listening on loopback only."""
        return Configuration(p2p=P2pSettings(host="127.0.0.1", port=self.p2p_port), rpc=RpcSettings(port=self.rpc_port))


def seats(validators: int, observers: int, base_port: int = BASE_PORT) -> tuple[Seat, ...]:
    """The members of a test network, validators first. :raises Invalid: TOO_LARGE or BAD_CONFIGURATION."""
    if not 1 <= validators <= VALIDATORS_MAX or not 1 <= observers <= OBSERVERS_MAX:
        detail = f"a test network has 1 to {VALIDATORS_MAX} validators and 1 to {OBSERVERS_MAX} observers"
        raise Invalid(Reason.TOO_LARGE, detail)
    if validators + observers > NODES_MAX:
        raise Invalid(Reason.TOO_LARGE, f"a test network has at most {NODES_MAX} nodes")
    if not 1024 <= base_port <= BASE_PORT_MAX:
        raise Invalid(Reason.BAD_CONFIGURATION, f"a base port lies between 1024 and {BASE_PORT_MAX}")
    chosen = [_bank(index) for index in range(validators)] + [_observer(index) for index in range(observers)]
    return tuple(
        Seat(
            Details(
                id=name,
                legal_name=legal_name,
                lei=test_lei(name),
                jurisdiction=jurisdiction,
                role=Role.VALIDATOR if index < validators else Role.OBSERVER,
                function=function,
                port=base_port + index,
            ),
            base_port + index,
            base_port + RPC_PORT_OFFSET + index,
        )
        for index, (name, legal_name, jurisdiction, function) in enumerate(chosen)
    )


def make(directory: Path, places: Sequence[Seat], *, name: str, currencies: Sequence[str] = ("USD",)) -> Genesis:
    """Make every home as ``directory/<member>`` and the document they share as ``directory/genesis.json``.

    :raises Invalid: DUPLICATE (there is something already), or as the ceremony does.
    """
    homes = [Home(directory / seat.details.id) for seat in places]
    for home, seat in zip(homes, places, strict=True):
        ceremony.initialise(home, seat.details, configuration=seat.configuration)
    agent = next(seat.details.id for seat in places if seat.details.function is Function.SETTLEMENT_AGENT)
    genesis = ceremony.build_genesis(
        [home.member for home in homes],
        directory / GENESIS_FILE,
        name=name,
        parameters=ChainParameters(address_prefix=ADDRESS_PREFIX),
        settlement=[Settlement(currency, agent) for currency in currencies],
    )
    for home in homes:
        ceremony.adopt_genesis(home, directory / GENESIS_FILE)
    return genesis


def test_lei(member: str) -> str:
    """A legal entity identifier with valid check digits that no register holds."""
    return make_lei("9999" + "00" + f"{member.upper().replace('_', '0')[:12]:0<12}")


def _bank(index: int) -> tuple[str, str, str, Function]:
    if index < len(_BANKS):
        return *_BANKS[index], Function.BANK
    return f"testbank{index:02}", f"Test Bank {index} plc", "GB", Function.BANK


def _observer(index: int) -> tuple[str, str, str, Function]:
    if index == 0:
        return *_AGENT, Function.SETTLEMENT_AGENT
    return f"watch{index:02}", f"Supervisory Authority {index}", "LU", Function.REGULATOR
