"""The ceremony: member files that can't be changed on the way, and the document that they make."""

import base64
import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from genesis.ceremony import build, read_member, warnings, write_member
from genesis.document import Deployment, Genesis, Settlement, load
from state.errors import Invalid, Reason
from state.parameters import ChainParameters


def build_plain(files: list[str], **changes: Any) -> Genesis:
    arguments: dict[str, Any] = {
        "name": "n",
        "time_ms": 1,
        "parameters": ChainParameters(),
        "contracts": [Deployment("payments", "…")],
    }
    return build(files, **(arguments | changes))


def refusal(files: list[str], **changes: Any) -> tuple[Reason, str]:
    with pytest.raises(Invalid) as refused:
        build_plain(files, **changes)
    return refused.value.reason, refused.value.detail


def test_member_file_reads_back(founders: Any) -> None:
    for founder in founders:
        assert read_member(founder.file) == founder.member


def test_order_of_files_does_not_matter(founders: Any) -> None:
    files = [founder.file for founder in founders]
    assert len({build_plain(list(order)).chain_id for order in permutations(files)}) == 1


def test_built_document_loads(genesis: Genesis) -> None:
    assert load(genesis.to_json()) == genesis


def test_every_changed_field_is_refused(founders: Any) -> None:
    """Whoever changes a member file on its way, in any field, is found out."""
    plain = json.loads(founders[0].file)
    other = json.loads(founders[1].file)
    for name in plain:
        if name == "format" or plain[name] == other[name]:
            continue
        with pytest.raises(Invalid) as refused:
            read_member(json.dumps(plain | {name: other[name]}))
        assert refused.value.reason is Reason.BAD_SIGNATURE
        signer = "vote" if name == "vote_signature" else "node"
        assert refused.value.detail == (
            f"{signer}_signature: the file of {other['id'] if name == 'id' else 'alpha'} is not what its {signer} key "
            "signed; ask for it again"
        )


def test_key_that_nobody_holds_is_refused(founders: Any) -> None:
    """A seed pasted where the public key belongs does not sign."""
    founder = founders[0]
    member = replace(founder.member, vote_key=founder.keys.vote.seed)
    message_signed = json.loads(founder.file) | {"vote_key": "0x" + founder.keys.vote.seed.hex()}
    with pytest.raises(Invalid):
        read_member(json.dumps(message_signed))
    with pytest.raises(AssertionError):
        write_member(member, founder.keys)


def test_no_private_key_in_any_file(founders: Any, genesis: Genesis) -> None:
    texts = [genesis.to_json(), *(founder.file for founder in founders)]
    for founder in founders:
        for seed in founder.seeds:
            spellings = [seed.hex(), base64.b64encode(seed).decode().rstrip("="), base64.b32encode(seed).decode()]
            assert not any(spelling.lower() in text.lower() for spelling in spellings for text in texts)
            assert seed not in genesis.encode()


def test_file_with_more_than_public_data_is_refused(founders: Any) -> None:
    plain = json.loads(founders[0].file)
    with pytest.raises(Invalid) as refused:
        read_member(json.dumps(plain | {"seed": "0x" + founders[0].keys.node.seed.hex()}))
    assert str(refused.value) == "bad_genesis: there is no field 'seed' here"


def test_missing_signature(founders: Any) -> None:
    for name in ("node_signature", "vote_signature"):
        plain = json.loads(founders[0].file)
        del plain[name]
        with pytest.raises(Invalid) as refused:
            read_member(json.dumps(plain))
        assert str(refused.value) == f"bad_genesis: {name}: is missing"


def test_same_member_twice(founders: Any) -> None:
    files = [founder.file for founder in founders]
    assert refusal([*files, files[1]]) == (Reason.BAD_GENESIS, "members: two member files are of beta")


def test_two_members_at_one_endpoint(founders: Any) -> None:
    moved = replace(founders[1].member, port=founders[0].member.port)
    files = [founders[0].file, write_member(moved, founders[1].keys)]
    assert refusal(files) == (Reason.BAD_GENESIS, "members: alpha and beta have the same endpoint, 127.0.0.1:26600")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"name": ""}, "name: a text of 1 to 64 characters is expected"),
        ({"time_ms": -1}, 'time_ms: a text of decimal digits is expected, such as "1700000000000"'),
        ({"settlement": [Settlement("EUR", "beta")]}, "settlement[0].agent: no member has the id 'beta'"),
        (
            {"settlement": [Settlement("EUR", "alpha")] * 2},
            "settlement: currencies stand in ascending order, each once",
        ),
        (
            {"contracts": [Deployment("payments", "")]},
            "contracts[0].source: a text of 1 to 65536 characters is expected",
        ),
        ({"parameters": ChainParameters(execution_lag=0)}, "parameters: execution_lag is a positive integer"),
    ],
)
def test_refused(founders: Any, changes: dict[str, Any], detail: str) -> None:
    assert refusal([founders[0].file], **changes) == (Reason.BAD_GENESIS, detail)


def test_needs_a_validator(founders: Any) -> None:
    assert refusal([]) == (Reason.BAD_GENESIS, "members: 0 validators; a network has 1 to 100")
    assert refusal([founders[4].file]) == (Reason.BAD_GENESIS, "members: 0 validators; a network has 1 to 100")


def test_warns_below_four_validators(founders: Any, genesis: Genesis) -> None:
    assert warnings(genesis) == []
    assert warnings(build_plain([founder.file for founder in founders[:3]])) == [
        "3 validators tolerate no failure at all; with 4 the network goes on when one of them is down."
    ]
