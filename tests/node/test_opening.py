"""Opening a home: what is wrong with it is a sentence that names the file and the fix."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.configuration import Endpoint
from node.home import Home
from node.keystore import Purpose, generate, write_key
from node.opening import check_port, lock_home, port_refused, read_home
from state.errors import Invalid
from tests.node.network import make_homes


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_homes(tmp_path, validators=2)
    return Home(tmp_path / "alpina")


def refusal(home: Home) -> str:
    with pytest.raises(Invalid) as caught:
        read_home(home.path, {})
    return caught.value.detail


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    held: list[int] = []
    yield held
    for descriptor in held:
        os.close(descriptor)


def test_a_good_home(home: Home) -> None:
    opening = read_home(home.path, {})
    assert (opening.member.id, opening.document) == ("alpina", home.genesis.read_bytes())
    assert opening.identity.node_id == opening.member.node_key
    assert opening.vote_key is not None
    assert opening.vote_key.public == opening.member.vote_key
    assert (len(opening.identities), len(opening.vote_keys), opening.hints) == (1, 1, ())
    observer = read_home(home.path.parent / "meridian", {})
    assert observer.vote_key is None
    assert "seed" not in repr(opening)


def test_an_endpoint_of_the_configuration_wins(home: Home) -> None:
    text = home.configuration.read_text()
    entry = 'borealis = "10.0.0.9:4000"\n'
    text = text.replace("[p2p.peers]\n", f"[p2p.peers]\n{entry}")
    home.configuration.write_text(text)
    assert read_home(home.path, {}).configuration.p2p.endpoint_of("borealis") == Endpoint("10.0.0.9", 4000)


def test_a_missing_file(home: Home) -> None:
    home.genesis.unlink()
    assert refusal(home) == (
        f"{home.genesis} is missing: make it with hansa genesis build, or copy the network's there"
    )
    home.configuration.unlink()
    assert refusal(home) == f"{home.path} is no node's home (config.toml is missing): hansa init makes one"


def test_a_key_that_others_can_read(home: Home) -> None:
    home.node_key.chmod(0o644)
    assert refusal(home) == (
        f"{home.node_key} has mode 0644, others may read or change it: run chmod 600 {home.node_key}"
    )


def test_a_key_of_somebody_else(home: Home) -> None:
    home.vote_key.unlink()
    write_key(home.vote_key, generate(), Purpose.VOTE)
    assert refusal(home) == (
        f"{home.vote_key} is not the key that {home.genesis} names for alpina: restore it from your backup"
    )
    home.node_key.unlink()
    write_key(home.node_key, generate(), Purpose.NODE)
    assert refusal(home) == (
        f"{home.node_key} is the key of no member in {home.genesis}: one of the two files is another network's"
    )


def test_one_process_a_home(home: Home, descriptors: list[int]) -> None:
    first = lock_home(home)
    descriptors.append(first)
    with pytest.raises(Invalid) as caught:
        lock_home(home)
    assert caught.value.detail == (
        f"another node runs on {home.path} (process {os.getpid()}): stop it first, or name another home"
    )
    os.close(descriptors.pop())
    descriptors.append(lock_home(home))
    assert not os.get_inheritable(descriptors[0])


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            errno.EADDRINUSE,
            "port 80 on 127.0.0.1 is in use by another program: stop that one, or set another rpc.port in config.toml",
        ),
        (
            errno.EACCES,
            "port 80 on 127.0.0.1 is not for ordinary users: set rpc.port to one above 1023 in config.toml",
        ),
        (
            errno.EADDRNOTAVAIL,
            "can't listen on 127.0.0.1 port 80 (Cannot assign requested address): "
            "set rpc.host and rpc.port in config.toml",
        ),
    ],
)
def test_a_port_that_is_not_to_be_had(number: int, sentence: str) -> None:
    refused = port_refused("127.0.0.1", 80, "rpc.port", OSError(number, os.strerror(number)))
    assert refused.detail == sentence


def test_an_address_of_another_machine() -> None:
    with pytest.raises(Invalid, match=r"can't listen on 192\.0\.2\.1 port 4000"):
        check_port("192.0.2.1", 4000, "rpc.port")
    check_port("127.0.0.1", 0, "rpc.port")


def test_a_home_that_is_named_from_here_is_the_same_from_anywhere(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The execution process works elsewhere, and is told where the state lies."""
    monkeypatch.chdir(home.path.parent)
    assert read_home(Path("alpina"), {}).home == home
