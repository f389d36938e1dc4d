"""The ``hansa`` command line.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no node reached, 4 pending. Each group of commands has a module
``cli_*`` of its own; what they do, beside asking and telling, is in modules that know of no command line.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from node.cli_account import account
from node.cli_contract import contract
from node.cli_devnet import devnet
from node.cli_genesis import genesis, init, testnet
from node.cli_gov import gov
from node.cli_identity import identity
from node.cli_inspect import start, status, verify
from node.cli_join import join, keys
from node.cli_settings import Exit, Settings, example, options
from node.cli_statement import statement
from node.cli_storage import backup, doctor, restore, rollback
from node.cli_wallet import wallet

FAULT_ENVIRONMENT = "HANSA_TRACEBACK"
"""Set to see the traceback of a fault of ours."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=example("hansa devnet up", "hansa status --json", "hansa wallet --help"),
)
@click.version_option(package_name=None, version="0.1.0", prog_name="hansa")
@options
@click.pass_context
def hansa(context: click.Context, url: str | None, home_path: Path | None, is_json: bool) -> None:
    """Hansa: a permissioned ledger on which banks settle payments.

    Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no node reached, 4 pending.
    """
    context.obj = Settings(url, home_path, is_json)


GROUPS = (
    *(init, join, keys, genesis, testnet, devnet, start, status),
    *(wallet, account, identity, gov, statement, contract, verify),
    *(doctor, backup, restore, rollback),
)

for member in GROUPS:
    hansa.add_command(member)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    if not __debug__:
        click.echo("hansa: Hansa does not run under python -O: unset PYTHONOPTIMIZE and try again.", err=True)
        return Exit.USAGE
    try:
        code = hansa.main(args=arguments, prog_name="hansa", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("hansa: interrupted.", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # the edge to a person, who gets a sentence
        if os.environ.get(FAULT_ENVIRONMENT):
            raise
        what = f"{type(error).__name__}: {error}"[:300]
        click.echo(f"hansa: a fault in Hansa itself ({what}). Set {FAULT_ENVIRONMENT}=1 for all of it.", err=True)
        return Exit.REFUSED
    return code if isinstance(code, int) else Exit.DONE
