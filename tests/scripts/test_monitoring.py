"""The dashboard and the alerts: they ask for metrics that a node gives, and each alert goes off where it says."""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node import expiries, metrics
from node.upgrades import TOLD_HEIGHTS
from tests.node.network import Network

DEPLOY = Path(__file__).parent.parent.parent / "scripts" / "deploy"

WORDS = {"sum", "by", "rate", "increase", "count", "clamp_min", "histogram_quantile", "le", "code", "job", "hansa"}
"""Words of the query language, and labels, that the two files use."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    seconds: int
    severity: str
    summary: str


def alerts() -> dict[str, Alert]:
    """The rules of the file, whose form is checked on the way."""
    text = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    rules = re.findall(
        r"      - alert: (\w+)\n        expr: (.+)\n(?:        for: (\d+)([smh])\n)?"
        r"        labels: \{severity: (warning|critical)\}\n        annotations:\n          summary: \"(.+)\"\n",
        text,
    )
    assert len(rules) == text.count("alert:")
    unit = {"s": 1, "m": 60, "h": 3600, "": 0}
    return {
        name: Alert(name, expression, int(count or 0) * unit[letter], severity, summary)
        for name, expression, count, letter, severity, summary in rules
    }


def dashboard() -> Any:
    return json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))


def expressions() -> list[str]:
    """Every query of both files."""
    shown = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [*shown, *(alert.expression for alert in alerts().values())]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"[a-zA-Z_]+", re.sub(r"\[\w+\]", "", expression))) - WORDS


async def given(tmp_path: Path) -> set[str]:
    """The names of all that a node gives."""
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=200)
    try:
        node = network.nodes["alpina"]
        assert await network.settle(node, network.by_bank("alpina", "bank_money", "create", ["USD"])) == "ok"
        text = node.metrics.text().decode()
    finally:
        await network.stop()
    described = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    return described | set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE))


async def test_every_metric_that_is_asked_for_exists(tmp_path: Path) -> None:
    there = await given(tmp_path) | {"up"}
    asked: set[str] = set()
    for expression in expressions():
        asked |= names_in(expression)
    assert asked - there - set(metrics.BUILD_LABELS) == set()
    assert len(asked) > 25


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.Eq: operator.eq,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}


def evaluated(expression: str, samples: Mapping[str, float]) -> bool:
    """Whether an expression of the rules holds. A range over time is given as what its function gives."""
    python = re.sub(r"(rate|increase)\((\w+)\[\w+\]\)", r"\2", expression)
    python = re.sub(r"\{[^}]*\}", "", python)

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.Name):
            return samples[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        assert isinstance(node, ast.BinOp), ast.dump(node)
        return OPERATORS[type(node.op)](value(node.left), value(node.right))

    compared = ast.parse(python, mode="eval").body
    assert isinstance(compared, ast.Compare)
    return bool(OPERATORS[type(compared.ops[0])](value(compared.left), value(compared.comparators[0])))


INFINITY = float("inf")
TABLE: list[tuple[str, dict[str, float], dict[str, float]]] = [
    ("HansaDown", {"up": 1}, {"up": 0}),
    ("HansaNotReady", {"hansa_ready": 1}, {"hansa_ready": 0}),
    ("HansaStalled", {"hansa_block_age_seconds": 10.2}, {"hansa_block_age_seconds": 60.1}),
    (
        "HansaBehind",
        {"hansa_target_height": 150, "hansa_decided_height": 100},
        {"hansa_target_height": 151, "hansa_decided_height": 100},
    ),
    ("HansaBehind", {"hansa_target_height": 0, "hansa_decided_height": 9_000},
     {"hansa_target_height": 9_051, "hansa_decided_height": 9_000}),
    ("HansaExecutionBehind", {"hansa_decided_height": 104, "hansa_height": 100},
     {"hansa_decided_height": 105, "hansa_height": 100}),
    ("HansaNotCertified", {"hansa_height": 116, "hansa_certified_height": 100},
     {"hansa_height": 117, "hansa_certified_height": 100}),
    ("HansaViewChanges", {"hansa_view_changes_total": 20}, {"hansa_view_changes_total": 21}),
    ("HansaViewStuck", {"hansa_view": 3}, {"hansa_view": 4}),
    ("HansaDiskFilling", {"hansa_disk_free_bytes": 15, "hansa_disk_size_bytes": 100},
     {"hansa_disk_free_bytes": 14.9, "hansa_disk_size_bytes": 100}),
    ("HansaDiskFull", {"hansa_disk_free_bytes": 5, "hansa_disk_size_bytes": 100},
     {"hansa_disk_free_bytes": 4.9, "hansa_disk_size_bytes": 100}),
    ("HansaDamageFound", {"hansa_scrub_damage_total": 0}, {"hansa_scrub_damage_total": 1}),
    ("HansaExecutionDied", {"hansa_execution_deaths_total": 0}, {"hansa_execution_deaths_total": 1}),
    ("HansaJournalGrows", {"hansa_journal_bytes": 64 << 20}, {"hansa_journal_bytes": (256 << 20) + 1}),
    ("HansaCertificateNotRenewed", {"hansa_certificate_days": 29}, {"hansa_certificate_days": 28}),
    ("HansaCertificateEnds", {"hansa_certificate_days": 7}, {"hansa_certificate_days": 6}),
    ("HansaPeerCertificateEnds", {"hansa_peer_certificate_days": INFINITY}, {"hansa_peer_certificate_days": 6}),
    ("HansaUpgradeVoted", {"hansa_upgrade_heights": INFINITY}, {"hansa_upgrade_heights": 99_999_999}),
    ("HansaUpgradeUrgent", {"hansa_upgrade_heights": 10_000}, {"hansa_upgrade_heights": 9_999}),
    ("HansaBadMessages", {"hansa_messages_rejected_total": 0.5, "hansa_bad_signatures_total": 0.5},
     {"hansa_messages_rejected_total": 0.6, "hansa_bad_signatures_total": 0.5}),
    ("HansaNodeKeyTwice", {"hansa_links_replaced_total": 20}, {"hansa_links_replaced_total": 21}),
    ("HansaFramesDropped", {"hansa_inbox_dropped_total": 500, "hansa_links_dropped_total": 500},
     {"hansa_inbox_dropped_total": 501, "hansa_links_dropped_total": 500}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "well", "ill"), TABLE)
def test_an_alert_goes_off_where_it_says(name: str, well: dict[str, float], ill: dict[str, float]) -> None:
    expression = alerts()[name].expression
    assert (evaluated(expression, well), evaluated(expression, ill)) == (False, True)


def test_every_alert_is_in_the_table_and_lag_views_disk_and_certificates_have_one() -> None:
    rules = alerts()
    assert {row[0] for row in TABLE} == set(rules)
    assert {"HansaBehind", "HansaViewChanges", "HansaDiskFilling", "HansaCertificateEnds"} <= set(rules)
    assert rules["HansaDiskFilling"].severity == "warning"
    assert all(len(rule.summary) < 130 for rule in rules.values())


def test_thresholds_fit_what_the_node_does_itself() -> None:
    """A certificate is renewed 30 days before its end; the log warns of an upgrade at the same heights."""
    assert expiries.LIMITS_DAYS[0] == 30
    assert 10_000 in TOLD_HEIGHTS


async def test_what_a_node_says_of_itself_sets_off_nothing(tmp_path: Path) -> None:
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=200)
    try:
        node = network.nodes["alpina"]
        assert await network.settle(node, network.by_bank("alpina", "bank_money", "create", ["USD"])) == "ok"
        lines = node.metrics.text().decode().splitlines()
        plain = [line.split() for line in lines if re.match(r"\w+ \S+$", line)]
        samples = {name: float(number) for name, number in plain}
    finally:
        await network.stop()
    rules = {name: rule for name, rule in alerts().items() if not name.startswith("HansaDisk")}
    assert [name for name, rule in rules.items() if evaluated(rule.expression, {"up": 1, **samples})] == []
    assert samples["hansa_protocol_version"] == 1
    assert samples["hansa_upgrade_heights"] == INFINITY
    assert 0 < samples["hansa_disk_free_bytes"] <= samples["hansa_disk_size_bytes"]
