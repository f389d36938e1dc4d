"""Members that join, leave and change by vote: what is written, what is refused, and which set follows which."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.genesis_state import GenesisState
from contracts.kernel import entrants, layout, members, membership
from contracts.kernel.member_keys import NODE, VOTE, key_message
from contracts.library import BANK_GRANTS
from state import codec
from state.codec import Value
from state.digest import prefix_of
from state.policy import Policy
from state.receipt import Receipt
from state.validators import Validator, ValidatorSet
from state.votes import Prepare
from tests.contracts.network import BLOCK_MS, CHAIN_ID, PARAMETERS, SALT, Chain, address_of, key_of
from tests.contracts.test_evidence_report import proof as evidence_of
from tests.contracts.test_evidence_report import signed
from tests.contracts.test_governance import voting

LAG = PARAMETERS.execution_lag
HOUR_MS = 3_600_000
ROOT = b"root certificate"


def with_nodes(count: int) -> GenesisState:
    """The usual network, with so many validating banks in all, and a node for each member."""
    genesis = voting(count)
    return replace(
        genesis,
        members=tuple(
            replace(member, node_key=key_of(member.id + " node").public, root_certificate=ROOT, host=member.id, port=1)
            for member in genesis.members
        ),
    )


@pytest.fixture
def four() -> Chain:
    return Chain.start(with_nodes(4)).furnish()


def member_value(name: str, role: str = "validator", **changes: Value) -> list[Value]:
    """A member file's canonical form."""
    fields: dict[str, Value] = {
        "id": name,
        "legal_name": name.title(),
        "lei": f"{name.upper().replace('_', '0'):0<20}",
        "jurisdiction": "FI",
        "role": role,
        "function": "bank",
        "node_key": key_of(name + " node").public,
        "vote_key": key_of(name + " vote").public if role == "validator" else None,
        "root": ROOT,
        "host": name,
        "port": 1,
        "policy": Policy.of_key(key_of(name).public).to_value(),
        "salt": SALT,
        "grants": list(BANK_GRANTS),
    }
    assert set(changes) <= set(fields)
    return list((fields | changes).values())


def request(name: str, role: str = "validator", **changes: Value) -> str:
    """The file of a bank that asks to join, signed by its keys."""
    value = member_value(name, role, **changes)
    message = prefix_of("member") + codec.encode(1, value)
    vote_signature = key_of(name + " vote").sign(message) if role == "validator" else None
    return entrants.encode_entrant(value, key_of(name + " node").sign(message), vote_signature)


def last(chain: Chain) -> Receipt:
    return chain.results[-1].receipts[-1]


def move(chain: Chain, subject: str, texts: list[Value], numbers: list[Value] | None = None) -> str:
    call: tuple[str, str, list[Value]] = (
        "governance", "propose", [subject, texts, numbers or [], chain.time_ms + HOUR_MS],
    )  # fmt: skip
    return chain.send("alpine", call)


def voters(chain: Chain) -> list[str]:
    found = members.validators_at(chain.executor.overlay(), chain.executor.world.height + 1)
    assert found is not None
    return [validator.member for validator in found.validators]


def decide(chain: Chain, subject: str, texts: list[Value], numbers: list[Value] | None = None) -> str:
    """Move and have everybody agree, until it is decided; the code of what ended it."""
    code = move(chain, subject, texts, numbers)
    if code != "ok":
        return code
    motion = str(last(chain).results[0])
    for name in [name for name in voters(chain) if name != "alpine"]:
        code = chain.send(name, ("governance", "vote", [motion, True]))
        if code != "ok" or last(chain).results == ("passed",):
            return code
    raise AssertionError("nobody is left to vote")


def proof(name: str, purpose: str, key: str) -> str:
    """The new key's word that it is to be the member's."""
    pair = key_of(key)
    return pair.sign(key_message(CHAIN_ID, name, purpose, pair.public)).hex()


def set_at(chain: Chain, height: int) -> list[tuple[str, bytes]]:
    found = members.validators_at(chain.executor.overlay(), height)
    assert found is not None
    return [(validator.member, validator.vote_key) for validator in found.validators]


def names_at(chain: Chain, height: int) -> list[str]:
    return [name for name, _ in set_at(chain, height)]


def wait(chain: Chain, blocks: int = LAG) -> None:
    for _ in range(blocks):
        chain.block()


