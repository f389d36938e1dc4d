"""The genesis document: what it says is its identity, how it is spelled is not, and each mistake is named."""

import copy
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from genesis import document, member
from genesis.document import Genesis, load
from genesis.member import Member, Role
from state.errors import Invalid, Reason
from state.validators import Validator


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        load(text)
    assert refused.value.reason is Reason.BAD_GENESIS
    return refused.value.detail


def test_round_trip(genesis: Genesis) -> None:
    assert load(genesis.to_json()) == genesis
    assert load(genesis.to_json()).chain_id == genesis.chain_id


def test_identity_is_pinned(genesis: Genesis) -> None:
    """A change of this digest is a change of every chain's identity."""
    assert genesis.chain_id.hex() == "0044df1d3b13708e582791efa31b1c357e71c82e6e833e1cd57ff4462b177989"


def test_spelling_does_not_change_identity(genesis: Genesis) -> None:
    plain = genesis.to_document()
    backwards = json.loads(json.dumps(plain), object_pairs_hook=lambda pairs: dict(pairs[::-1]))
    for text in (
        json.dumps(plain),
        json.dumps(plain, indent=7, ensure_ascii=False),
        json.dumps(backwards),
        genesis.to_json().replace("\n", "\r\n"),
    ):
        assert load(text).chain_id == genesis.chain_id


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def changed(genesis: Genesis, path: tuple[Any, ...], change: Callable[[Any], Any]) -> str:
    plain = copy.deepcopy(json.loads(genesis.to_json()))
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change(place[path[-1]])
    return json.dumps(plain)


def another(value: Any) -> Any:
    """A value of the same shape that differs."""
    if isinstance(value, int):
        return value + 1
    if value.startswith("0x"):
        return value[:-1] + ("1" if value[-1] != "1" else "2")
    if value.isdigit():
        return str(int(value) + 1)
    return value[:-1] + ("x" if value[-1] != "x" else "y")


def test_every_leaf_is_in_the_identity(genesis: Genesis) -> None:
    """Change any leaf of the document: it is refused, or it is another chain."""
    plain = json.loads(genesis.to_json())
    identities, accepted = {genesis.chain_id}, 0
    for path in leaves(plain):
        try:
            other = load(changed(genesis, path, another))
        except Invalid:
            continue
        accepted += 1
        identities.add(other.chain_id)
    assert len(identities) == accepted + 1
    assert accepted >= 50


def test_every_field_is_needed(genesis: Genesis) -> None:
    plain = json.loads(genesis.to_json())
    for path in leaves(plain):
        if isinstance(path[-1], str) and path[0] != "parameters":
            place = without = copy.deepcopy(plain)
            for step in path[:-1]:
                place = place[step]
            del place[path[-1]]
            assert refusal(json.dumps(without)).endswith(f"{path[-1]}: is missing")


