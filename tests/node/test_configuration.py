"""The configuration file: it reads back as it is written, and every mistake gets one sentence."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from node import configuration
from node.configuration import (
    Configuration,
    Endpoint,
    KeySettings,
    LogSettings,
    NodeSettings,
    P2pSettings,
    RpcSettings,
    load,
    parse,
    render,
)
from node.home import Home
from state.errors import Invalid, Reason

CHANGED = Configuration(
    node=NodeSettings("inline", 2, 50, 5000, 2**21),
    p2p=P2pSettings("::1", 1, (("alpha", Endpoint("10.0.0.1", 2)), ("beta", Endpoint("2001:db8::1", 3)))),
    rpc=RpcSettings("0.0.0.0", 4, ("node.bank.example",)),
    log=LogSettings("json", "warning"),
    keys=KeySettings(Path('/run/secrets/hänsa "word"')),
)


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse(text.encode())
    assert refused.value.reason is Reason.BAD_CONFIGURATION
    return refused.value.detail


@pytest.mark.parametrize("written", [Configuration(), CHANGED])
def test_reads_back_as_written(written: Configuration) -> None:
    assert parse(render(written).encode()) == written


def test_nothing_but_the_version_is_needed() -> None:
    assert parse(b"config_version = 1\n") == Configuration()


def test_every_key_is_written_with_its_comment() -> None:
    text = render(Configuration())
    document = tomllib.loads(text)
    for section in fields(Configuration):
        for setting in fields(getattr(Configuration(), section.name)):
            assert setting.name in document[section.name]
            lines = text.splitlines()
            place = lines.index("# " + setting.metadata["comment"].split("\n")[-1])
            assert re.match(rf"{setting.name} = |\[{section.name}\.{setting.name}\]", lines[place + 1])


def test_default_ports_lie_below_the_ephemeral_range() -> None:
    assert (Configuration().p2p.port, Configuration().rpc.port) == (26600, 26700)
    assert max(Configuration().p2p.port, Configuration().rpc.port) < 32768


def test_endpoint_overrides() -> None:
    assert CHANGED.p2p.endpoint_of("beta") == Endpoint("2001:db8::1", 3)
    assert str(CHANGED.p2p.endpoint_of("beta")) == "[2001:db8::1]:3"
    assert CHANGED.p2p.endpoint_of("gamma") is None


PEERS = 'a table of member ids and endpoints, such as alpha = "10.0.0.1:26600"'
GENESIS = "belongs to the genesis document: it is the same at every node, and can't be configured here"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "config_version is missing: write config_version = 1 above the first section"),
        ("[rpc]\nconfig_version = 1", "config_version is missing: write config_version = 1 above the first section"),
        ("config_version = 2", "config_version is 2, and this Hansa reads 1: it may need an upgrade"),
        ('config_version = "1"', 'config_version is "1", and this Hansa reads 1: it may need an upgrade'),
        ("config_version = true", "config_version is true, and this Hansa reads 1: it may need an upgrade"),
        ("config_version = 1\n[rpc]\nprot = 1", "there is no key 'rpc.prot'; did you mean rpc.port?"),
        ("config_version = 1\n[node]\nport = 1", "there is no key 'node.port'; did you mean p2p.port?"),
        ("config_version = 1\npace_ms = 1", "there is no key 'pace_ms'; did you mean node.pace_ms?"),
        ("config_version = 1\n[rcp]\nport = 1", "there is no key 'rcp'; did you mean rpc?"),
        (
            "config_version = 1\nxyzzy = 1",
            "there is no key 'xyzzy'; the keys are node, p2p, rpc, log, keys, config_version",
        ),
        ("config_version = 1\n[node]\nexecution_lag = 4", f"node.execution_lag {GENESIS}"),
        ("config_version = 1\nblock_bytes_max = 4", f"block_bytes_max {GENESIS}"),
        ("config_version = 1\nvalidators = []", f"validators {GENESIS}"),
        ("config_version = 1\nrpc = 1", "rpc is a section: write [rpc] and its keys below"),
        ("config_version = 1\n[[rpc]]\nport = 1", "rpc is a section: write [rpc] and its keys below"),
        ("config_version = 1\n[rpc]\nport = 65536", "rpc.port is 65536, and must be an integer from 0 to 65535"),
        ("config_version = 1\n[rpc]\nport = 1.0", "rpc.port is 1.0, and must be an integer from 0 to 65535"),
        ("config_version = 1\n[rpc]\nport = true", "rpc.port is true, and must be an integer from 0 to 65535"),
        ('config_version = 1\n[rpc]\nport = "1"', 'rpc.port is "1", and must be an integer from 0 to 65535'),
        ('config_version = 1\n[rpc]\nhost = ""', 'rpc.host is "", and must be a host name or an IP address'),
        ('config_version = 1\n[p2p]\nhost = "1.2.3"', 'p2p.host is "1.2.3", and must be a host name or an IP address'),
        (
            'config_version = 1\n[rpc]\nallowed_hosts = "a"',
            'rpc.allowed_hosts is "a", and must be a list of host names',
        ),
        (
            'config_version = 1\n[log]\nlevel = "loud"',
            'log.level is "loud", and must be one of debug, info, warning, error',
        ),
        ("config_version = 1\n[log]\nformat = []", "log.format is [], and must be one of plain, json"),
        ("config_version = 1\n[node]\npace_ms = -1", "node.pace_ms is -1, and must be an integer from 0 to 60000"),
        (
            'config_version = 1\n[node]\nexecution = "thread"',
            'node.execution is "thread", and must be one of process, inline',
        ),
        ("config_version = 1\n[p2p]\npeers = []", f"p2p.peers is [], and must be {PEERS}"),
        ('config_version = 1\n[p2p.peers]\na = "host"', f'p2p.peers is {{"a": "host"}}, and must be {PEERS}'),
        ('config_version = 1\n[p2p.peers]\na = "h:0"', f'p2p.peers is {{"a": "h:0"}}, and must be {PEERS}'),
        (
            'config_version = 1\n[p2p.peers]\na = "h_:1"',
            'p2p.peers is {"a": "h_:1"}, and must be a host name or an IP address',
        ),
        (
            "config_version = 1\n[keys]\npassphrase_file = 1",
            "keys.passphrase_file is 1, and must be the path of a file, or an empty text",
        ),
        (
            "config_version = 1\n[rpc]\nport = 1979-05-27",
            'rpc.port is "1979-05-27", and must be an integer from 0 to 65535',
        ),
    ],
)
def test_refused(text: str, detail: str) -> None:
    assert refusal(text) == detail


def test_not_toml() -> None:
    assert refusal("config_version = ").startswith("not TOML: Invalid value (at ")
    assert refusal("config_version = 1\nconfig_version = 1").startswith("not TOML: Cannot overwrite a value")
    assert refusal("a = " + "[" * 100_000) in ("nested too deep", "not TOML: Unclosed array (at end of document)")
    with pytest.raises(Invalid) as refused:
        parse(b"\xff")
    assert str(refused.value) == "bad_configuration: not UTF-8"


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    assert "hunter2" not in refusal('config_version = 1\n[keys]\npassphrase = "hunter2"')


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(Invalid) as refused:
        load(path)
    assert refused.value.detail == f"{path} can't be read: No such file or directory"
    path.write_text("config_version = 1\n[rpc]\nport = -1\n")
    with pytest.raises(Invalid) as refused:
        load(path)
    assert refused.value.detail == f"{path}: rpc.port is -1, and must be an integer from 0 to 65535"
    path.write_bytes(bytes(configuration.CONFIGURATION_BYTES_MAX + 1))
    with pytest.raises(Invalid) as refused:
        load(path)
    assert refused.value.detail == f"{path} has more than 262144 bytes: this is another kind of file"


def test_passphrase_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for written, found in (("word", tmp_path / "word"), ("/etc/word", Path("/etc/word"))):
        path.write_text(f'config_version = 1\n[keys]\npassphrase_file = "{written}"\n')
        assert load(path).keys.passphrase_file == found
    path.write_text("config_version = 1\n")
    assert load(path) == Configuration()


def test_home_layout() -> None:
    home = Home(Path("/h"))
    assert [
        home.configuration,
        home.genesis,
        home.member,
        home.node_key,
        home.vote_key,
        home.account_key,
        home.journal,
        home.chain,
        home.state,
        home.anchor,
        home.lock,
    ] == [
        Path("/h", name)
        for name in (
            "config.toml",
            "genesis.json",
            "member.json",
            "keys/node.key",
            "keys/vote.key",
            "keys/account.key",
            "data/journal",
            "data/chain",
            "data/state",
            "data/anchor",
            "lock",
        )
    ]
