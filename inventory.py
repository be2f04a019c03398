"""Which environments there are, and the machine each lives on.

To deploy to your own server, change HOST. To give one environment a machine of its own, give it another address.
"""

from pyinfra import config, state

import connectors.startup  # noqa: F401  first: it tunes what the following lines cost
from preflight import interruption, noise
from preflight.access import identity
from preflight.check import refuse_what_cannot_work

# A name or address that `ssh devops@HOST` reaches; "sandbox" is the throwaway machine of `make sandbox-up`.
HOST = "sandbox"

# The machines' own keys, in a file of this repository: an unknown or changed one is refused, never asked about.
PINNED = {"ssh_known_hosts_file": "known_hosts", "ssh_strict_host_key_checking": "yes"}

SANDBOX = {
    "ssh_config_file": ".sandbox/ssh_config",
    "ssh_strict_host_key_checking": "yes",
    "vault_directory": ".sandbox/vault",
    "vault_identity": ".sandbox/vault/identity.txt",
}


def machine(address: str) -> dict[str, str]:
    """How to connect to one machine: with the key in SSH_IDENTITY_FILE, else an ssh agent's or one in ~/.ssh."""
    access = SANDBOX if address == "sandbox" else PINNED | identity()
    return {"ssh_hostname": address, "ssh_user": "devops"} | access


# One group for each environment, named as its file in group_data.
stage = [("@snapshot/stage", machine(HOST))]
prod = [("@snapshot/prod", machine(HOST))]

# A step that fails stops every environment of the run: prod must not go on when the machine it shares is half prepared.
# pyinfra's own default goes on with the others, or asks, and Enter means "go on".
config.FAIL_PERCENT = 0
state.should_raise_failed_hosts = None

interruption.end_pyinfra_of_command_line()
noise.silence()

# The last line: everything above is checked, with the group data and the command line, before anything connects.
refuse_what_cannot_work()
