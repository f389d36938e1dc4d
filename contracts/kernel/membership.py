"""Membership: members come, go and change, by the members' votes; whoever calls this has judged them.

Rows change at once, in the transaction of the last vote: a new member's node is linked with from then on, and catches
up. The validator set is another matter: what changes it is in force L heights later, at the height that every node
knows beforehand; who leaves votes, and stays linked, until then.

A set stays one that goes on. It never has fewer than VALIDATORS_MIN validators, or, where a network was founded with
fewer, than it has. And a quorum of it can always be made of validators that are in force, with the same keys, when the
change is decided: so the chain goes on though none of the new ones ever comes up, and whoever follows the sets from
one to the next finds most of the old signers among the new.
"""

from collections.abc import Callable
from typing import cast

from contracts.kernel import accounts, layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.currencies import DECIMALS
from contracts.kernel.entrants import ROOT_CERTIFICATE_BYTES_MAX, Entrant, check_endpoint, keys_of
from contracts.kernel.layout import MEMBERS_OWN, MemberRow, NodeRow, Row
from contracts.kernel.member_keys import NODE, VOTE, check_proof, check_unused, claim, from_hex, is_hex
from contracts.kernel.parameters import parameter
from contracts.kernel.scope import Scope
from state.keys import PUBLIC_KEY_BYTES
from state.validators import VALIDATORS_MAX, Validator, ValidatorSet

VALIDATORS_MIN = 4
"""With fewer not one may fail: f = ⌊(n−1)/3⌋ is 0."""

MEMBERS_MAX = 1_000

FUEL_PER_MEMBER = 1_000
"""For each member that a new one is held against: two rows are read."""


# ------------------------------------------------------------------------------------------------------- joining


def check_admission(scope: Scope, entrant: Entrant) -> None:
    """Whether the entrant may join.

    :raises ContractError: member_exists, key_used, unknown_contract or unsafe_validators.
    """
    listed = members.listed(scope.overlay)
    scope.meter.charge(FUEL_PER_MEMBER * len(listed))
    known = scope.overlay.get(layout.member_key(entrant.id))
    if known is None:
        if len(listed) >= MEMBERS_MAX:
            refuse("member_exists", f"a network has at most {MEMBERS_MAX} members, former ones among them")
    elif known[3] != members.FORMER:
        refuse("member_exists", f"{entrant.id} is a member")
    elif known[1] != entrant.lei or known[4] != accounts.address_of(scope, entrant.policy, entrant.salt):
        refuse("member_exists", f"{entrant.id} was a member with another LEI or account")
    for other in listed:
        row = members.member(scope, other)
        if other != entrant.id and row[3] != members.FORMER:
            if row[1] == entrant.lei:
                refuse("member_exists", f"{other} has that LEI")
            if entrant.node is not None and _endpoint(scope, other) == entrant.node[1:]:
                refuse("member_exists", f"the node of {other} is at that host and port")
    for key, purpose in keys_of(entrant):
        check_unused(scope, entrant.id, key, purpose)
    for contract in entrant.grants:
        if scope.overlay.get(layout.contract_key(contract)) is None:
            refuse("unknown_contract", f"no contract is named {contract}")
    _change_validators(scope, lambda keys: _add(keys, entrant), is_trial=True)


def admit(scope: Scope, entrant: Entrant) -> None:
    """The entrant is a member from now on; if it has a vote key, a validator L heights later.

    :raises ContractError: as ``check_admission``.
    """
    check_admission(scope, entrant)
    if scope.overlay.get(layout.member_key(entrant.id)) is None:
        enrol(scope, entrant)
    else:
        _write_rows(scope, entrant, members.member(scope, entrant.id)[4])
    address = members.member(scope, entrant.id)[4]
    for contract in entrant.grants:
        scope.overlay.put(layout.grant_key(address, contract), accounts.GRANTED)
    scope.emit("member_admitted", ("member", entrant.id), ("role", entrant.role), ("account", address))
    _change_validators(scope, lambda keys: _add(keys, entrant))


def enrol(scope: Scope, entrant: Entrant) -> str:
    """Write a new member and its account, and give the account's address: at genesis too.

    :raises ContractError: bad_policy, account_exists or key_used.
    """
    address = accounts.create(scope, entrant.policy, entrant.salt, entrant.id)
    account = scope.account(address)
    scope.overlay.put(layout.account_key(address), (*account[:3], account[3] | MEMBERS_OWN, None))
    _write_rows(scope, entrant, address)
    return address


