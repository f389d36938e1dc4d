"""Links that are up: both ways, who dials whom, restart, replacement, membership, renewal, counters."""

import asyncio
import dataclasses

import pytest

from p2p.frame import PAYLOAD_BYTES_MAX, Hello, LinkKind, Role
from p2p.identity import make_identity
from p2p.peers import PeerDown, PeerUp, Received

from .conftest import CHAIN_ID, LIMITS, Cluster, identities, now_ms, peer, until

DAY_MS = 24 * 60 * 60 * 1000


async def test_both_ways_on_both_links(cluster: Cluster) -> None:
    first, second = await cluster.pair()
    assert first.network.send(second.identity.node_id, LinkKind.VOTES, 7, b"a vote")
    assert second.network.send(first.identity.node_id, LinkKind.BULK, 255, b"")
    await until(lambda: first.received and second.received)
    assert second.received == [Received(first.identity.node_id, LinkKind.VOTES, 7, b"a vote")]
    assert first.received == [Received(second.identity.node_id, LinkKind.BULK, 255, b"")]


async def test_frames_keep_their_order_and_share_messages(cluster: Cluster) -> None:
    first, second = await cluster.pair()
    payloads = [number.to_bytes(4, "big") * (number % 50) for number in range(5000)]
    for payload in payloads:
        assert first.network.send(second.identity.node_id, LinkKind.VOTES, 1, payload)
    await until(lambda: len(second.received) == len(payloads))
    assert [event.payload for event in second.received] == payloads
    counters = second.network.status()[0].votes.counters
    assert counters.frames_in == 5000
    assert counters.messages_in < 50


@pytest.mark.parametrize("kind", list(LinkKind))
async def test_the_largest_frame_passes(cluster: Cluster, kind: LinkKind) -> None:
    first, second = await cluster.pair()
    payload = bytes(PAYLOAD_BYTES_MAX[kind])
    assert first.network.send(second.identity.node_id, kind, 1, payload)
    assert second.network.send(first.identity.node_id, kind, 1, payload)
    await until(lambda: first.received and second.received)
    assert second.received[0].payload == payload
    assert first.received[0].payload == payload


async def test_hello_tells_height_and_the_newest_vote_held(cluster: Cluster) -> None:
    first, second = (cluster.make(identity) for identity in identities(2))
    first.heights[second.identity.node_id] = (41, b"second's vote")
    second.heights[first.identity.node_id] = (42, b"first's vote")
    await cluster.start(first, second)
    await cluster.linked(first, second)
    said = Hello(CHAIN_ID, second.identity.node_id, LinkKind.VOTES, Role.VALIDATOR, 42, b"first's vote")
    assert first.ups() == [PeerUp(second.identity.node_id, LinkKind.VOTES, said)]
    said = Hello(CHAIN_ID, first.identity.node_id, LinkKind.VOTES, Role.VALIDATOR, 41, b"second's vote")
    assert second.ups() == [PeerUp(first.identity.node_id, LinkKind.VOTES, said)]
    assert [event.hello.newest_vote for event in first.ups(LinkKind.BULK)] == [b""], "votes go on votes links"


async def test_four_validators_and_two_observers(cluster: Cluster) -> None:
    made = identities(6)
    # Patient limits: on a busy machine no link may come up twice.
    limits = dataclasses.replace(LIMITS, handshake_seconds_max=5.0, votes_silence_ticks_max=200)
    validators = [cluster.make(identity, limits=limits) for identity in made[1:5]]
    # The observers have the smallest and the largest id: they dial whatever the order.
    observers = [
        cluster.make(made[0], Role.OBSERVER, limits=limits),
        cluster.make(made[5], Role.OBSERVER, limits=limits),
    ]
    await cluster.start(*validators, *observers)
    for kind in LinkKind:
        for node in validators:
            await until(lambda node=node, kind=kind: len(node.network.connected(kind)) == 5)
        for node in observers:
            await until(lambda node=node, kind=kind: len(node.network.connected(kind)) == 4)
            assert set(node.network.connected(kind)) == {each.identity.node_id for each in validators}
    for node in validators + observers:
        assert len(node.ups()) == len(node.network.connected(LinkKind.VOTES)), "one connection a pair and kind"
    assert validators[0].network.broadcast(LinkKind.VOTES, 3, b"to all") == 5
    assert validators[0].network.broadcast(LinkKind.BULK, 4, b"to validators", Role.VALIDATOR) == 3
    for node in validators[1:]:
        await until(lambda node=node: len(node.received) == 2)
    for node in observers:
        await until(lambda node=node: len(node.received) == 1)
        dialled = {each.peer.node_id: each.dialled_by_us for each in node.network.status()}
        assert all(dialled[each.identity.node_id] for each in validators)


