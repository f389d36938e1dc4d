"""The configuration file: what an operator may decide for one node, and nothing that nodes must agree on.

TOML, one section a floor of the node. Every key has a default and a comment, and both stand here, beside the field,
so that the file that ``hansa init`` writes, what is read, and what is documented can't drift apart. An unknown key
is refused: a misspelt one would otherwise be ignored in silence.
"""

import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from state.errors import Invalid, Reason
from state.parameters import ChainParameters

CONFIG_VERSION = 1
"""Version of the file's keys and meanings."""

CONFIGURATION_BYTES_MAX = 256 * 1024

P2P_PORT = 26600
RPC_PORT = 26700
"""Both below 32768, outside the range from which Linux takes ports for outgoing connections."""

KEEP_BLOCKS_MIN = 1_024
"""Fewer blocks than a peer can be behind that has been away for a minute would be of no use to anybody."""

_OF_GENESIS = frozenset(
    [parameter.name for parameter in fields(ChainParameters)]
    + ["chain_id", "members", "network_name", "quorum", "settlement", "validators"]
)
"""Names of what nodes must agree on."""

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")

Result = TypeVar("Result")


class _Unfit(Exception):
    """A value that a key can't have; says what it can have."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _setting(default: Result, check: Callable[[object], Result], comment: str) -> Result:
    """A field with its default, what it may be, and the comment that goes above it."""
    setting: Result = field(default=default, metadata={"check": check, "comment": comment})
    return setting


def _integer(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _Unfit(f"an integer from {low} to {high}")
        return value

    return check


def _keep_blocks(value: object) -> int:
    if type(value) is not int or (value != 0 and not KEEP_BLOCKS_MIN <= value <= 2**40):
        raise _Unfit(f"0, or an integer from {KEEP_BLOCKS_MIN} to {2**40}")
    return value


def _choice(*choices: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _Unfit(f"one of {', '.join(choices)}")
        return value

    return check


def _host(value: object) -> str:
    if isinstance(value, str):
        if _HOST.fullmatch(value) and not re.fullmatch("[0-9.]+", value):
            return value
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
    raise _Unfit("a host name or an IP address")


def _texts(pattern: str, shape: str) -> Callable[[object], tuple[str, ...]]:
    def check(value: object) -> tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(item, str) and re.fullmatch(pattern, item) for item in value)
        if not good:
            raise _Unfit(f"a list of {shape}")
        return tuple(value)  # type: ignore[arg-type]

    return check


def _path(value: object) -> Path | None:
    if not isinstance(value, str) or "\0" in value:
        raise _Unfit("the path of a file, or an empty text")
    return Path(value) if value else None


def _peers(value: object) -> tuple[tuple[str, Endpoint], ...]:
    shape = 'a table of member ids and endpoints, such as alpha = "10.0.0.1:26600"'
    if not isinstance(value, dict):
        raise _Unfit(shape)
    peers = []
    for member, text in value.items():
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):([0-9]{1,5})", text) if isinstance(text, str) else None
        if match is None or not 1 <= int(match[2]) <= 65535:
            raise _Unfit(shape)
        peers.append((member, Endpoint(_host(match[1].strip("[]")), int(match[2]))))
    return tuple(sorted(peers))


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How this node works."""

    execution: str = _setting(
        "process",
        _choice("process", "inline"),
        "Where contracts run: in a process of their own, or inline in the node's (for tests).",
    )
    verification_workers: int = _setting(
        0,
        _integer(0, 64),
        "Processes that check signatures beside the node; 0 checks them in the node itself, in small batches.\n"
        "Where cores are free, 1 or 2 make the node faster.",
    )
    pace_ms: int = _setting(
        20,
        _integer(0, 60_000),
        "Shortest time between a decision and this node's next proposal, milliseconds; longer when many wait.",
    )
    heartbeat_ms: int = _setting(
        10_000,
        _integer(100, 3_600_000),
        "With nothing to do, this node proposes an empty block so often, milliseconds.",
    )
    pool_bytes_max: int = _setting(
        64 * 1024 * 1024, _integer(1024 * 1024, 2**40), "Most that waiting transactions may take, bytes."
    )
    sync: str = _setting(
        "replay",
        _choice("replay", "snapshot"),
        "How this node begins when it has nothing yet: replay fetches and executes every block since genesis;\n"
        "snapshot fetches the state of a certified height, which takes seconds, and knows nothing of before it.",
    )
    keep_blocks: int = _setting(
        0,
        _keep_blocks,
        "How many of the newest blocks this node keeps; 0 keeps all, as an archive node does. Blocks in whose\n"
        "transactions' window the chain still is are kept in any case.",
    )