# ------------------------------------------------------------------------------------------------------- joining


def test_a_bank_joins_as_an_observer_and_becomes_a_validator(four: Chain) -> None:
    assert decide(four, "admit", [request("dan_bank", "observer")]) == "ok"
    height = four.executor.world.height
    (admitted,) = [event for event in last(four).events if event.name == "member_admitted"]
    address = address_of("dan_bank")
    assert dict(admitted.fields)["account"] == address
    overlay = four.executor.overlay()
    assert overlay.get(layout.node_key("dan_bank")) == (ROOT, "dan_bank", 1)
    assert members.listed(overlay) == ("alpine", "baltic", "bank_0", "bank_1", "central", "dan_bank")
    assert members.changed_height(overlay, height) == height
    assert names_at(four, height + LAG) == ["alpine", "baltic", "bank_0", "bank_1"]
    # It is a bank from the next transaction on.
    assert four.send("dan_bank", ("accounts", "register", [[[key_of("eve").public, SALT]]])) == "ok"
    assert four.reads.query("members", "role", ["dan_bank"]).value == "bank"
    key = key_of("dan_bank vote").public.hex()
    texts: list[Value] = ["dan_bank", key, proof("dan_bank", VOTE, "dan_bank vote")]
    assert decide(four, "validator", texts) == "ok"
    height = four.executor.world.height
    assert four.results[-1].next_validators.validators[-1].member == "dan_bank"
    assert [result.next_validators for result in four.results[-2:-1]] == [
        ValidatorSet(tuple(Validator(*pair) for pair in set_at(four, height + LAG - 1)))
    ]
    assert len(set_at(four, height + LAG - 1)) == 4
    assert len(set_at(four, height + LAG)) == 5
    wait(four, LAG - 1)
    assert four.send("dan_bank", ("governance", "propose", ["quota", [], [0], four.time_ms + HOUR_MS])) == "ok"
    assert members.changed_height(four.executor.overlay(), height + LAG) == height + LAG


def test_before_its_height_a_new_validator_has_no_vote(four: Chain) -> None:
    assert decide(four, "admit", [request("dan_bank")]) == "ok"
    assert names_at(four, four.executor.world.height + LAG)[-1] == "dan_bank"
    wait(four, LAG - 2)
    quota: tuple[str, str, list[Value]] = ("governance", "propose", ["quota", [], [0], four.time_ms + HOUR_MS])
    assert four.send("dan_bank", quota) == "not_a_voter"
    assert four.send("dan_bank", quota) == "ok"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("", "bad_member"),
        ("zz", "bad_member"),
        (request("dan_bank")[:-2], "bad_member"),
        (request("dan_bank")[:-2] + "00", "bad_member"),
        (request("dan_bank", id="Dan"), "bad_member"),
        (request("dan_bank", lei="0"), "bad_member"),
        (request("dan_bank", legal_name=""), "bad_member"),
        (request("dan_bank", jurisdiction="XX"), "bad_member"),
        (request("dan_bank", function="former"), "bad_member"),
        (request("dan_bank", host="two words"), "bad_member"),
        (request("dan_bank", port=70_000), "bad_member"),
        (request("dan_bank", root=b""), "bad_member"),
        (request("dan_bank", root=bytes(5_000)), "bad_member"),
        (request("dan_bank", policy=Policy.of_key(key_of("dan_bank node").public).to_value()), "bad_member"),
        (request("dan_bank", grants=["payments", "payments"]), "bad_member"),
        (request("dan_bank", vote_key=key_of("alpine vote").public), "bad_member"),
        (request("dan_bank", salt=b"short"), "bad_policy"),
        (request("dan_bank", grants=["nothing"]), "unknown_contract"),
        (request("dan_bank", id="alpine"), "member_exists"),
        (request("dan_bank", lei=f"{'ALPINE':0<20}"), "member_exists"),
        (request("dan_bank", host="alpine"), "member_exists"),
        (request("alpine", id="dan_bank", lei=f"{'DAN':0<20}", host="dan"), "key_used"),
    ],
)
def test_who_can_not_join(four: Chain, file: str, code: str) -> None:
    assert decide(four, "admit", [file]) == code


