"""``hansa doctor``, ``backup``, ``restore`` and ``rollback``: what a node has on disk.

What only one command needs is imported in it, so that the others don't wait for it.
"""

import os
from pathlib import Path

import click

from node.cli_settings import Exit, Settings, command, example
from node.home import Home
from state.errors import Invalid, Reason

DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command(epilog=example("hansa doctor alpina", "hansa doctor --home alpina --json"))
@click.argument("home_argument", metavar="[HOME]", required=False, type=DIRECTORY)
@command
def doctor(settings: Settings, home_argument: Path | None) -> int:
    """Say what is wrong in the home of a stopped node, and what to do. Changes nothing.

    Exit code 0: nothing is wrong; 1: something is, or it can't be looked at.
    """
    from node import doctor as looks

    home = Home(home_argument) if home_argument is not None else settings.home
    findings = looks.examine(home, os.environ)
    faults = [finding for finding in findings if finding.severity is looks.Severity.FAULT]
    lines = [f"{finding.severity} {finding.code}: {finding.what} {finding.remedy}" for finding in findings]
    settings.answer(
        {
            "home": str(home.path),
            "healthy": not faults,
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity.value,
                    "what": finding.what,
                    "remedy": finding.remedy,
                }
                for finding in findings
            ],
        },
        [*lines, f"{home.path}: {len(faults)} faults." if faults else f"{home.path}: nothing is wrong."],
    )
    return Exit.REFUSED if faults else Exit.DONE


@click.command(epilog=example("hansa backup /backups/alpina-2026-11-23 --home alpina"))
@click.argument("target", type=DIRECTORY)
@click.option("--with-keys", is_flag=True, help="Keys and wallets, too. Keep such a backup as you keep keys.")
@command
def backup(settings: Settings, target: Path, with_keys: bool) -> None:
    """Make a consistent copy of a home, whether its node runs or not.

    Tables of the databases are linked where TARGET is on the same file system; copy it elsewhere then.
    """
    from node import backup as backups

    made = backups.make(settings.home, target, with_keys=with_keys)
    size = sum(size for size, _ in made.files.values())
    without = [] if with_keys else [f"The keys in {settings.home.keys} are not in it: back them up by themselves."]
    settings.answer(
        {
            "backup": str(target),
            "chain_id": "0x" + made.chain_id.hex(),
            "height": str(made.height),
            "files": len(made.files),
            "bytes": str(size),
            "keys": with_keys,
        },
        [f"{target} holds {settings.home.path} at height {made.height}: {len(made.files)} files.", *without],
    )


@click.command(epilog=example("hansa restore /backups/alpina-2026-11-23 --home alpina"))
@click.argument("source", type=DIRECTORY)
@click.option("--replace", is_flag=True, help="Move the data that is in the home aside.")
@click.option("--journal", "only_journal", is_flag=True, help="Only the journal: the one in the home is damaged.")
@command
def restore(settings: Settings, source: Path, replace: bool, only_journal: bool) -> None:
    """Put a backup back into a home whose node is stopped.

    The newer journal stays, the home's or the backup's. Once started, a validator signs nothing until whatever it may
    have signed since the backup can't matter any more.
    """
    from node import backup as backups

    home = settings.home
    if only_journal and replace:
        raise Invalid(Reason.CONFLICT, "--journal replaces nothing else: leave out --replace")
    if only_journal:
        found = backups.restore_journal(home, source)
    else:
        found = backups.restore(home, source, is_replacing=replace)
    lines = [f"{home.path} is at height {found.height}. Start its node: it fetches the rest and votes again by itself."]
    if not home.node_key.exists():
        lines.append(f"Its keys are not there: put them back into {home.keys} first.")
    settings.answer({"home": str(home.path), "backup": str(source), "height": str(found.height)}, lines)


@click.command(epilog=example("hansa rollback --to 1200 --observer --home watcher"))
@click.option("--to", "height", type=click.IntRange(min=1), required=True, help="The height that it ends at then.")
@click.option("--observer", is_flag=True, help="This home observes, and may go below what it has answered from.")
@click.option("--abstain", is_flag=True, help="This home votes, and abstains until its votes can't matter.")
@command
def rollback(settings: Settings, height: int, observer: bool, abstain: bool) -> None:
    """Take a stopped node back to an earlier height. No decision is undone: the same blocks come again from peers."""
    from node.rollback import roll_back

    done = roll_back(settings.home, height, is_abstaining=abstain, is_observer=observer)
    settings.answer(
        {"home": str(settings.home.path), "from_height": str(done.from_height), "height": str(done.height)},
        [f"{settings.home.path} went back from height {done.from_height} to {done.height}. Start its node."],
    )
