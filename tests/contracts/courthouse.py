"""The small network of these tests with officials: the regulators marta and nils, and the court themis."""

from collections.abc import Callable
from dataclasses import replace

from contracts.genesis_state import GenesisMember, GenesisState
from contracts.kernel import identity
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from state.policy import Policy
from tests.contracts.network import GENESIS_MS, SALT, Desk, address_of, genesis_state, key_of

OFFICIALS = {"marta": "regulator", "nils": "regulator", "themis": "court"}
USD = "USD.alpine"
YEAR_MS = 365 * 86_400_000


def with_officials(genesis: GenesisState) -> GenesisState:
    """The same genesis, with OFFICIALS as members that don't vote."""
    members = [
        GenesisMember(
            name,
            name.title(),
            f"{name.upper():0<20}",
            "CH",
            function,
            Policy.of_key(key_of(name).public),
            SALT,
            None,
            None,
        )
        for name, function in OFFICIALS.items()
    ]
    return replace(genesis, members=(*genesis.members, *members))


def desk_with_officials(approvals: int = 1) -> Desk:
    """The kernel alone, as ``Desk.start`` has it, where orders need so many approvals."""
    genesis = with_officials(genesis_state(grants=()))
    return Desk.start(replace(genesis, parameters=replace(genesis.parameters, order_approvals=approvals)))


def code_of(function: Callable[..., object], scope: Scope, *arguments: object) -> str:
    """Code with which the kernel refuses, and then nothing is kept; ok if it doesn't."""
    savepoint = scope.overlay.savepoint()
    try:
        function(scope, *arguments)
    except ContractError as error:
        scope.overlay.rollback(savepoint)
        return error.code
    scope.overlay.release(savepoint)
    return "ok"


def identify(
    desk: Desk, name: str, status: str = "verified", level: int = 2, country: str = "CH", risk_class: str = "low"
) -> None:
    """Write the row that the bank's word comes to."""
    address = address_of(name)
    row = ("alpine", status, level, GENESIS_MS + YEAR_MS, country, risk_class, "", 1, "alpine")
    identity.keep(desk.scope(), address, row)
