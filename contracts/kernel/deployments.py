"""Deployments: contracts that come, and change, by the members' votes; whoever calls this has judged them.

A contract's source is checked when it is moved and again when it is carried out, and stands on chain for ever, also
when another has taken its place. An upgrade is the next interface of the same contract: name, address and money stay,
and so does what it has stored. It declares every field of its predecessor as that did, so that nothing stored is ever
read as what it is not; what is to have another shape gets a field of its own, and the migration, an action without
parameters that only the contract itself may call, fills it in the same transaction. The new source's invariants hold
from the first moment, or the upgrade does not happen.
"""

from typing import Final, cast

from contracts.kernel import accounts, layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import ContractRow, Row
from contracts.kernel.pauses import GOVERNANCE
from contracts.kernel.scope import LEDGER, Scope
from contracts.language import Compiled, Refused, at_height, compile_contract, version_of
from state.digest import source_digest
from state.transaction import Call

FIRST_INTERFACE = 1

VOTING_ACTIONS: Final = ("propose", "vote")
"""Actions of the contract by which members vote, without which nothing could be decided any more."""


def check_deployment(scope: Scope, name: str, source: str) -> None:
    """Whether the contract can be put on chain. :raises ContractError: contract_exists or bad_source."""
    if layout.NAME.fullmatch(name) is None or name in (LEDGER, layout.SUPPLY):
        refuse("bad_source", "a contract's name is a-z, 0-9 and _, at most 32 letters, and not one of the kernel's")
    if scope.overlay.get(layout.contract_key(name)) is not None:
        refuse("contract_exists", f"a contract is named {name}: upgrade it")
    _compiled(scope, source)


def deploy(scope: Scope, name: str, source: str) -> None:
    """Put a contract on chain. :raises ContractError: as ``check_deployment``."""
    check_deployment(scope, name, source)
    address = accounts.create_for_contract(scope, name)
    _write(scope, name, address, FIRST_INTERFACE, source)
    scope.emit("contract_deployed", ("deployed", name), ("address", address), ("interface", FIRST_INTERFACE))


def check_upgrade(scope: Scope, name: str, migration: str, source: str) -> None:
    """Whether the source can take the contract's place. :raises ContractError: unknown_contract or bad_source."""
    compiled, before = _compiled(scope, source), _present(scope, name)
    if compiled.digest == before.digest:
        refuse("bad_source", "that is the contract's source now")
    for field, declared in before.program.storage.items():
        if compiled.program.storage.get(field) != declared:
            refuse("bad_source", f"the field {field} is not declared as before: what has another shape gets a new one")
    if migration and (migration not in compiled.actions or compiled.actions[migration].parameters):
        refuse("bad_source", f"{migration[:64]} is no action without parameters")
    if name == GOVERNANCE:
        for action in VOTING_ACTIONS:
            now = compiled.actions.get(action)
            if now is None or _kinds(now.parameters) != _kinds(before.actions[action].parameters):
                refuse("bad_source", f"without {action} as it is the members could decide nothing more")


def upgrade(scope: Scope, name: str, migration: str, source: str) -> None:
    """Have the source take the contract's place from now on; the migration runs after the transaction's calls.

    :raises ContractError: as ``check_upgrade``.
    """
    check_upgrade(scope, name, migration, source)
    address, interface, *_ = cast(ContractRow, scope.overlay.get(layout.contract_key(name)))
    before = scope.overlay.get(layout.source_key(name))
    assert before is not None, "a contract without source"
    scope.overlay.put(layout.former_source_key(name, interface), before)
    _write(scope, name, address, interface + 1, source)
    scope.emit("contract_upgraded", ("upgraded", name), ("interface", interface + 1), ("migration", migration))
    scope.upgraded[name] = None
    scope.acted[name] = None
    if migration:
        scope.decided.append((address, (Call(name, interface + 1, migration, []),)))


def _compiled(scope: Scope, source: str) -> Compiled:
    """The source, checked and paid for. :raises ContractError: bad_source, with the first finding."""
    version = at_height(scope.height)
    encoded = source.encode()
    scope.meter.charge(version.prices.deploy + version.prices.deploy_byte * len(encoded))
    try:
        return compile_contract(encoded, version)
    except Refused as error:
        refuse("bad_source", str(error))


def _present(scope: Scope, name: str) -> Compiled:
    row, source = (scope.overlay.get(key(name)) for key in (layout.contract_key, layout.source_key))
    if row is None or source is None:
        refuse("unknown_contract", f"no contract is named {name[:64]}")
    language, cost = cast(ContractRow, row)[4:]
    return compile_contract(cast(str, source[0]).encode(), version_of(language, cost))


def _kinds(parameters: tuple[tuple[str, object], ...]) -> list[object]:
    return [declared for _, declared in parameters]


def _write(scope: Scope, name: str, address: str, interface: int, source: str) -> None:
    version = at_height(scope.height)
    digest = source_digest(source.encode())
    row: ContractRow = (address, interface, digest, scope.height, version.language, version.cost)
    scope.overlay.put(layout.contract_key(name), cast(Row, row))
    scope.overlay.put(layout.source_key(name), (source,))