@dataclass(frozen=True, slots=True)
class P2pSettings:
    """How other nodes reach this one."""

    host: str = _setting("0.0.0.0", _host, "Address to listen on for other nodes.")
    port: int = _setting(
        P2P_PORT,
        _integer(0, 65535),
        "Port to listen on for other nodes, usually the one in your member file; 0 takes any free one.",
    )
    peers: tuple[tuple[str, Endpoint], ...] = _setting(
        (), _peers, "Other members' endpoints where they differ from the genesis document, by member id."
    )

    def endpoint_of(self, member: str) -> Endpoint | None:
        """Where to find a member instead of where the genesis document says, None to go by that."""
        return dict(self.peers).get(member)


@dataclass(frozen=True, slots=True)
class RpcSettings:
    """How wallets, operators and regulators reach this node."""

    host: str = _setting(
        "127.0.0.1",
        _host,
        "Address to listen on for JSON-RPC. Whoever can reach it may ask everything: keep it on loopback, or put a\n"
        "proxy before it that knows its callers and speaks TLS.",
    )
    port: int = _setting(RPC_PORT, _integer(0, 65535), "Port to listen on for JSON-RPC; 0 takes any free one.")
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        _texts(r"[A-Za-z0-9.\-\[\]:]{1,255}", "host names"),
        "Names under which the RPC is reached, beside its own address and localhost. Requests for any other\n"
        "name are refused, so that a page in a browser can't reach the node under a name of its own.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the node says while it runs."""

    format: str = _setting("plain", _choice("plain", "json"), "plain for people, json for machines: one object a line.")
    level: str = _setting(
        "info", _choice("debug", "info", "warning", "error"), "Least important kind of line that is written."
    )


