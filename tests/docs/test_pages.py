"""The documentation against the code: links lead somewhere, commands exist, tables are complete."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from node import configuration
from rpc.errors import MESSAGES, TABLE
from rpc.methods import method_table

ROOT = Path(__file__).parent.parent.parent
READMES = ["README.md", "README.zh-CN.md"]
PAGES = [*READMES, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]

CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors_of(text: str) -> set[str]:
    """The fragments that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: str, text: str) -> list[str]:
    broken = []
    for link in LINK.findall(CODE.sub("", text)):
        if re.match("[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        has_target = target.exists()
        if not has_target or (fragment and fragment not in anchors_of(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    assert broken_links(page, text_of(page)) == []


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/rpc.md#nothing", "#nothing"])
def test_a_broken_link_is_found(link: str) -> None:
    assert broken_links("README.md", f"see [there]({link})") == [link]


@pytest.mark.parametrize("page", PAGES)
def test_scripts_that_are_named_exist(page: str) -> None:
    named = set(re.findall(r"(?<!\.)\./scripts/[\w.-]+", text_of(page)))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def commands_of(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def test_both_readmes_give_the_same_commands() -> None:
    assert commands_of("README.md") == commands_of("README.zh-CN.md")


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in LINK.findall(CODE.sub("", text_of(page))):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file():
                ahead.append(str(target.relative_to(ROOT)))
    assert {page for page in PAGES if page not in seen} == set()


def examples() -> list[tuple[str, str]]:
    """Method and parameters of each example in docs/rpc.md."""
    (block,) = re.findall(r"^```rpc\n(.*?)^```$", text_of("docs/rpc.md"), re.DOTALL | re.MULTILINE)
    return re.findall(r"^([a-z]+[._][a-z]+) (\{.*\})$", block, re.MULTILINE)


def test_every_method_has_an_example_with_parameters_that_it_takes() -> None:
    table = {method.name: method for method in method_table(None, None, "0")}  # type: ignore[arg-type]
    assert sorted(name for name, _ in examples()) == sorted(table)
    for name, parameters in examples():
        msgspec.convert(json.loads(parameters), table[name].params)


def test_the_table_of_errors_is_the_codes() -> None:
    row = re.compile(r"^\| −(\d+) \| ([^|]+) \| `(\w+)` \| (yes)? *\| ([^|]+) \|$", re.MULTILINE)
    found = [
        (-int(number), message, code, bool(retry), hint)
        for number, message, code, retry, hint in row.findall(text_of("docs/rpc.md"))
    ]
    kinds = TABLE.values()
    assert found == [(kind.number, MESSAGES[kind.number], kind.code, kind.retryable, kind.hint) for kind in kinds]


def test_every_configuration_key_is_explained() -> None:
    page = text_of("docs/operations.md")
    section, keys = "", ["config_version"]
    for line in configuration.render(configuration.Configuration()).splitlines():
        if table := re.match(r"\[([\w.]+)\]", line):
            section = table[1]
            keys += [section] if "." in section else []
        elif key := re.match(r"(\w+) = ", line):
            keys += [f"{section}.{key[1]}"] if section else []
    assert len(keys) >= 15
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_every_metric_is_listed() -> None:
    page = text_of("docs/operations.md")
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "node").glob("*.py")))
    names = set(re.findall(r'"(hansa_[a-z_]+)"', code))
    assert len(names) >= 20
    assert {name for name in names if name not in page} == set()
