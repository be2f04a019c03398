"""nginx accepts the sites, and answers with the names and headers from the data."""

import base64
import http.client
import ipaddress
import ssl
from collections.abc import Sequence

from group_data.schema.environment import Environment
from operations.basic_auth import htpasswd
from operations.host.rendering import render
from operations.nginx import CHALLENGES, HEADER_TIMEOUT
from tests.host.web import Answer, get
from tests.inputs.machine_files import fresh, inside, put
from tests.inputs.refusals import Accepted
from tests.sandbox.machine import Machine

_SITES = "/etc/nginx/sites-enabled"
_PAGE = "the page of {}"


def sites_serve(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """nginx takes all sites at once; each answers its own names, with the headers the data says, and no other name.

    nginx does not run before or afterwards. Debian 13's nginx accepts both forms of HTTP/2, Debian 12's only the older one.
    """
    pair = inside(machine, "/run/inputs.pem")
    if not pair.exists():
        machine.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=inputs -keyout /run/inputs.pem "
            "-out /run/inputs.crt 2>/dev/null && cat /run/inputs.crt >> /run/inputs.pem"
        )
    fresh(machine, _SITES)
    put(
        machine,
        {f"{_SITES}/default-server": render("default-server.j2", header_timeout=HEADER_TIMEOUT, challenges=CHALLENGES)},
    )
    pem = pair.read_text()
    placed = [item for item in accepted if _place(machine, item, pem)]
    started = machine.run("nginx -t -q && nginx", check=False)
    # Of two ways to say HTTP/2 on one port nginx only warns.
    errors = [line for line in started.stderr.splitlines() if "[warn]" not in line]
    if started.returncode != 0:
        cases = {f"{_SITES}/{item.case.number}:": item.case for item in placed}
        named = [repr(case) for path, case in cases.items() if path in started.stderr]
        return [f"nginx: {'; '.join(errors)}: {' '.join(named)}"]
    try:
        return [complaint for item in placed for complaint in _complaints(machine, item)]
    finally:
        machine.run("nginx -s stop && while [ -e /run/nginx.pid ]; do sleep 0.01; done")
        for item in placed:
            for path in _certificates(item):
                inside(machine, path).unlink(missing_ok=True)


def _place(machine: Machine, item: Accepted, pem: str) -> bool:
    """Put the files of a case in place; False where a certificate's path is a directory of the system, or below a file."""
    environment = item.environment
    try:
        put(machine, dict.fromkeys(_certificates(item), pem))
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        return False
    directive = machine.release == "trixie" and item.case.number % 2 == 0
    files = {
        f"{_SITES}/{item.case.number}": render(
            "site.j2",
            environment=environment,
            http2_directive=directive,
            header_timeout=HEADER_TIMEOUT,
            challenges=CHALLENGES,
        ),
        f"{environment.page_root}/502.html": _PAGE.format(environment.full_name),
    }
    if environment.basic_auth_user:
        password = item.case.secrets["basic_auth_password"]
        files[environment.htpasswd_path] = htpasswd(environment.basic_auth_user, password, bytes(16))
    put(machine, files)
    return True


def _certificates(item: Accepted) -> set[str]:
    paths = (item.environment.certificate_path, item.environment.certificate_key_path)
    return {path for path in paths if path}


def _complaints(machine: Machine, item: Accepted) -> list[str]:
    address, environment, seen = machine.address, item.environment, {}
    status = _status(environment, machine.slot.gateway)
    names = {environment.domain, *environment.additional_domains}
    tls = environment.tls != "none"
    for name in sorted(names):
        # A name that the wildcard stands for.
        name = name.replace("*.", "any.", 1)
        answer = _ask(address, name, tls)
        if environment.redirect_to not in (None, name):
            leads_to = answer and answer.headers.get("location")
            if leads_to != f"{'https' if tls else 'http'}://{environment.redirect_to}/":
                seen[name] = f"does not lead to {environment.redirect_to}: {answer}"
        elif answer is None or answer.status != status:
            seen[name] = f"does not answer with {status}: {answer}"
        elif (answer.text == _PAGE.format(environment.full_name)) != (status == UNANSWERED):
            seen[name] = f"answers with another page: {answer}"
        elif _headers(answer) != _expected(item):
            seen[name] = f"answers with the headers {_headers(answer)} instead of {_expected(item)}"
        elif status == 401 and not _lets_in(address, name, item):
            seen[name] = "does not let in who gives the password"
        elif tls:
            redirect = _ask(address, name, tls=False)
            if redirect is None or redirect.headers.get("location") != f"https://{name}/":
                seen[name] = f"does not lead to HTTPS: {redirect}"
    stranger = f"not-{environment.domain}"[:63]
    if stranger not in names and _ask(address, stranger, tls) is not None:
        seen[stranger] = "answers though no data names it"
    return [f"nginx: {name} {what}: {item.case}" for name, what in seen.items()]


# Of the application, which is not there: the site's own page comes with it.
UNANSWERED = 502


def _status(environment: Environment, client: str) -> int:
    """The expected answer to a client without a password."""
    allowed = [ipaddress.ip_network(network) for network in environment.allowed_addresses]
    if allowed and not any(ipaddress.ip_address(client) in network for network in allowed):
        return 403
    return 401 if environment.basic_auth_user else UNANSWERED


def _lets_in(address: str, name: str, item: Accepted) -> bool:
    login = f"{item.environment.basic_auth_user}:{item.case.secrets['basic_auth_password']}"
    credentials = base64.b64encode(login.encode()).decode()
    answer = _ask(address, name, item.environment.tls != "none", Authorization=f"Basic {credentials}")
    return answer is not None and answer.status == UNANSWERED


def _ask(address: str, name: str, tls: bool, **headers: str) -> Answer | None:
    try:
        return get(address, name, tls=tls, **headers)
    except (ConnectionError, http.client.HTTPException, ssl.SSLError):
        return None


def _headers(answer: Answer) -> dict[str, str]:
    return {
        name: answer.headers[name] for name in ("x-robots-tag", "strict-transport-security") if name in answer.headers
    }


def _expected(item: Accepted) -> dict[str, str]:
    environment, headers = item.environment, {}
    if not environment.indexed:
        headers["x-robots-tag"] = "noindex, nofollow"
    if environment.hsts:
        headers["strict-transport-security"] = "; ".join(
            [
                f"max-age={environment.hsts_max_age}",
                *["includeSubDomains"] * environment.hsts_include_subdomains,
                *["preload"] * environment.hsts_preload,
            ]
        )
    return headers