async def test_what_was_queued_leaves_before_a_node_goes(cluster: Cluster) -> None:
    """A client was told that its transaction is pending, and the operator stops the node in the same moment."""
    patient = dataclasses.replace(
        LIMITS, flush_seconds_max=60.0, close_seconds_max=30.0, votes_silence_ticks_max=900, bulk_silence_ticks_max=900
    )
    first, second = await cluster.pair(limits=patient)
    payloads = [bytes([number]) * 100_000 for number in range(100)]
    for payload in payloads:
        assert first.network.send(second.identity.node_id, LinkKind.BULK, 1, payload)
    await first.network.close()
    await until(lambda: second.downs(LinkKind.BULK), 60.0)
    assert [event.payload for event in second.received] == payloads


@pytest.mark.parametrize("restarting", [0, 1])
async def test_links_come_back_after_a_restart(cluster: Cluster, restarting: int) -> None:
    pair = await cluster.pair()
    gone, left = pair[restarting], pair[1 - restarting]
    port = gone.network.port
    await gone.network.close()
    await until(lambda: left.downs() and left.downs(LinkKind.BULK))
    assert not left.network.send(gone.identity.node_id, LinkKind.VOTES, 1, b"into the void")
    back = cluster.make(gone.identity)
    back.network.set_peers([peer(left.identity, left.network.port)], Role.VALIDATOR)
    await back.network.start("127.0.0.1", port)
    await cluster.linked(back, left)
    assert left.network.send(back.identity.node_id, LinkKind.VOTES, 1, b"again")
    await until(lambda: back.received)
    assert left.network.status()[0].votes.counters.connected == 2


async def test_a_newer_connection_takes_the_place_of_the_old(cluster: Cluster) -> None:
    """Two hosts with one key push each other out, and the count says so (P3)."""
    dialler, acceptor = await cluster.pair()
    twin = cluster.make(dialler.identity)
    twin.network.set_peers([peer(acceptor.identity, acceptor.network.port)], Role.VALIDATOR)
    await twin.network.start("127.0.0.1", 0)
    await until(lambda: acceptor.network.status()[0].votes.counters.replaced >= 2)
    kinds = [type(event) for event in acceptor.events if event.link_kind is LinkKind.VOTES]
    assert kinds[:4] == [PeerUp, PeerDown, PeerUp, PeerDown], "never two at once"
    assert acceptor.downs()[0].reason == "a newer connection of the same peer took its place"