def test_an_account_that_is_there_can_not_be_a_members(four: Chain) -> None:
    policy = Policy.of_key(key_of("ann").public).to_value()
    assert decide(four, "admit", [request("dan_bank", policy=policy)]) == "account_exists"


def test_the_file_stands_by_its_digest_and_is_gone_once_decided(four: Chain) -> None:
    assert move(four, "admit", [request("dan_bank")]) == "ok"
    motion = str(last(four).results[0])
    shown = four.reads.query("governance", "show", [motion]).value
    assert isinstance(shown, list)
    assert isinstance(shown[1], list)
    assert str(shown[1][0]).startswith("0x")
    assert len(str(shown[1][0])) == 66
    overlay = four.executor.overlay()
    assert overlay.get(layout.document_key(motion)) == (request("dan_bank"),)
    for name in ("baltic", "bank_0"):
        assert four.send(name, ("governance", "vote", [motion, True])) == "ok"
    assert last(four).results == ("passed",)
    assert four.executor.overlay().get(layout.document_key(motion)) is None


def test_the_document_of_a_motion_that_expires_goes_too(four: Chain) -> None:
    assert move(four, "admit", [request("dan_bank")]) == "ok"
    motion = str(last(four).results[0])
    four.time_ms += 2 * HOUR_MS
    assert move(four, "quota", [], [0]) == "ok"
    assert four.executor.overlay().get(layout.document_key(motion)) is None


# ------------------------------------------------------------------------------------------------------- leaving


def test_a_validator_of_five_leaves_and_keeps_its_account(four: Chain) -> None:
    assert decide(four, "admit", [request("dan_bank")]) == "ok"
    wait(four)
    assert decide(four, "remove", ["dan_bank"]) == "ok"
    height = four.executor.world.height
    overlay = four.executor.overlay()
    assert "dan_bank" in members.validating(overlay, height)
    assert names_at(four, height + LAG - 1)[-1] == "dan_bank"
    assert names_at(four, height + LAG) == ["alpine", "baltic", "bank_0", "bank_1"]
    assert four.reads.query("members", "role", ["dan_bank"]).value == "former"
    # It votes as long as it validates, and does at once nothing that only members do.
    quota: tuple[str, str, list[Value]] = ("governance", "propose", ["quota", [], [0], four.time_ms + HOUR_MS])
    assert four.send("dan_bank", quota) == "ok"
    assert four.send("dan_bank", ("accounts", "register", [[[key_of("eve").public, SALT]]])) == "not_a_bank"
    assert decide(four, "remove", ["dan_bank"]) == "unknown_member"
    wait(four)
    assert four.send("dan_bank", quota) == "not_a_voter"
    assert "dan_bank" not in members.validating(four.executor.overlay(), four.executor.world.height)
    # What it signed at its time is still evidence, by the key alone.
    one, other = Prepare(height, 0, b"\x01" * 32), Prepare(height, 0, b"\x02" * 32)
    evidence = evidence_of(signed(one, 4, "dan_bank vote"), signed(other, 4, "dan_bank vote"), "dan_bank vote")
    assert four.send("ann", ("evidence", "report", [evidence])) == "ok"
    assert last(four).results == ("dan_bank",)
    # It may come back as what it was, and as nothing else.
    assert decide(four, "admit", [request("dan_bank", lei=f"{'OTHER':0<20}")]) == "member_exists"
    assert decide(four, "admit", [request("dan_bank")]) == "ok"
    assert names_at(four, four.executor.world.height + LAG)[-1] == "dan_bank"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_set_never_shrinks_below_four(count: int) -> None:
    chain = Chain.start(with_nodes(count)).furnish()
    assert decide(chain, "remove", ["baltic"]) == "unsafe_validators"
    assert decide(chain, "observer", ["baltic"]) == "unsafe_validators"
    assert chain.reads.query("members", "role", ["baltic"]).value == "bank"


def test_of_five_one_may_stop() -> None:
    chain = Chain.start(with_nodes(5)).furnish()
    assert decide(chain, "observer", ["baltic"]) == "ok"
    assert names_at(chain, chain.executor.world.height + LAG) == ["alpine", "bank_0", "bank_1", "bank_2"]
    assert decide(chain, "observer", ["baltic"]) == "bad_member"
    assert decide(chain, "observer", ["bank_0"]) == "unsafe_validators"
    assert chain.reads.query("members", "role", ["baltic"]).value == "bank"


