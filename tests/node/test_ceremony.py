"""The ceremony as banks do it: each makes a home, one builds the document, all adopt it."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.executor import Executor
from contracts.kernel import layout, members
from contracts.library import BANK_GRANTS
from genesis.birth import state_at_birth
from genesis.ceremony import MemberKeys, write_member
from genesis.document import Genesis, Settlement, load
from genesis.identifiers import make_lei
from genesis.member import Function, Role
from node import ceremony, configuration
from node.ceremony import Details, adopt_genesis, build_genesis, initialise, read_genesis
from node.home import Home
from node.keystore import Cost, Passphrase, Purpose, read_key, write_new_file
from p2p.identity import make_root
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.memory import MemoryDatabase
from state.parameters import ChainParameters
from state.world import World

CHEAP = Cost(operations=1, memory_bytes=8192)


def details(number: int, **changes: Any) -> Details:
    made = Details(f"bank{number}", f"Bank {number} AG", make_lei(f"HANSA{number:013}"), "DE", port=26600 + number)
    return replace(made, **changes)


def make_home(path: Path, number: int, **changes: Any) -> Home:
    home = Home(path / f"bank{number}")
    initialise(home, details(number, **changes))
    return home


@pytest.fixture
def homes(tmp_path: Path) -> list[Home]:
    banks = [make_home(tmp_path, number) for number in range(4)]
    return [*banks, make_home(tmp_path, 4, role=Role.OBSERVER, function=Function.SETTLEMENT_AGENT)]


@pytest.fixture
def genesis(homes: list[Home], tmp_path: Path) -> Genesis:
    return build_genesis(
        [home.member for home in homes],
        tmp_path / "genesis.json",
        name="Test network",
        parameters=ChainParameters(address_prefix="hansat"),
        settlement=[Settlement("EUR", "bank4")],
    )


def refusal(make: Any) -> tuple[Reason, str]:
    with pytest.raises(Invalid) as refused:
        make()
    return refused.value.reason, refused.value.detail


def files(path: Path) -> dict[str, int]:
    """Mode of everything below a directory."""
    return {str(each.relative_to(path)): stat.S_IMODE(each.stat().st_mode) for each in sorted(path.rglob("*"))}


def test_home_of_a_validator(homes: list[Home]) -> None:
    home = homes[0]
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert files(home.path) == {
        "config.toml": 0o644,
        "data": 0o700,
        "data/journal": 0o700,
        "data/journal/00000001.journal": 0o600,
        "keys": 0o700,
        "keys/account.key": 0o600,
        "keys/node.key": 0o600,
        "keys/vote.key": 0o600,
        "member.json": 0o644,
    }
    member = ceremony._named(home.member, home.member.read_text())
    assert read_key(home.node_key, Purpose.NODE).public == member.node_key
    assert read_key(home.vote_key, Purpose.VOTE).public == member.vote_key
    assert member.account.policy.keys == ((1, read_key(home.account_key, Purpose.ACCOUNT).public, 1),)
    assert member.root_certificate == make_root(read_key(home.node_key, Purpose.NODE).seed, "Bank 0 AG")
    assert (member.role, member.function, member.grants) == (Role.VALIDATOR, Function.BANK, BANK_GRANTS)


def test_home_of_an_observer(homes: list[Home]) -> None:
    assert sorted(os.listdir(homes[4].keys)) == ["account.key", "node.key"]
    member = json.loads(homes[4].member.read_text())
    assert "vote_key" not in member
    assert member["grants"] == []


def test_configuration_listens_where_the_member_file_says(homes: list[Home]) -> None:
    assert configuration.load(homes[2].configuration).p2p.port == 26602


def test_keys_under_a_passphrase(tmp_path: Path) -> None:
    write_new_file(tmp_path / "word", b"a word\n", 0o600)
    home = Home(tmp_path / "home")
    member = initialise(home, details(1), passphrase_file=tmp_path / "word", cost=CHEAP)
    assert configuration.load(home.configuration).keys.passphrase_file == tmp_path / "word"
    assert read_key(home.vote_key, Purpose.VOTE, Passphrase(b"a word")).public == member.vote_key
    assert not any('"seed"' in path.read_text() for path in home.keys.iterdir())


def test_two_homes_share_nothing(homes: list[Home]) -> None:
    texts = [path.read_text() for home in homes for path in home.keys.iterdir()]
    assert len(set(texts)) == len(texts) == 14


def test_directory_that_is_in_use(tmp_path: Path) -> None:
    home = make_home(tmp_path, 1)
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert refusal(lambda: initialise(home, details(1))) == (
        Reason.DUPLICATE,
        f"{home.path} is not empty: name a new directory, so that no key that is already there is lost",
    )
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before
    (tmp_path / "file").write_text("")
    assert refusal(lambda: initialise(Home(tmp_path / "file"), details(1))) == (
        Reason.DUPLICATE,
        f"{tmp_path / 'file'} is not a directory: name one that is new or empty",
    )
    (tmp_path / "empty").mkdir()
    initialise(Home(tmp_path / "empty"), details(1))


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"id": "Bank"}, "id: 'Bank' is not a lower-case letter and up to 31 of a–z, 0–9, _"),
        ({"legal_name": ""}, "legal_name: a text of 1 to 256 characters is expected"),
        ({"lei": "x"}, "lei: 'x' is no legal entity identifier (ISO 17442), or a digit is mistyped"),
        ({"jurisdiction": "UK"}, "jurisdiction: 'UK' is no country code of ISO 3166-1 alpha-2"),
        ({"host": "a b"}, "host: 'a b' is neither a host name nor an IP address"),
        ({"port": 0}, "port: an integer from 1 to 65535 is expected"),
        ({"grants": ("a", "a")}, "grants: names stand in ascending order, each once"),
    ],
)
def test_mistyped_details_leave_nothing_behind(tmp_path: Path, changes: dict[str, Any], detail: str) -> None:
    home = Home(tmp_path / "home")
    assert refusal(lambda: initialise(home, details(1, **changes))) == (Reason.BAD_GENESIS, detail)
    assert not home.path.exists()


def test_genesis_of_all(genesis: Genesis, tmp_path: Path) -> None:
    assert load((tmp_path / "genesis.json").read_text()) == genesis
    assert read_genesis(tmp_path / "genesis.json") == genesis
    assert [member.id for member in genesis.members] == [f"bank{number}" for number in range(5)]
    assert len(genesis.validators()) == 4
    assert {contract.name for contract in genesis.contracts} >= {"accounts", "bank_money", "members", "payments"}
    assert genesis.time_ms > 1_700_000_000_000


def test_document_becomes_the_state_of_height_0(genesis: Genesis) -> None:
    """The executor takes what the ceremony makes: the library compiles, every member has its account and grants."""
    world = World.open(MemoryDatabase())
    executor = Executor(world, genesis.chain_id, genesis.parameters)
    root = executor.apply_genesis(state_at_birth(genesis))
    assert root == world.root
    assert members.validators_at(executor.overlay(), 1) == genesis.validators()
    for member in genesis.members:
        address = genesis.account_address(member)
        row = executor.overlay().get(layout.member_key(member.id))
        assert row is not None
        assert row[:5] == (member.legal_name, member.lei, member.jurisdiction, member.function.value, address)
        granted = executor.overlay().get(layout.grant_key(address, "payments"))
        assert (granted is not None) is (member.function is Function.BANK)


def test_no_private_key_travels(homes: list[Home], genesis: Genesis) -> None:
    seeds = [json.loads(path.read_text())["seed"][2:] for home in homes for path in home.keys.iterdir()]
    assert len(seeds) == 14
    texts = [genesis.to_json(), *(home.member.read_text() for home in homes)]
    texts += [home.configuration.read_text() for home in homes]
    assert not any(seed in text for seed in seeds for text in texts)
    assert not any(bytes.fromhex(seed) in genesis.encode() for seed in seeds)


def test_all_adopt_it(homes: list[Home], genesis: Genesis, tmp_path: Path) -> None:
    for home in homes:
        assert adopt_genesis(home, tmp_path / "genesis.json") == genesis
        assert read_genesis(home.genesis) == genesis
        assert home.genesis.read_bytes() == (tmp_path / "genesis.json").read_bytes()
    assert refusal(lambda: adopt_genesis(homes[0], tmp_path / "genesis.json")) == (
        Reason.DUPLICATE,
        f"{homes[0].genesis} is already there and is never written over",
    )


def test_genesis_of_other_members(homes: list[Home], genesis: Genesis, tmp_path: Path) -> None:
    stranger = make_home(tmp_path, 7)
    assert refusal(lambda: adopt_genesis(stranger, tmp_path / "genesis.json")) == (
        Reason.CONFLICT,
        f"{tmp_path / 'genesis.json'} does not name bank7, the member of {stranger.path}",
    )
    namesake = make_home(tmp_path / "other", 1)
    assert refusal(lambda: adopt_genesis(namesake, tmp_path / "genesis.json")) == (
        Reason.CONFLICT,
        f"{tmp_path / 'genesis.json'} says of bank1 what {namesake.member} does not: "
        "it was built from another member file",
    )


def test_document_is_never_written_over(homes: list[Home], genesis: Genesis, tmp_path: Path) -> None:
    out = tmp_path / "genesis.json"
    assert refusal(lambda: build_genesis([home.member for home in homes], out, name="again")) == (
        Reason.DUPLICATE,
        f"{out} is already there and is never written over",
    )
    assert read_genesis(out) == genesis


def test_changed_member_file_is_named(homes: list[Home], tmp_path: Path) -> None:
    path = homes[1].member
    path.write_text(json.dumps(json.loads(path.read_text()) | {"port": 1}))
    assert refusal(lambda: build_genesis([home.member for home in homes], tmp_path / "g.json", name="n")) == (
        Reason.BAD_SIGNATURE,
        f"{path}: node_signature: the file of bank1 is not what its node key signed; ask for it again",
    )
    assert not (tmp_path / "g.json").exists()


def test_root_certificate_of_another_key(homes: list[Home], tmp_path: Path) -> None:
    """The member signs it himself, and still nobody could connect to him: found at the ceremony."""
    home = homes[1]
    member = ceremony._named(home.member, home.member.read_text())
    other = make_root(KeyPair.from_seed(b"o" * 32).seed, "Other")
    keys = MemberKeys(read_key(home.node_key, Purpose.NODE), read_key(home.vote_key, Purpose.VOTE))
    home.member.write_text(write_member(replace(member, root_certificate=other), keys))
    reason, detail = refusal(lambda: build_genesis([each.member for each in homes], tmp_path / "g.json", name="n"))
    assert reason is Reason.BAD_GENESIS
    assert detail.startswith(f"{home.member}: root_certificate: the root certifies another key than ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    out = tmp_path / "g.json"
    assert refusal(lambda: build_genesis([tmp_path / "none"], out, name="n")) == (
        Reason.BAD_GENESIS,
        f"{tmp_path / 'none'} can't be read: No such file or directory",
    )
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert refusal(lambda: read_genesis(tmp_path / "binary")) == (
        Reason.BAD_GENESIS,
        f"{tmp_path / 'binary'} is not UTF-8 text",
    )
    (tmp_path / "empty").write_text("{}")
    assert refusal(lambda: read_genesis(tmp_path / "empty")) == (
        Reason.BAD_GENESIS,
        f"{tmp_path / 'empty'}: format: is missing",
    )
