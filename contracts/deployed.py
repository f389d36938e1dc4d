"""Contracts on chain: a name, an address that holds money, an interface version, and the source for ever.

Sources are compiled once in a process and kept by the digest of their text. A contract runs for ever under the version
of the language that was in force when it was deployed.
"""

from dataclasses import dataclass
from typing import cast

from contracts.kernel import accounts, layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import ContractRow, Row
from contracts.kernel.scope import LEDGER, Scope
from contracts.language import Compiled, Refused, at_height, compile_contract, version_of
from state.digest import source_digest
from state.errors import Invalid, Reason
from state.overlay import Overlay

FIRST_INTERFACE = 1

COMPILED_MAX = 256
"""Compiled contracts kept in memory; past it the oldest is compiled again when it is called."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A contract ready to run."""

    name: str
    address: str
    interface: int
    compiled: Compiled
    paused_key: bytes
    """Where the state says that it is paused."""


class Contracts:
    """The contracts that this process has compiled."""

    __slots__ = ("_found", "_ready")

    def __init__(self) -> None:
        self._ready: dict[tuple[str, bytes, int, int], Deployed] = {}
        self._found: dict[str, tuple[bytes, Row, Deployed]] = {}
        """Key, row and contract of the names asked for lately: a row that is the same object says the same."""

    def find(self, overlay: Overlay[Row], name: str) -> Deployed | None:
        """The contract of that name as the state has it, None if there is none."""
        lately = self._found.get(name)
        key = layout.contract_key(name) if lately is None else lately[0]
        row = overlay.get(key)
        if row is None:
            return None
        if lately is not None and lately[1] is row:
            return lately[2]
        address, interface, digest, _, language, cost = cast(ContractRow, row)
        found = self._ready.get((name, digest, language, cost))
        if found is None or found.interface != interface:
            source = overlay.get(layout.source_key(name))
            assert source is not None, "a contract without source"
            text = cast(str, source[0]).encode()
            compiled = compile_contract(text, version_of(language, cost))
            found = Deployed(name, address, interface, compiled, layout.paused_key(name))
            if len(self._ready) >= COMPILED_MAX:
                del self._ready[next(iter(self._ready))]
            self._ready[name, digest, language, cost] = found
        if len(self._found) >= COMPILED_MAX:
            self._found.clear()
        self._found[name] = key, row, found
        return found


def deploy(scope: Scope, name: str, source: str) -> str:
    """Put a contract on chain and give its address.

    :raises Invalid: BAD_GENESIS with every finding, for a source that the language refuses.
    :raises ContractError: account_exists.
    """
    if layout.NAME.fullmatch(name) is None or name in (LEDGER, layout.SUPPLY):
        raise Invalid(Reason.BAD_GENESIS, f"{name!r} can't be a contract's name")
    version = at_height(scope.height)
    try:
        compile_contract(source.encode(), version)
    except Refused as error:
        raise Invalid(Reason.BAD_GENESIS, f"the contract {name} is refused: {error}") from error
    key = layout.contract_key(name)
    if scope.overlay.get(key) is not None:
        refuse("account_exists", f"two contracts are named {name}")
    address = accounts.create_for_contract(scope, name)
    digest = source_digest(source.encode())
    row: ContractRow = (address, FIRST_INTERFACE, digest, scope.height, version.language, version.cost)
    scope.overlay.put(key, row)
    scope.overlay.put(layout.source_key(name), (source,))
    return address