def test_a_settlement_agent_is_not_removed(four: Chain) -> None:
    assert decide(four, "remove", ["central"]) == "bad_member"
    assert decide(four, "remove", ["nobody"]) == "unknown_member"


def test_a_regulator_joins_and_changes_and_leaves(four: Chain) -> None:
    file = request("watch", "observer", function="regulator", grants=[])
    assert decide(four, "admit", [file]) == "ok"
    assert four.executor.overlay().get(layout.REGULATORS) == (("watch", "FI"),)
    freeze: tuple[str, str, list[Value]] = (
        "orders", "freeze", [address_of("ann"), "", 0, ["send"], "ref 1", "law", four.time_ms + HOUR_MS],
    )  # fmt: skip
    assert four.send("watch", freeze) == "ok"
    assert decide(four, "role", ["watch", "court"]) == "ok"
    assert four.executor.overlay().get(layout.REGULATORS) is None
    assert four.send("watch", freeze) == "ok"
    assert decide(four, "role", ["watch", "bank"]) == "bad_member"
    assert decide(four, "role", ["alpine", "court"]) == "bad_member"
    assert decide(four, "role", ["watch", "regulator"]) == "ok"
    assert decide(four, "remove", ["watch"]) == "ok"
    assert four.executor.overlay().get(layout.REGULATORS) is None
    assert four.send("watch", freeze) != "ok"


# ------------------------------------------------------------------------------------------------------- rotation


def test_a_validator_rotates_its_vote_key(four: Chain) -> None:
    texts: list[Value] = ["baltic", key_of("fresh").public.hex(), proof("baltic", VOTE, "fresh")]
    assert decide(four, "validator", texts) == "ok"
    height = four.executor.world.height
    assert dict(set_at(four, height + LAG - 1))["baltic"] == key_of("baltic vote").public
    assert dict(set_at(four, height + LAG))["baltic"] == key_of("fresh").public
    assert decide(four, "validator", texts) == "bad_member"
    # Two at once would leave two of four that are known to be there.
    more: list[Value] = ["bank_0", key_of("fresher").public.hex(), proof("bank_0", VOTE, "fresher")]
    assert decide(four, "validator", more) == "unsafe_validators"
    wait(four)
    assert decide(four, "validator", more) == "ok"


def test_who_validates_a_height_is_known_for_ever(four: Chain) -> None:
    """A node whose chain lost what it had noted of a block asks for it again, whatever the state is at by then."""
    for key in ("fresh", "fresher", "freshest"):
        assert decide(four, "validator", ["baltic", key_of(key).public.hex(), proof("baltic", VOTE, key)]) == "ok"
        wait(four)
    assert members.validators_at(four.executor.overlay(), LAG) is None, "the state has forgotten it"
    for result in four.results:
        assert four.reads.validators(result.height + LAG) == result.next_validators


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["baltic", key_of("fresh").public.hex(), proof("bank_0", VOTE, "fresh")], "bad_member"),
        (["baltic", key_of("fresh").public.hex(), proof("baltic", NODE, "fresh")], "bad_member"),
        (["baltic", key_of("fresh").public.hex(), proof("baltic", VOTE, "other")], "bad_member"),
        (["baltic", key_of("fresh").public.hex().upper(), proof("baltic", VOTE, "fresh")], "bad_member"),
        (["baltic", "00", proof("baltic", VOTE, "fresh")], "bad_member"),
        (["baltic", key_of("fresh").public.hex(), "00"], "bad_member"),
        (["baltic", key_of("alpine vote").public.hex(), proof("baltic", VOTE, "alpine vote")], "key_used"),
        (["baltic", key_of("baltic node").public.hex(), proof("baltic", VOTE, "baltic node")], "key_used"),
        (["baltic", key_of("baltic vote").public.hex(), proof("baltic", VOTE, "baltic vote")], "bad_member"),
        (["nobody", key_of("fresh").public.hex(), proof("nobody", VOTE, "fresh")], "unknown_member"),
    ],
)
def test_keys_that_are_not_the_members_to_take(four: Chain, texts: list[Value], code: str) -> None:
    assert decide(four, "validator", texts) == code


