"""Ask whether the node answers.

Exit code 0: all nodes answer. 1: a node does not answer or cannot be asked.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click
from pyinfra.api import Host

from commands import options
from commands.remote import root_refusal, sentence, targets
from connectors import openssh
from connectors.frame import MARK
from connectors.terminal import shown
from group_data.schema.environment import Environment
from inspection.probe import in_release
from operations.host.ssh import run_ssh, ssh

# Seconds for an answer. A host could also say something now and then for ever.
PATIENCE = 120


@options.command(__doc__)
@options.environments
def command(environments: Sequence[str]) -> int:
    """Ask all nodes at once, and print the answers in the inventory's order."""
    asked = targets(environments)
    with ThreadPoolExecutor() as pool:
        troubles = list(pool.map(lambda target: _silence(*target), asked))
    for (_, environment), trouble in zip(asked, troubles, strict=True):
        if trouble:
            click.echo(f"{environment.environment}: {trouble}", err=True)
        else:
            click.echo(f"{environment.environment}: {environment.node} answers")
    return int(any(troubles))


def _silence(host: Host, environment: Environment) -> str | None:
    """The reason why the node does not answer; None if it answers."""
    line = ssh(host, in_release(environment, *environment.tool.ping), together=False)
    run = run_ssh(line, patience=PATIENCE)
    # Without the mark something else ran in place of the command, such as ForceCommand of sshd.
    if run.returncode == 0 and MARK in run.stdout:
        return None
    if run.returncode == openssh.NOT_CONNECTED and (end := openssh.read_end(run.stderr)):
        return sentence(end, host)
    words = run.stderr.rpartition(f"{MARK}\n")[2]
    if "there is no release yet" in words or "may not be executed" in words:
        return shown(words.strip())
    if refused := root_refusal(host):
        return refused
    name = environment.environment
    return f"{environment.node} does not answer: make status ENV={name} and make logs ENV={name} tell more"


if __name__ == "__main__":
    command()
