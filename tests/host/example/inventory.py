"""The environments of the tests. Like the inventory.py at the top of the checkout, which belongs to the team.

To deploy to your own server, change HOST. To give one environment a machine of its own, give it another address.
"""

from pyinfra import config, state

import connectors.startup  # noqa: F401  first: it makes the following lines faster
from preflight import interruption, noise, place
from preflight.access import identity
from preflight.check import refuse_what_cannot_work

# Paths below begin in this folder, wherever pyinfra was started.
place.enter_checkout_in_pyinfra()

# A name or address for `ssh devops@HOST`; "sandbox" is the throwaway machine of `make sandbox-up`.
HOST = "sandbox"

# The machines' SSH keys, in a file of this repository. Hosts with an unknown or changed key are refused without a question.
PINNED = {"ssh_known_hosts_file": "known_hosts", "ssh_strict_host_key_checking": "yes"}

SANDBOX = {
    "ssh_config_file": ".sandbox/ssh_config",
    "ssh_strict_host_key_checking": "yes",
    "vault_directory": ".sandbox/vault",
    "vault_identity": ".sandbox/vault/identity.txt",
}


def machine(address: str) -> dict[str, str]:
    """Connection data of a machine. The login key comes from SSH_IDENTITY_FILE, else from an ssh agent or ~/.ssh."""
    access = SANDBOX if address == "sandbox" else PINNED | identity()
    return {"ssh_hostname": address, "ssh_user": "devops"} | access


# One group for each environment, named as its file in group_data.
stage = [("@snapshot/stage", machine(HOST))]
prod = [("@snapshot/prod", machine(HOST))]

# A step that fails stops every environment of the run: prod must not go on when its machine is half prepared. By default
# pyinfra goes on with the others, or asks, and Enter means "go on".
config.FAIL_PERCENT = 0
state.should_raise_failed_hosts = None

interruption.end_pyinfra_of_command_line()
noise.silence()

# The last line checks everything above, the group data and the command line, before anything connects.
refuse_what_cannot_work()
