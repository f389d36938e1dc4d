"""Members that come and go while whole nodes run: links open and close, sets change, who left votes no more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.kernel import layout
from contracts.kernel.entrants import encode_entrant
from contracts.kernel.member_keys import NODE, VOTE, key_message
from contracts.roster import Roster, RosterEntry
from genesis import ceremony as founding
from node import ceremony, configuration, testnet
from node.ceremony import Details
from node.configuration import Endpoint, NodeSettings, P2pSettings
from node.home import Home
from node.joined import read_joined, write_joined
from node.keystore import Purpose, generate, read_key, write_key
from node.life import Node
from node.membership import Membership, check_names
from node.opening import read_home
from p2p.frame import LinkKind, Role
from p2p.identity import Identity, make_identity, make_root
from p2p.peers import Peer
from state.codec import Value
from state.errors import Invalid
from state.keys import KeyPair
from state.succession import Succession
from tests.node.network import HEARTBEAT_MS, Network, free_ports, until

CAROL = "carol"


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    running = await Network.start(tmp_path, heartbeat_ms=300)
    yield running
    await running.stop()


def make_home(network: Network, role: str) -> Home:
    """The home of a bank that joins later."""
    home = Home(network.directory / CAROL)
    port = free_ports(1)[0]
    details = Details(CAROL, "Carol Bank plc", testnet.test_lei(CAROL), "GB", ceremony.Role(role), port=port)
    node = NodeSettings("inline", heartbeat_ms=HEARTBEAT_MS)
    ceremony.initialise(
        home, details, configuration=replace(testnet.Seat(details, port, 0).configuration, node=node)
    )
    home.genesis.write_bytes((network.directory / "genesis.json").read_bytes())
    write_joined(home, network.genesis.chain_id, ())
    return home


def file_of(home: Home) -> str:
    """The member file as a motion takes it."""
    return encode_entrant(*founding.read_signed(home.member.read_text()))


async def decide(network: Network, subject: str, texts: list[Value], numbers: list[Value] | None = None) -> None:
    """Have the founders' banks move and vote until it has passed."""
    node = network.validators[0]
    expires_ms = node.clock.now_ms() + 3_600_000
    moved = network.by_bank("alpina", "governance", "propose", [subject, texts, numbers or [], expires_ms])
    assert await network.settle(node, moved) == "ok"
    fact = await node.queries.transaction(moved.id)
    assert fact.receipt is not None
    motion = fact.receipt.results[0]
    for bank in ("borealis", "corriente", "deltahaven"):
        voted = network.by_bank(bank, "governance", "vote", [motion, True])
        assert await network.settle(node, voted) == "ok"
        fact = await node.queries.transaction(voted.id)
        assert fact.receipt is not None
        if fact.receipt.results == ("passed",):
            return
    raise AssertionError("it has not passed")


def proof(network: Network, purpose: str, pair: KeyPair, member: str = CAROL) -> str:
    return pair.sign(key_message(network.genesis.chain_id, member, purpose, pair.public)).hex()


def signers_of(node: Node, height: int) -> list[str]:
    decided = node.chain.decided(height)
    assert decided is not None
    names = [validator.member for validator in node.history.at(height).validators]
    return [names[index] for index, _ in decided.certificate.signatures]


def signs(node: Node, key: bytes, first: int) -> bool:
    """Whether the key is under a decision from that height on. (Who was down for its turn has none for a while.)"""
    for height in range(first, node.chain.height + 1):
        decided = node.chain.decided(height)
        assert decided is not None
        index = node.history.at(height).index_of(key)
        if index in [signer for signer, _ in decided.certificate.signatures]:
            return True
    return False


