"""`python -m tests.sandbox`: a throwaway Debian machine for this checkout."""

import argparse
import sys

from pyinfra.api.exceptions import PyinfraError

from preflight.inventory import load
from tests.sandbox import checkout, requirements
from tests.sandbox.image import RELEASES
from tests.sandbox.requirements import SandboxError
from tests.sandbox.vaults import VAULTS, make_vaults


def main() -> int:
    """Run one command. Returns 0 after success, and 1 with one message after a failure."""
    arguments = _parser().parse_args()
    try:
        match arguments.action:
            case "up":
                requirements.check()
                checkout.up(arguments.release)
                make_vaults(checkout.DIRECTORY / "vault", _environments())
            case "down":
                requirements.check()
                checkout.down()
            case "ssh":
                checkout.ssh(arguments.command)
            case "packages":
                print(*requirements.REQUIRED_PACKAGES)
    except (SandboxError, PyinfraError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _environments() -> list[str]:
    """The inventory's environments with their secrets in the sandbox's vaults."""
    return [name for name, environment in load().items() if environment.vault_directory == VAULTS]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox",
        description="A throwaway Debian machine with systemd and sshd, reached through .sandbox/ssh_config.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="boot the machine, unless it is up already (needs root)")
    up.add_argument("--release", choices=RELEASES, help=f"the Debian release (default: {checkout.DEFAULT_RELEASE})")
    actions.add_parser("down", help="take the machine down and remove .sandbox (needs root)")
    ssh = actions.add_parser("ssh", help="log in as devops, or run a command as root")
    ssh.add_argument("command", nargs=argparse.REMAINDER, help="given to a shell; quote it as one argument")
    actions.add_parser("packages", help="print the Debian packages this computer needs, on one line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