async def test_leaving_the_member_list_ends_the_links(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    acceptor.network.set_peers([], Role.VALIDATOR)
    assert [event.reason for event in acceptor.downs()] == ["the member list has changed"]
    assert acceptor.network.connected(LinkKind.VOTES) == ()
    await until(lambda: acceptor.network.refusals().get("stranger"))
    assert acceptor.network.status() == ()
    acceptor.network.set_peers([peer(dialler.identity)], Role.VALIDATOR)
    await cluster.linked(dialler, acceptor)


async def test_a_peer_that_moves_is_dialled_at_its_new_port(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    await acceptor.network.close()
    moved = cluster.make(acceptor.identity)
    moved.network.set_peers([peer(dialler.identity)], Role.VALIDATOR)
    await moved.network.start("127.0.0.1", 0)
    dialler.network.set_peers([peer(moved.identity, moved.network.port)], Role.VALIDATOR)
    await cluster.linked(dialler, moved)


async def test_an_unchanged_member_list_changes_nothing(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    dialler.network.set_peers([each.peer for each in dialler.network.status()], Role.VALIDATOR)
    acceptor.network.set_peers([each.peer for each in acceptor.network.status()], Role.VALIDATOR)
    assert dialler.downs() == acceptor.downs() == []


async def test_a_role_that_changes_turns_the_dialling_round(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    first, second = peer(dialler.identity, dialler.network.port), peer(acceptor.identity, acceptor.network.port)
    second = dataclasses.replace(second, role=Role.OBSERVER)
    dialler.network.set_peers([first, second], Role.VALIDATOR)
    acceptor.network.set_peers([first, second], Role.OBSERVER)
    await cluster.linked(dialler, acceptor)
    assert not dialler.network.status()[0].dialled_by_us
    assert acceptor.network.status()[0].dialled_by_us


@pytest.mark.parametrize("newcomer", [0, 1, 2])
@pytest.mark.parametrize("role", list(Role))
async def test_nodes_that_differ_about_a_role_are_linked_all_the_same(
    cluster: Cluster, role: Role, newcomer: int
) -> None:
    """One was away while the others made it a validator, or took its vote: it learns that over the links only.

    Whatever the order of ids: one that thought the others would dial waited for ever, and so did they.
    """
    # Patient limits but one: on a busy machine no link may go down.
    limits = dataclasses.replace(
        LIMITS,
        patience_seconds=0.2,
        handshake_seconds_max=5.0,
        votes_silence_ticks_max=400,
        bulk_silence_ticks_max=400,
    )
    made = identities(3)
    nodes = [cluster.make(identity, limits=limits) for identity in made]
    for node in nodes:
        await node.network.start("127.0.0.1", 0)
    other = Role.OBSERVER if role is Role.VALIDATOR else Role.VALIDATOR
    for index, node in enumerate(nodes):
        entries = [peer(each.identity, each.network.port) for each in nodes]
        own = role if index == newcomer else Role.VALIDATOR
        entries[newcomer] = dataclasses.replace(entries[newcomer], role=role if index == newcomer else other)
        node.network.set_peers(entries, own)
    await cluster.linked(*nodes)
    # They stay: of connections that crossed, both sides keep the same one.
    def connected() -> list[int]:
        return [status.votes.counters.connected for node in nodes for status in node.network.status()]

    before: list[int] = []
    async with asyncio.timeout(20):
        while before != connected():
            before = connected()
            await asyncio.sleep(4 * limits.patience_seconds)
            await cluster.linked(*nodes)
    assert max(before) < 10, "links go up and down"


async def test_where_only_one_way_is_open_the_other_validator_dials(cluster: Cluster) -> None:
    """The one that is to dial has a wrong address of the other, or a firewall before it."""
    limits = dataclasses.replace(LIMITS, patience_seconds=0.2)
    first, second = (cluster.make(identity, limits=limits) for identity in identities(2))
    await first.network.start("127.0.0.1", 0)
    await second.network.start("127.0.0.1", 0)
    first.network.set_peers([peer(second.identity, 1)], Role.VALIDATOR)
    second.network.set_peers([peer(first.identity, first.network.port)], Role.VALIDATOR)
    await cluster.linked(first, second)


async def test_renewing_the_leaf_with_the_same_key_just_works(cluster: Cluster) -> None:
    """fabric#4049: the link that is up stays, and new handshakes show the new leaf to peers that were told nothing."""
    clock = {"ms": now_ms() - 60 * DAY_MS}
    dialler, acceptor = await cluster.pair(clock_ms=lambda: clock["ms"])
    clock["ms"] += 60 * DAY_MS
    assert dialler.network.status()[0].certificate_days == 30
    assert acceptor.network.certificate_days() == 30
    dialler.network.renew_leaf()
    acceptor.network.renew_leaf()
    assert dialler.downs() == []
    dialler.network.bar(acceptor.identity.node_id, "once more", 0)
    await until(lambda: len(dialler.ups()) == 2 and len(acceptor.ups(LinkKind.BULK)) == 2)
    assert dialler.network.status()[0].certificate_days == 90
    assert acceptor.network.status()[0].certificate_days == 90


async def test_a_running_node_renews_its_leaf_by_itself(cluster: Cluster) -> None:
    clock = {"ms": now_ms() - 61 * DAY_MS}
    limits = dataclasses.replace(LIMITS, leaf_check_ticks=1)
    dialler, _ = await cluster.pair(clock_ms=lambda: clock["ms"], limits=limits)
    assert dialler.network.certificate_days() == 90
    clock["ms"] += 61 * DAY_MS
    await until(lambda: dialler.network.certificate_days() == 90)


async def test_a_member_with_a_broken_root_harms_only_itself(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    broken = dataclasses.replace(peer(make_identity(b"\xff" * 32, "broken")), root_certificate=b"no certificate")
    for node in (dialler, acceptor):
        members = [each.peer for each in node.network.status()]
        node.network.set_peers([*members, broken], Role.VALIDATOR)
        status = node.network.status()[-1]
        assert status.last_error == "its root certificate is refused: malformed: not a root certificate in DER"
    assert dialler.downs() == acceptor.downs() == []


async def test_an_error_of_our_own_in_a_callback_is_reported(cluster: Cluster) -> None:
    first, second = await cluster.pair()

    def broken(event: object) -> None:
        raise AssertionError("a bug")

    second.network._on_event = broken  # the constructor's callback, made to fail half-way
    first.network.send(second.identity.node_id, LinkKind.VOTES, 1, b"")
    await until(lambda: second.failures)
    assert str(second.failures[0]) == "a bug"
    second.failures.clear()
    second.network._on_event = second.events.append


async def test_status_counts_what_passed(cluster: Cluster) -> None:
    first, second = await cluster.pair()
    first.network.send(second.identity.node_id, LinkKind.BULK, 1, bytes(100))
    await until(lambda: second.received)
    sent, received = first.network.status()[0].bulk, second.network.status()[0].bulk
    assert (sent.up, sent.queued_bytes, sent.counters.frames_out, sent.counters.bytes_out) == (True, 0, 1, 105)
    assert (received.counters.frames_in, received.counters.messages_in, received.counters.bytes_in) == (1, 1, 105)
    assert received.address.startswith("127.0.0.1:")