async def test_a_fifth_bank_joins_validates_rotates_and_leaves(network: Network) -> None:
    home = make_home(network, "validator")
    carol = await network.start_node(CAROL)
    alpina = network.nodes["alpina"]
    assert "carol is no member yet" in carol.not_ready()[0]
    await decide(network, "admit", [file_of(home)])
    await until(lambda: CAROL in alpina.links.linked, "the members link with the new node")
    await until(lambda: carol.membership.standing.role is Role.VALIDATOR, "the new node knows that it validates")
    await until(lambda: carol.not_ready() == [], "the new node is ready")
    first = carol.membership.standing.height
    key = read_key(home.vote_key, Purpose.VOTE).public
    await until(lambda: alpina.chain.height >= first + 8 + 6, "blocks of the new set")
    assert len(alpina.history.at(first + 8)) == 5
    await until(lambda: signs(alpina, key, first + 8), "the new validator signs")

    # Who has the genesis document alone follows the sets, and believes what the new one certifies.
    followed = Succession(network.genesis.chain_id, 8, network.genesis.validators())
    followed = followed.extended(await alpina.queries.validator_changes(0, 100))
    assert 8 < followed.newest_height <= first + 8
    assert followed.at(first + 8) == alpina.history.at(first + 8)
    shown = await alpina.queries.state_proof(layout.member_key(CAROL))
    shown.certificate.check(followed.at(shown.certificate.vote.height), network.genesis.chain_id)
    with pytest.raises(Invalid):
        shown.certificate.check(network.genesis.validators(), network.genesis.chain_id)

    # Its next vote key is in its home before the vote, and takes over by itself.
    fresh = generate()
    write_key(home.nth_key(home.vote_key, 2), fresh, Purpose.VOTE)
    await network.stop_node(CAROL)
    carol = await network.start_node(CAROL)
    await decide(network, "validator", [CAROL, fresh.public.hex(), proof(network, VOTE, fresh)])
    changed = alpina.chain.height
    await until(lambda: signs(alpina, fresh.public, changed), "the next key signs")
    assert not signs(alpina, key, changed + 8)

    # So does its next node key; the links come up under it.
    fresh_node = generate()
    write_key(home.nth_key(home.node_key, 2), fresh_node, Purpose.NODE)
    await network.stop_node(CAROL)
    carol = await network.start_node(CAROL)
    root = make_root(fresh_node.seed, "Carol Bank plc").hex()
    await decide(network, "node", [CAROL, fresh_node.public.hex(), "127.0.0.1",
                                   proof(network, NODE, fresh_node), root], [carol.p2p_port])  # fmt: skip
    await until(lambda: carol.membership.standing.identity.node_id == fresh_node.public, "the node has its next key")
    await until(lambda: fresh_node.public in alpina.network.connected(LinkKind.VOTES), "the others link with that key")

    # It leaves: eight heights later nobody links with it, and the others go on.
    await decide(network, "remove", [CAROL])
    await until(lambda: CAROL not in alpina.links.linked, "the link closes")
    height = alpina.chain.height
    await until(lambda: alpina.chain.height >= height + 4, "the others go on")
    assert len(alpina.history.at(alpina.chain.height)) == 4
    assert CAROL not in signers_of(alpina, alpina.chain.height)
    await until(lambda: carol.membership.standing.role is Role.OBSERVER, "it knows that it has left")
    assert "carol has left the network" in carol.not_ready()[0]
    (refused,) = await carol.intake.submit_many([b""])
    assert "observer" in str(refused)


async def test_an_observer_follows_is_voted_in_and_out_again(network: Network) -> None:
    home = make_home(network, "observer")
    write_key(home.vote_key, generate(), Purpose.VOTE)
    await decide(network, "admit", [file_of(home)])
    carol = await network.start_node(CAROL)
    alpina = network.nodes["alpina"]
    await until(lambda: carol.not_ready() == [], "it follows")
    assert carol.membership.standing.role is Role.OBSERVER
    key = read_key(home.vote_key, Purpose.VOTE)
    await decide(network, "validator", [CAROL, key.public.hex(), proof(network, VOTE, key)])
    first = alpina.chain.height
    await until(lambda: signs(alpina, key.public, first), "it validates without a restart")
    await decide(network, "observer", [CAROL])
    await until(lambda: carol.membership.standing.role is Role.OBSERVER, "it is an observer again")
    await until(lambda: carol.not_ready() == [], "and follows")
    height = carol.chain.height
    await until(lambda: carol.chain.height >= height + 3, "block after block")
    assert len(carol.history.at(height)) == 4