# ------------------------------------------------------------------------------------------------- changing, leaving


def check_removal(scope: Scope, member: str) -> None:
    """Whether the member may leave. :raises ContractError: unknown_member, bad_member or unsafe_validators."""
    _present(scope, member)
    scope.meter.charge(FUEL_PER_MEMBER * len(DECIMALS) // 2)
    for currency in DECIMALS:
        if members.settlement_agent(scope, currency) == member:
            refuse("bad_member", f"{member} is the settlement agent of {currency}")
    _change_validators(scope, lambda keys: keys.pop(member, None), is_trial=True)


def remove(scope: Scope, member: str) -> None:
    """The member leaves: it validates no more L heights later, and does nothing from now on that members alone do.

    Its account and its money stay what they are.

    :raises ContractError: as ``check_removal``.
    """
    check_removal(scope, member)
    row = members.member(scope, member)
    if row[3] == members.REGULATOR:
        members.withdraw_regulator(scope.overlay, member)
    _write(scope, member, (*row[:3], members.FORMER, row[4], None, row[6]))
    scope.emit("member_removed", ("member", member))
    _change_validators(scope, lambda keys: keys.pop(member, None))


def check_validator(scope: Scope, member: str, vote_key: str, proof: str) -> None:
    """Whether the member may validate with that key.

    :raises ContractError: unknown_member, bad_member, key_used or unsafe_validators.
    """
    row = _present(scope, member)
    key = from_hex(vote_key, PUBLIC_KEY_BYTES)
    if row[5] == key:
        refuse("bad_member", f"{member} validates with that key")
    check_proof(scope, member, VOTE, key, proof)
    _change_validators(scope, lambda keys: keys.update({member: key}), is_trial=True)


def make_validator(scope: Scope, member: str, vote_key: str, proof: str) -> None:
    """The member validates with that key L heights later: as a new validator, or in place of its old key.

    :raises ContractError: as ``check_validator``.
    """
    check_validator(scope, member, vote_key, proof)
    key = bytes.fromhex(vote_key)
    row = members.member(scope, member)
    _write(scope, member, (*row[:5], key, row[6]))
    claim(scope, member, key, VOTE)
    scope.emit("validator_set", ("member", member), ("vote_key", key))
    _change_validators(scope, lambda keys: keys.update({member: key}))


def check_observer(scope: Scope, member: str) -> None:
    """Whether the member may stop validating. :raises ContractError: unknown_member, bad_member, unsafe_validators."""
    if _present(scope, member)[5] is None:
        refuse("bad_member", f"{member} does not validate")
    _change_validators(scope, lambda keys: keys.pop(member, None), is_trial=True)


def make_observer(scope: Scope, member: str) -> None:
    """The member stops validating L heights later, and stays a member.

    :raises ContractError: as ``check_observer``.
    """
    check_observer(scope, member)
    row = members.member(scope, member)
    _write(scope, member, (*row[:5], None, row[6]))
    scope.emit("validator_unset", ("member", member))
    _change_validators(scope, lambda keys: keys.pop(member, None))


def check_node(scope: Scope, member: str, node_key: str, host: str, proof: str, root: str, port: int) -> None:
    """Whether the member's node may be known by that key, certificate and place.

    :raises ContractError: unknown_member, bad_member, member_exists or key_used.
    """
    _present(scope, member)
    key = from_hex(node_key, PUBLIC_KEY_BYTES)
    if not is_hex(root) or not 0 < len(root) <= 2 * ROOT_CERTIFICATE_BYTES_MAX:
        refuse("bad_member", "a root certificate is DER as hex, at most 4,096 bytes")
    check_endpoint(host, port)
    check_proof(scope, member, NODE, key, proof)
    listed = members.listed(scope.overlay)
    scope.meter.charge(FUEL_PER_MEMBER * len(listed))
    for other in listed:
        is_here = other != member and members.member(scope, other)[3] != members.FORMER
        if is_here and _endpoint(scope, other) == (host, port):
            refuse("member_exists", f"the node of {other} is at that host and port")


def change_node(scope: Scope, member: str, node_key: str, host: str, proof: str, root: str, port: int) -> None:
    """The member's node is known by that key and at that place from now on.

    :raises ContractError: as ``check_node``.
    """
    check_node(scope, member, node_key, host, proof, root, port)
    row, key = members.member(scope, member), bytes.fromhex(node_key)
    _write(scope, member, (*row[:6], key))
    claim(scope, member, key, NODE)
    scope.overlay.put(layout.node_key(member), (bytes.fromhex(root), host, port))
    scope.emit("node_changed", ("member", member), ("node_key", key), ("host", host), ("port", port))


def check_role(scope: Scope, member: str, role: str) -> None:
    """Whether the member may have that role. :raises ContractError: unknown_member or bad_member."""
    now = _present(scope, member)[3]
    if now not in members.OFFICIALS or role not in members.OFFICIALS or now == role:
        refuse("bad_member", "regulators and courts change into each other; who issues money leaves and joins anew")


def change_role(scope: Scope, member: str, role: str) -> None:
    """A regulator is a court from now on, or the other way. :raises ContractError: as ``check_role``."""
    check_role(scope, member, role)
    row = members.member(scope, member)
    _write(scope, member, (*row[:3], role, *row[4:]))
    if role == members.REGULATOR:
        members.add_regulator(scope.overlay, member, row[2])
    else:
        members.withdraw_regulator(scope.overlay, member)
    scope.emit("role_changed", ("member", member), ("role", role))


def is_safe(validators: ValidatorSet, known: ValidatorSet, in_force: ValidatorSet) -> bool:
    """Whether ``validators`` may follow on ``known``, while those ``in_force`` decide it.

    In a network of fewer than VALIDATORS_MIN nobody may fail anyway: there only shrinking is refused.
    """
    if not min(VALIDATORS_MIN, len(known)) <= len(validators) <= VALIDATORS_MAX:
        return False
    if len(known) < VALIDATORS_MIN:
        return True
    staying = [validator for validator in validators.validators if validator in in_force.validators]
    return len(staying) >= validators.quorum


# ------------------------------------------------------------------------------------------------------------ pieces


def _add(keys: dict[str, bytes], entrant: Entrant) -> None:
    if entrant.vote_key is not None:
        keys[entrant.id] = entrant.vote_key


def _change_validators(scope: Scope, change: Callable[[dict[str, bytes]], object], *, is_trial: bool = False) -> None:
    """Have another set in force L heights later, if it is a safe one. :raises ContractError: unsafe_validators."""
    first_height = scope.height + parameter(scope, "execution_lag")
    known = members.validators_at(scope.overlay, first_height)
    in_force = members.validators_at(scope.overlay, scope.height)
    assert known is not None
    assert in_force is not None
    keys = {validator.member: validator.vote_key for validator in known.validators}
    change(keys)
    after = ValidatorSet(tuple(Validator(member, keys[member]) for member in sorted(keys)))
    if after == known:
        return
    if not is_safe(after, known, in_force):
        refuse(
            "unsafe_validators",
            f"{len(after)} validators; there must be at least {min(VALIDATORS_MIN, len(known))}, at most "
            f"{VALIDATORS_MAX}, and enough for a quorum of them in force now",
        )
    if not is_trial:
        members.schedule_validators(scope.overlay, first_height, after, scope.height)
        scope.emit("validators_changed", ("first_height", first_height), ("count", len(after)))


def _present(scope: Scope, member: str) -> MemberRow:
    """The row of one who has not left. :raises ContractError: unknown_member."""
    row = members.member(scope, member)
    if row[3] == members.FORMER:
        refuse("unknown_member", f"{member} has left")
    return row


def _write_rows(scope: Scope, entrant: Entrant, address: str) -> None:
    known = scope.overlay.get(layout.member_key(entrant.id))
    _write(
        scope,
        entrant.id,
        (
            entrant.legal_name,
            entrant.lei,
            entrant.jurisdiction,
            entrant.role,
            address,
            entrant.vote_key,
            entrant.node_key,
        ),
    )
    for key, purpose in keys_of(entrant):
        check_unused(scope, entrant.id, key, purpose)
        claim(scope, entrant.id, key, purpose)
    if entrant.node is not None:
        scope.overlay.put(layout.node_key(entrant.id), cast(Row, entrant.node))
    if entrant.role == members.REGULATOR:
        members.add_regulator(scope.overlay, entrant.id, entrant.jurisdiction)
    if known is None:
        members.list_member(scope.overlay, entrant.id)


def _write(scope: Scope, member: str, row: MemberRow) -> None:
    scope.overlay.put(layout.member_key(member), cast(Row, row))
    members.changed(scope.overlay, scope.height)


def _endpoint(scope: Scope, member: str) -> tuple[str, int] | None:
    row = scope.overlay.get(layout.node_key(member))
    return None if row is None else cast(NodeRow, row)[1:]
