"""Whether an environment is as its data says, as far as its application starts with it.

An application reads its port, its build mode and its addresses from the unit. A release that starts with the unit of before
would run with those of before, and may answer all the same.
"""

from collections.abc import Mapping
from hashlib import sha256

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.files import Sha256File

from group_data.schema.environment import Environment
from operations import nginx, ports, unit
from operations.host import firewall
from operations.host.unit_state import properties


def require(environment: Environment) -> None:
    """Refuse to start the application if unit, variables, site or closed port are not as the data says.

    Nor if systemd or nginx has not read them, as after an apply that was cut off.

    + environment: of the release

    Raises DeployError.
    """
    found = {path: host.get_fact(Sha256File, path=path) for path in _texts(environment)}
    reload_needed = properties(environment.unit).get("NeedDaemonReload") == "yes"
    port_closed = host.get_fact(ports.PortClosed, port=environment.port)
    route = nginx.stale_route(environment.full_name, environment.upstream_ports)
    if reason := refusal(environment, found, reload_needed=reload_needed, port_closed=port_closed, route=route):
        raise DeployError(f"{reason}. First `make apply ENV={environment.environment}`. Nothing was changed")


def refusal(
    environment: Environment,
    found: Mapping[str, str | None],
    *,
    reload_needed: bool,
    port_closed: bool,
    route: str | None = None,
) -> str | None:
    """The reason why a release cannot start, or None.

    + environment: of the release
    + found: SHA-256 of the files on the host, by path; None for one that is not there
    + reload_needed: whether systemd runs another unit than its file says
    + port_closed: whether the machine keeps the application's port to itself
    + route: why nginx passes no requests to the application, if that is so
    """
    name = environment.environment
    if not found[environment.unit_path]:
        # switch.prepare says that this environment is not prepared.
        return None
    texts = _texts(environment)
    stale = [path for path, text in texts.items() if found[path] != sha256(text.encode()).hexdigest()]
    if stale:
        return f"{name} is not as its data says, and a release would start with {' and '.join(stale)} of before"
    if reload_needed:
        return f"{name} is not as its data says: systemd has not read {environment.unit_path} anew"
    if route:
        return f"{name} is not as its data says: {route}"
    if not port_closed:
        port = environment.port
        return f"the machine does not keep port {port} to itself ({firewall.TABLE}), so the network could reach it"
    return None


def _texts(environment: Environment) -> dict[str, str]:
    return {environment.unit_path: unit.text(environment), environment.variables_path: unit.variables(environment)}