@dataclass(frozen=True, slots=True)
class KeySettings:
    """How the node opens its keys."""

    passphrase_file: Path | None = _setting(  # noqa: RUF009 — it gives a field
        None,
        _path,
        "File with the passphrase of the keys, mode 0600; relative to this file. Empty: the systemd credential\n"
        "hansa-passphrase if there is one, else the keys are not encrypted.",
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """One node's configuration, checked."""

    node: NodeSettings = NodeSettings()
    p2p: P2pSettings = P2pSettings()
    rpc: RpcSettings = RpcSettings()
    log: LogSettings = LogSettings()
    keys: KeySettings = KeySettings()


_SECTIONS: dict[str, Any] = {
    "node": NodeSettings,
    "p2p": P2pSettings,
    "rpc": RpcSettings,
    "log": LogSettings,
    "keys": KeySettings,
}
_KNOWN = [f"{section}.{setting.name}" for section, kind in _SECTIONS.items() for setting in fields(kind)]


def load(path: Path) -> Configuration:
    """Read a configuration file. :raises Invalid: BAD_CONFIGURATION, one sentence with file and key."""
    problem, content = "", b""
    try:
        with path.open("rb") as file:
            content = file.read(CONFIGURATION_BYTES_MAX + 1)
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    if len(content) > CONFIGURATION_BYTES_MAX:
        problem = f"has more than {CONFIGURATION_BYTES_MAX} bytes: this is another kind of file"
    if problem:
        raise Invalid(Reason.BAD_CONFIGURATION, f"{path} {problem}")
    try:
        configuration = parse(content)
    except Invalid as error:
        raise Invalid(Reason.BAD_CONFIGURATION, f"{path}: {error.detail}") from None
    passphrase_file = configuration.keys.passphrase_file
    if passphrase_file is None:
        return configuration
    beside = path.absolute().parent / passphrase_file
    return Configuration(
        configuration.node, configuration.p2p, configuration.rpc, configuration.log, KeySettings(beside)
    )


def parse(content: bytes) -> Configuration:
    """Read the content of a configuration file. :raises Invalid: BAD_CONFIGURATION, one sentence with the key."""
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except RecursionError:
        _refuse("nested too deep")
    except tomllib.TOMLDecodeError as error:
        _refuse(f"not TOML: {error}")
    _check_version(document.pop("config_version", None))
    sections: dict[str, Any] = {}
    for name, table in document.items():
        if name not in _SECTIONS:
            _refuse_unknown(name)
        if not isinstance(table, dict):
            _refuse(f"{name} is a section: write [{name}] and its keys below")
        sections[name] = _read_section(name, table)
    configuration = Configuration(**sections)
    return configuration


def render(configuration: Configuration) -> str:
    """The file that ``parse`` reads as this configuration, with a comment above each key."""
    lines = [
        "# Configuration of a Hansa node. What all nodes must agree on is in genesis.json, never here.",
        "",
        "# Version of this file's keys.",
        f"config_version = {CONFIG_VERSION}",
    ]
    for name in _SECTIONS:
        settings = getattr(configuration, name)
        lines += ["", f"[{name}]"]
        tables = []
        for setting in fields(settings):
            value = getattr(settings, setting.name)
            comment = [f"# {line}" for line in setting.metadata["comment"].split("\n")]
            if setting.metadata["check"] is _peers:
                entries = [f"{json.dumps(member)} = {json.dumps(str(endpoint))}" for member, endpoint in value]
                example = [] if entries else ['# alpha = "10.0.0.1:26600"']
                tables += ["", *comment, f"[{name}.{setting.name}]", *entries, *example]
            else:
                lines += ["", *comment, f"{setting.name} = {_spell(value)}"]
        lines += tables
    return "\n".join(lines) + "\n"


def _read_section(section: str, table: dict[str, object]) -> object:
    settings = {setting.name: setting for setting in fields(_SECTIONS[section])}
    values = {}
    for name, value in table.items():
        if name not in settings:
            _refuse_unknown(f"{section}.{name}")
        try:
            values[name] = settings[name].metadata["check"](value)
        except _Unfit as unfit:
            _refuse(f"{section}.{name} is {_shown(value)}, and must be {unfit}")
    return _SECTIONS[section](**values)


def _check_version(version: object) -> None:
    if version is None:
        _refuse(f"config_version is missing: write config_version = {CONFIG_VERSION} above the first section")
    if type(version) is not int or version != CONFIG_VERSION:
        _refuse(f"config_version is {_shown(version)}, and this Hansa reads {CONFIG_VERSION}: it may need an upgrade")


def _refuse_unknown(key: str) -> NoReturn:
    name = key.rpartition(".")[2]
    if name in _OF_GENESIS:
        _refuse(f"{key} belongs to the genesis document: it is the same at every node, and can't be configured here")
    known = [*_SECTIONS, "config_version"] if "." not in key else _KNOWN
    close = difflib.get_close_matches(key, known, 1, 0.5)
    # A key in the wrong section, or in none, is best found by its own name.
    close = [other for other in _KNOWN if other.rpartition(".")[2] == name] or close
    hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(known)}"
    _refuse(f"there is no key {key!r}; {hint}")


def _spell(value: object) -> str:
    """A value in TOML. JSON's spelling of texts, integers and lists is also TOML's."""
    if value is None or isinstance(value, Path):
        return json.dumps(str(value) if value else "", ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)[:80]


def _refuse(detail: str) -> NoReturn:
    raise Invalid(Reason.BAD_CONFIGURATION, detail)