def test_unknown_fields_are_refused(genesis: Genesis) -> None:
    plain = json.loads(genesis.to_json())
    for path, expected in [
        ((), "there is no field 'seed' here"),
        (("members", 1), "members[1]: there is no field 'seed' here"),
        (("members", 0, "account"), "members[0].account: there is no field 'seed' here"),
        (("members", 0, "account", "policy"), "members[0].account.policy: there is no field 'seed' here"),
        (("settlement", 0), "settlement[0]: there is no field 'seed' here"),
        (("contracts", 0), "contracts[0]: there is no field 'seed' here"),
        (("parameters",), "parameters: there is no parameter 'seed'"),
    ]:
        place = more = copy.deepcopy(plain)
        for step in path:
            place = place[step]
        place["seed"] = 1
        assert refusal(json.dumps(more)) == expected


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[]", "a table of names and values is expected"),
        ("null", "a table of names and values is expected"),
        ("{} {}", "not JSON: Extra data at line 1, column 4"),
        ("\ufeff{}", "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at line 1, column 1"),
        ('{"format": 1, "format": 1}', "the field 'format' stands twice in one table"),
        ('{"a": {"b": 1, "b": 2}}', "the field 'b' stands twice in one table"),
        ('{"a": 1.0}', "1.0 is not an integer: fractions, exponents, NaN and Infinity have no place here"),
        ('{"a": 1e3}', "1e3 is not an integer: fractions, exponents, NaN and Infinity have no place here"),
        ('{"a": NaN}', "NaN is not an integer: fractions, exponents, NaN and Infinity have no place here"),
        ('{"a": -Infinity}', "-Infinity is not an integer: fractions, exponents, NaN and Infinity have no place here"),
        ('{"a": 9007199254740992}', "9007199254740992 is not a number that every JSON parser reads exactly"),
        ('{"a": -0}', "-0 is not a number that every JSON parser reads exactly"),
        ('{"a": ' + "9" * 5000 + "}", "9" * 24 + " is not a number that every JSON parser reads exactly"),
        ("[" * 100_000, "nested deeper than 16"),
        ('{"a":' * 17, "nested deeper than 16"),
        ("{}", "format: is missing"),
        ('{"format": 2}', "format: an integer from 1 to 1 is expected"),
        ('{"format": true}', "format: an integer from 1 to 1 is expected"),
        ('{"format": "1"}', "format: an integer from 1 to 1 is expected"),
        (" " * (8 * 1024 * 1024 + 1), "the document has 8388609 characters, at most 8388608 are allowed"),
    ],
)
def test_refused_text(text: str, detail: str) -> None:
    assert refusal(text) == detail