# ------------------------------------------------------------------------------------------------------ one node's view


def entry(name: str, **changes: object) -> RosterEntry:
    pair = KeyPair.from_seed(name.encode().ljust(32))
    made = RosterEntry(
        name, name, name, "CH", "bank", name + " account", True, b"v", pair.public, b"root of " + name.encode(), name, 1
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def identity(name: str) -> Identity:
    return make_identity(name.encode().ljust(32), name)


def peer(member: RosterEntry, role: Role = Role.VALIDATOR) -> Peer:
    assert member.node_key is not None
    return Peer(member.node_key, member.id, member.host, member.port, member.root_certificate, role)


def membership(*entries: RosterEntry, hints: tuple[Peer, ...] = (), settings: P2pSettings | None = None) -> Membership:
    keys = [identity("own"), identity("own next")]
    return Membership("own", keys, settings or P2pSettings(), hints, Roster(5, entries))


def test_who_is_linked() -> None:
    bank, watch = entry("bank"), entry("watch", validates=False)
    gone, going = entry("gone", role="former", validates=False), entry("going", role="former")
    silent = entry("silent", node_key=None, host="", root_certificate=b"")
    found = membership(bank, going, gone, entry("own"), silent, watch).standing
    assert found.peers == (peer(bank), peer(going), peer(watch, Role.OBSERVER))
    assert (found.role, found.identity, found.account, found.trouble) == (
        Role.VALIDATOR, identity("own"), "own account", "",
    )  # fmt: skip


def test_hints_count_until_the_state_knows_the_member() -> None:
    old, new = entry("bank"), peer(entry("bank", host="elsewhere"))
    assert membership(old, hints=(new,)).standing.peers == (new,)
    assert membership(old, entry("own", validates=False), hints=(new,)).standing.peers == (peer(old),)
    assert membership(old, entry("own", role="former", validates=False), hints=(new,)).standing.peers == (new,)


def test_the_key_that_the_state_names() -> None:
    named = membership(entry("own", node_key=identity("own next").node_id)).standing
    assert (named.identity, named.trouble) == (identity("own next"), "")
    lost = membership(entry("own", node_key=bytes(32))).standing
    assert lost.identity == identity("own")
    assert "the chain names another node key for own" in lost.trouble


def test_endpoints_of_the_configuration() -> None:
    settings = P2pSettings(peers=(("bank", Endpoint("10.0.0.9", 4000)),))
    (found,) = membership(entry("bank"), entry("own"), settings=settings).standing.peers
    assert (found.host, found.port) == ("10.0.0.9", 4000)
    check_names(settings, Roster(1, (entry("bank"),)))
    with pytest.raises(Invalid) as refused:
        check_names(settings, Roster(1, ()))
    assert refused.value.detail == "p2p.peers in config.toml names bank, and no member has that id"


def test_what_a_home_that_joined_keeps(tmp_path: Path) -> None:
    home, peers = Home(tmp_path), (peer(entry("bank")), peer(entry("watch"), Role.OBSERVER))
    write_joined(home, bytes(32), peers)
    assert read_joined(home, bytes(32)) == peers
    with pytest.raises(Invalid, match="is of another network than"):
        read_joined(home, bytes([1]) * 32)


def test_a_home_whose_member_no_genesis_names(tmp_path: Path) -> None:
    testnet.make(tmp_path / "one", testnet.seats(1, 1), name="one")
    testnet.make(tmp_path / "two", testnet.seats(2, 1), name="two")
    home = Home(tmp_path / "two" / "borealis")
    home.genesis.unlink()
    home.genesis.write_bytes((tmp_path / "one" / "genesis.json").read_bytes())
    with pytest.raises(Invalid, match="one of the two files is another network's"):
        read_home(home.path, {})
    assert configuration.load(home.configuration).p2p.port