def test_a_node_moves_and_rotates_its_key(four: Chain) -> None:
    texts: list[Value] = [
        "baltic", key_of("fresh").public.hex(), "elsewhere", proof("baltic", NODE, "fresh"), b"new root".hex(),
    ]  # fmt: skip
    assert decide(four, "node", texts, [7]) == "ok"
    overlay = four.executor.overlay()
    assert overlay.get(layout.node_key("baltic")) == (b"new root", "elsewhere", 7)
    row = overlay.get(layout.member_key("baltic"))
    assert row is not None
    assert row[6] == key_of("fresh").public
    assert members.changed_height(overlay, four.executor.world.height) == four.executor.world.height
    taken: list[Value] = [
        "bank_0", key_of("bank_0 node").public.hex(), "elsewhere", proof("bank_0", NODE, "bank_0 node"), ROOT.hex(),
    ]  # fmt: skip
    assert decide(four, "node", taken, [7]) == "member_exists"
    assert decide(four, "node", taken, [0]) == "bad_member"
    assert decide(four, "node", taken, [8]) == "ok"


# --------------------------------------------------------------------------------------------------------- safety


def made(*names: str) -> ValidatorSet:
    """A set; ``name'`` is that member with another key."""
    return ValidatorSet(
        tuple(Validator(name.rstrip("'"), key_of(name + " vote").public) for name in sorted(names))
    )


@pytest.mark.parametrize(
    ("after", "known", "in_force", "safe"),
    [
        ("abcde", "abcd", "abcd", True),
        ("abc", "abcd", "abcd", False),
        ("abcdef", "abcde", "abcd", True),
        ("abcdefg", "abcdef", "abcd", False),
        ("abcdefg", "abcdef", "abcde", True),
        ("bcdef", "abcdef", "abcd", False),
        ("ab", "a", "a", True),
        ("abcd", "abc", "abc", True),
        ("ab", "abc", "abc", False),
        ("abcdefgh", "abcdefg", "abcdefg", True),
    ],
)
def test_which_set_may_follow(after: str, known: str, in_force: str, safe: bool) -> None:
    assert membership.is_safe(made(*after), made(*known), made(*in_force)) is safe


def test_a_network_has_at_most_a_hundred_validators() -> None:
    hundred = [f"bank{number:03}" for number in range(101)]
    assert not membership.is_safe(made(*hundred), made(*hundred[:100]), made(*hundred[:100]))


CHANGES = st.tuples(st.integers(0, 9), st.sampled_from(("join", "leave", "rotate")), st.integers(0, 4))


@given(st.lists(CHANGES, max_size=40))
def test_any_course_of_changes_keeps_a_quorum_of_those_in_force(course: list[tuple[int, str, int]]) -> None:
    """Whatever is accepted, in whatever order: a quorum of each set was in force when the set was decided."""
    sets: list[tuple[int, dict[str, int]]] = [(0, dict.fromkeys("abcd", 0))]
    height = 1
    for index, kind, passed in course:
        height += passed
        name = "abcdefghij"[index]
        known = dict(sets[-1][1])
        in_force = next(keys for first, keys in reversed(sets) if first <= height)
        after = dict(known)
        if kind == "leave":
            after.pop(name, None)
        elif kind == "join" or name in after:
            after[name] = after.get(name, -1) + 1
        named = [made(*(who + "'" * key for who, key in keys.items())) for keys in (after, known, in_force)]
        if membership.is_safe(*named):
            assert len(after) >= 4
            assert sum(in_force.get(who) == key for who, key in after.items()) >= named[0].quorum
            sets.append((height + LAG, after))


def test_a_block_has_one_set_for_all_its_changes(four: Chain) -> None:
    """Two motions that pass in one block make one set."""
    assert move(four, "admit", [request("dan_bank")]) == "ok"
    one = str(last(four).results[0])
    assert move(four, "validator", ["baltic", key_of("fresh").public.hex(), proof("baltic", VOTE, "fresh")]) == "ok"
    other = str(last(four).results[0])
    for name in ("baltic", "bank_0"):
        four.block(*(four.transaction(name, ("governance", "vote", [motion, True])) for motion in (one, other)))
    assert [receipt.code for receipt in four.results[-1].receipts] == ["ok", "unsafe_validators"]
    height = four.executor.world.height
    assert names_at(four, height + LAG) == ["alpine", "baltic", "bank_0", "bank_1", "dan_bank"]
    assert four.time_ms > BLOCK_MS