BLANKS = "control and direction characters, and blanks at either end, are not allowed"
HEX_KEY = "0x and 64 lower-case hexadecimal digits are expected"
PEM = "one certificate in PEM is expected, from BEGIN CERTIFICATE to END CERTIFICATE"
SLUG = "a lower-case letter and up to 31 of a–z, 0–9, _"


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("name", "", "name: a text of 1 to 64 characters is expected"),
        ("name", "n" * 65, "name: a text of 1 to 64 characters is expected"),
        ("name", 1, "name: a text of 1 to 64 characters is expected"),
        ("name", " n", f"name: {BLANKS}"),
        ("name", "a\nb", f"name: {BLANKS}"),
        ("name", "a\u202eb", f"name: {BLANKS}"),
        ("name", "\ud800", f"name: {BLANKS}"),
        ("time_ms", 1_700_000_000_000, 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ("time_ms", "-1", 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ("time_ms", "01", 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ("time_ms", "٣", 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ("time_ms", str(2**63), 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ("parameters", None, "parameters: parameters is a table of names and values"),
        ("parameters.execution_lag", 0, "parameters: execution_lag is a positive integer"),
        (
            "parameters.block_bytes_max",
            1,
            "parameters.block_bytes_max: a block must hold one transaction of 131072 bytes",
        ),
        (
            "parameters.block_fuel_max",
            99_999_999,
            "parameters.transaction_fuel_max: a block must have room for the fuel of one transaction",
        ),
        ("members", [], "members: 0 validators; a network has 1 to 100"),
        ("members", {}, "members: a list is expected"),
        ("members", [None], "members[0]: a table of names and values is expected"),
        ("members.0.id", "Alpha", f"members[0].id: 'Alpha' is not {SLUG}"),
        ("members.0.id", "a/b", f"members[0].id: 'a/b' is not {SLUG}"),
        ("members.0.id", "a" * 33, f"members[0].id: {'a' * 33!r} is not {SLUG}"),
        ("members.0.id", "zeta", "members: members stand in ascending order of their ids, each once"),
        ("members.0.id", "beta", "members: members stand in ascending order of their ids, each once"),
        (
            "members.0.lei",
            "7LTWFZYICNSX8D621K87",
            "members[0].lei: '7LTWFZYICNSX8D621K87' is no legal entity identifier (ISO 17442), or a digit is mistyped",
        ),
        ("members.0.jurisdiction", "UK", "members[0].jurisdiction: 'UK' is no country code of ISO 3166-1 alpha-2"),
        ("members.0.role", "admin", "members[0].role: 'admin' is not validator or observer"),
        ("members.0.role", "observer", "members[0].vote_key: an observer has no vote key"),
        (
            "members.0.function",
            "banks",
            "members[0].function: 'banks' is not one of bank, settlement_agent, regulator, court",
        ),
        ("members.0.node_key", "00" * 32, f"members[0].node_key: {HEX_KEY}"),
        ("members.0.node_key", "0x" + "00" * 31, f"members[0].node_key: {HEX_KEY}"),
        ("members.0.node_key", "0x" + "AB" * 32, f"members[0].node_key: {HEX_KEY}"),
        ("members.0.vote_key", None, f"members[0].vote_key: {HEX_KEY}"),
        ("members.0.root_certificate", "MII", f"members[0].root_certificate: {PEM}"),
        (
            "members.0.root_certificate",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            f"members[0].root_certificate: {PEM}",
        ),
        (
            "members.0.root_certificate",
            member.to_pem(b"one") + member.to_pem(b"two"),
            f"members[0].root_certificate: {PEM}",
        ),
        (
            "members.0.root_certificate",
            "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
            "members[0].root_certificate: what stands between BEGIN and END is not base64",
        ),
        (
            "members.0.root_certificate",
            member.to_pem(bytes(4097)),
            "members[0].root_certificate: a root certificate has at most 4096 bytes",
        ),
        ("members.0.host", "a b", "members[0].host: 'a b' is neither a host name nor an IP address"),
        ("members.0.host", "-a.example", "members[0].host: '-a.example' is neither a host name nor an IP address"),
        ("members.0.host", "1.2.3", "members[0].host: '1.2.3' is neither a host name nor an IP address"),
        ("members.0.host", "http://a", "members[0].host: 'http://a' is neither a host name nor an IP address"),
        (
            "members.0.host",
            "fe80::1%eth0",
            "members[0].host: an IP address with a zone means another machine at each member",
        ),
        ("members.0.port", 0, "members[0].port: an integer from 1 to 65535 is expected"),
        ("members.0.port", 65536, "members[0].port: an integer from 1 to 65535 is expected"),
        ("members.0.port", "26600", "members[0].port: an integer from 1 to 65535 is expected"),
        ("members.0.port", 26601, "members: alpha and beta have the same endpoint, 127.0.0.1:26601"),
        (
            "members.0.account.salt",
            "0x00",
            "members[0].account.salt: 0x and 32 lower-case hexadecimal digits are expected",
        ),
        (
            "members.0.account.policy.keys",
            [],
            "members[0].account.policy: a policy's threshold lies between 1 and the sum of its weights",
        ),
        (
            "members.0.account.policy.threshold",
            2,
            "members[0].account.policy: a policy's threshold lies between 1 and the sum of its weights",
        ),
        (
            "members.0.account.policy.keys.0.suite",
            "secp256k1",
            "members[0].account.policy.keys[0].suite: 'secp256k1' is not ed25519",
        ),
        (
            "members.0.account.policy.keys.0.weight",
            0,
            "members[0].account.policy.keys[0].weight: an integer from 1 to 1000000 is expected",
        ),
        (
            "members.0.grants",
            "payments",
            "members[0].grants: a list of at most 16 names of contracts is expected",
        ),
        ("members.0.grants", [1], "members[0].grants: a list of at most 16 names of contracts is expected"),
        ("members.0.grants", ["b", "a"], "members[0].grants: names stand in ascending order, each once"),
        ("members.0.grants", ["a", "a"], "members[0].grants: names stand in ascending order, each once"),
        ("members.0.grants", ["cash"], "members[0].grants: no contract of this document has the name 'cash'"),
        ("settlement.0.currency", "EURO", "settlement[0].currency: 'EURO' is no currency code of ISO 4217"),
        ("settlement.0.agent", "nobody", "settlement[0].agent: no member has the id 'nobody'"),
        ("contracts.0.name", "Pay", f"contracts[0].name: 'Pay' is not {SLUG}"),
        ("contracts.0.source", "", "contracts[0].source: a text of 1 to 65536 characters is expected"),
        ("contracts.0.source", "\ud800", "contracts[0].source: a text of 1 to 65536 characters is expected"),
        ("contracts.0.source", None, "contracts[0].source: a text of 1 to 65536 characters is expected"),
    ],
)
def test_refused_field(genesis: Genesis, path: str, value: Any, detail: str) -> None:
    steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
    assert refusal(changed(genesis, steps, lambda _: value)) == detail


@pytest.mark.parametrize(
    ("field", "detail"),
    [
        ("node_key", "members: alpha and beta have the same key, "),
        ("vote_key", "members: alpha and beta have the same key, "),
        ("lei", "members: alpha and beta have the same legal entity identifier, "),
        ("account", "members: alpha and beta have the same account, "),
    ],
)
def test_what_two_members_cannot_share(genesis: Genesis, field: str, detail: str) -> None:
    first, second, *others = genesis.members
    shared = replace(second, **{field: getattr(first, field)})
    assert refusal(replace(genesis, members=(first, shared, *others)).to_json()).startswith(detail)


def test_one_key_never_serves_two_purposes(genesis: Genesis) -> None:
    first, *others = genesis.members
    doubled = replace(genesis, members=(replace(first, vote_key=first.node_key), *others))
    assert refusal(doubled.to_json()) == f"members: alpha uses one key twice, 0x{first.node_key.hex()}"


def test_settlement_and_contracts_once(genesis: Genesis) -> None:
    assert refusal(replace(genesis, settlement=genesis.settlement * 2).to_json()) == (
        "settlement: currencies stand in ascending order, each once"
    )
    assert refusal(replace(genesis, contracts=genesis.contracts * 2).to_json()) == (
        "contracts: two contracts have the name payments"
    )


@pytest.mark.parametrize("host", ["bank.example", "a", "xn--bcher-kva.example", "10.0.0.1", "2001:db8::1"])
def test_hosts(genesis: Genesis, host: str) -> None:
    assert load(changed(genesis, ("members", 0, "host"), lambda _: host)).members[0].host == host


def test_validators(genesis: Genesis) -> None:
    found = genesis.validators()
    assert found.validators == tuple(
        Validator(each.id, each.vote_key) for each in genesis.members if each.vote_key is not None
    )
    assert [validator.member for validator in found.validators] == ["alpha", "beta", "delta", "gamma"]
    assert found.quorum == 3


def test_member_by_id(genesis: Genesis) -> None:
    watch = genesis.member("watch")
    assert watch is not None
    assert (watch.role, watch.vote_key) == (Role.OBSERVER, None)
    assert genesis.member("nobody") is None
    assert genesis.account_address(watch).startswith("hansat1")


def test_no_field_could_hold_a_private_key() -> None:
    """The whole of what a document can say, by type. A new field has to be added here, and thought about."""

    def shape(kind: type) -> dict[str, str]:
        assert is_dataclass(kind)
        return {field.name: str(field.type) for field in fields(kind)}

    assert [name for name, kind in shape(Member).items() if "bytes" in kind] == [
        "node_key",
        "vote_key",
        "root_certificate",
    ]
    assert shape(member.Account) == {"policy": "<class 'state.policy.Policy'>", "salt": "<class 'bytes'>"}
    for kind in (Genesis, document.Settlement, document.Deployment):
        assert not any("bytes" in annotation or "KeyPair" in annotation for annotation in shape(kind).values())
