"""Changes by hand: each breaks one managed thing. Each names the operations that find it and mend it."""

from typing import NamedTuple

_PSQL = 'cd / && runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 -c "{}"'

_SITE = "/etc/nginx/sites-available/billing_stage"
_UNIT = "/etc/systemd/system/billing_stage.service"
_SECRETS = "/var/stage.secret.exs"
_SECRET_STEP = "Secret file and database password"
_ROOT = "/home/billing/stage"
_ALIASES = "/home/billing/.bash_aliases"
_EPMD = "/etc/systemd/system/epmd.socket.d/loopback.conf"
_PORTS = "/etc/deploy-ports.nft"
_PRIVATE_BLOCK = "/^# BEGIN billing_stage/,/^# END billing_stage/"


class Damage(NamedTuple):
    """One difference from the data.

    + name: of the damage
    + command: makes it; root runs it on the host
    + expected: the line of drift, "environment: operation" or "sandbox: operation" for the machine
    """

    name: str
    command: str
    expected: list[str]


def _sql(statement: str, database: str = "postgres") -> str:
    return f"{_PSQL.format(statement)} {database}"


# Each of these can be done after those before it, and after FURTHER.
INDEPENDENT = [
    Damage("site content", f"echo '# by hand' >> {_SITE}", ["stage: Site"]),
    Damage("site link", "rm /etc/nginx/sites-enabled/billing_prod", ["prod: Site"]),
    Damage("unit content", f"echo '# by hand' >> {_UNIT}", ["stage: Unit", "stage: Unit: systemd reloads"]),
    Damage("secret file's content", f"echo '# by hand' >> {_SECRETS}", [f"stage: {_SECRET_STEP}"]),
    Damage("secret file's mode", "chmod 644 /var/prod.secret.exs", [f"prod: {_SECRET_STEP}"]),
    Damage("role's password", _sql("ALTER ROLE billing_stage PASSWORD 'by hand'"), [f"stage: {_SECRET_STEP}"]),
    Damage("role's attribute", _sql("ALTER ROLE billing_prod CREATEDB"), ["prod: PostgreSQL role"]),
    Damage("database's owner", _sql("ALTER DATABASE billing_stage OWNER TO postgres"), ["stage: PostgreSQL database"]),
    Damage(
        "CONNECT for everybody",
        _sql("GRANT CONNECT ON DATABASE billing_prod TO PUBLIC"),
        ["prod: PostgreSQL database: open to its owner alone"],
    ),
    Damage("extension dropped", _sql("DROP EXTENSION citext", "billing_stage"), ["stage: PostgreSQL extensions"]),
    Damage(
        "alias changed", f"sed -i '{_PRIVATE_BLOCK}s/^alias logs=.*/alias logs=ls/' {_ALIASES}", ["stage: Bash aliases"]
    ),
    Damage(
        "tables of ports",
        "nft flush ruleset",
        ["sandbox: Machine: closed ports: in force", "stage: Port: in force", "prod: Port: in force"],
    ),
    Damage(
        "half logins stay",
        f"{_sql('ALTER SYSTEM RESET authentication_timeout')} && {_sql('SELECT pg_reload_conf()')} && sleep 0.2",
        ["sandbox: Machine: PostgreSQL waits for no half login"],
    ),
    Damage("nginx disabled", "systemctl disable -q nginx", ["sandbox: Machine: nginx runs"]),
    # Last: systemctl disable reloads systemd, and the socket then listens elsewhere.
    Damage("epmd's override edited", f"sed -i s/127.0.0.1/0.0.0.0/ {_EPMD}", ["sandbox: Machine: epmd's address"]),
]

# These are of the same kinds as the others, so they are not tried one by one.
FURTHER = [
    Damage("mode of the page", "chmod 700 /var/www/billing_stage", ["stage: Site: directory of the page"]),
    Damage("page", "echo by hand > /var/www/billing_stage/502.html", ["stage: Site: page while no release answers"]),
    Damage(
        "certificate",
        "rm /etc/ssl/private/billing_prod.pem",
        ["prod: Site: self-signed certificate", "prod: Site"],
    ),
    Damage("default server", "rm /etc/nginx/sites-available/default-server", ["sandbox: Machine: default server"]),
    Damage("variables", "echo MORE=1 >> /etc/default/billing_stage", ["stage: Unit: variables"]),
    Damage(
        "secret variables' content",
        "echo MORE=1 >> /var/lib/billing_stage/variables.secret",
        [f"stage: {_SECRET_STEP}"],
    ),
    Damage("secret variables gone", "rm /var/lib/billing_prod/variables.secret", [f"prod: {_SECRET_STEP}"]),
    Damage(
        "polkit rule",
        "rm /etc/polkit-1/rules.d/50-billing_stage.rules",
        ["stage: Unit: may be restarted by the login user"],
    ),
    Damage("cookie's content", f"echo MORE >> {_ROOT}/private/.erlang.cookie", ["stage: Erlang cookie"]),
    Damage("cookie's mode", "chmod 644 /home/billing/prod/private/.erlang.cookie", ["prod: Erlang cookie"]),
    Damage("mode of the aliases", f"chmod 600 {_ALIASES}", ["sandbox: Machine: aliases of billing"]),
    Damage("AppSignal's mode", f"chmod 777 {_ROOT}/appsignal", ["stage: Root directory"]),
    Damage("AppSignal's directory", "rm -r /home/billing/prod/appsignal", ["prod: Root directory"]),
    Damage("root directory's mode", f"chmod 777 {_ROOT}", ["stage: Root directory"]),
    Damage("private directory's mode", f"chmod 755 {_ROOT}/private", ["stage: Root directory"]),
    Damage(
        "journal's limit",
        "echo SystemMaxUse=1M >> /etc/systemd/journald.conf.d/50-limit.conf",
        ["sandbox: Machine: journal limit", "sandbox: Machine: journal restarts"],
    ),
    Damage("file of closed ports", f"echo '# by hand' >> {_PORTS}", ["sandbox: Machine: closed ports: table"]),
    Damage("user's shell", "usermod -s /bin/sh billing", ["sandbox: Machine: user billing"]),
    Damage("home's mode", "chmod 755 /home/billing", ["sandbox: Machine: home of billing"]),
    Damage("PostgreSQL disabled", "systemctl disable -q postgresql", ["sandbox: Machine: PostgreSQL runs"]),
]

# Each of these comes alone: it changes the same things as others, or things that others need.
ALONE = [
    Damage("unit disabled", "systemctl disable -q billing_stage", ["stage: Unit: starts at boot"]),
    Damage(
        "unit systemd does not know yet",
        "touch /etc/systemd/system/billing_prod.service",
        ["prod: Unit: systemd reloads"],
    ),
    Damage(
        "drop-in",
        "systemctl set-property billing_stage.service MemoryMax=700M",
        ["stage: Unit: without drop-ins", "stage: Unit: systemd reloads"],
    ),
    Damage("site's owner", f"chown billing {_SITE}", ["stage: Site"]),
    Damage("unit's owner", f"chown billing {_UNIT}", ["stage: Unit"]),
    Damage("site changed and not read", f"touch {_SITE}", ["stage: Site"]),
    Damage(
        "Debian's default site",
        "ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default",
        ["sandbox: Machine: default server"],
    ),
    Damage("unit removed", f"rm {_UNIT}", ["stage: Unit", "stage: Unit: systemd reloads"]),
    Damage("secret file's owner", f"chown billing {_SECRETS}", [f"stage: {_SECRET_STEP}"]),
    Damage("secret file removed", f"rm {_SECRETS}", [f"stage: {_SECRET_STEP}"]),
    Damage("connection limit", _sql("ALTER ROLE billing_stage CONNECTION LIMIT -1"), ["stage: PostgreSQL role"]),
    Damage("membership", _sql("GRANT billing_prod TO billing_stage"), ["stage: PostgreSQL role"]),
    Damage(
        "CONNECT for another role",
        _sql("GRANT CONNECT ON DATABASE billing_stage TO billing_prod"),
        ["stage: PostgreSQL database: open to its owner alone"],
    ),
    Damage(
        "database dropped",
        _sql("DROP DATABASE billing_stage"),
        [
            "stage: PostgreSQL database",
            "stage: PostgreSQL database: open to its owner alone",
            "stage: PostgreSQL extensions",
        ],
    ),
    Damage("alias block removed", f"sed -i '{_PRIVATE_BLOCK}d' {_ALIASES}", ["stage: Bash aliases"]),
    Damage(
        "aliases removed",
        f"rm {_ALIASES}",
        ["sandbox: Machine: aliases of billing", "stage: Bash aliases", "prod: Bash aliases"],
    ),
    Damage("AppSignal's owner", f"chown root:root {_ROOT}/appsignal", ["stage: Root directory"]),
    Damage(
        "root directory removed",
        f"rm -r {_ROOT}",
        [f"stage: {step}" for step in ("Root directory", "Erlang cookie")],
    ),
    Damage("epmd's override removed", f"rm {_EPMD}", ["sandbox: Machine: epmd's address"]),
    Damage(
        "epmd on all interfaces",
        f"rm {_EPMD} && systemctl daemon-reload && systemctl stop epmd.service epmd.socket && "
        "systemctl start epmd.socket",
        ["sandbox: Machine: epmd's address", "sandbox: Machine: epmd runs on loopback"],
    ),
    Damage(
        "port mapper changed",
        "sed -i s/20672/20800/ /etc/systemd/system/billing_stage-epmd.socket",
        ["stage: Port mapper: socket"],
    ),
    Damage(
        "port mapper stopped",
        "systemctl disable -q --now billing_stage-epmd.socket billing_stage-epmd.service",
        ["stage: Port mapper: listens"],
    ),
    Damage("epmd disabled", "systemctl disable -q epmd.socket", ["sandbox: Machine: epmd runs on loopback"]),
    Damage(
        "rule of closed ports",
        "nft flush chain inet deploy_ports input",
        ["sandbox: Machine: closed ports: in force"],
    ),
    Damage(
        "unit of closed ports disabled",
        "systemctl disable -q deploy-ports",
        ["sandbox: Machine: closed ports: in force"],
    ),
    Damage(
        "unit of closed ports edited",
        "echo '# by hand' >> /etc/systemd/system/deploy-ports.service",
        [
            "sandbox: Machine: closed ports: unit",
            "sandbox: Machine: closed ports: systemd reads deploy-ports.service",
        ],
    ),
    Damage("log of disks stopped", "systemctl stop deploy-disk-log.timer", ["sandbox: Machine: log of disks: runs"]),
    Damage("nftables removed", "dpkg --remove --force-depends nftables", ["sandbox: Machine: packages"]),
    Damage("nginx stopped", "systemctl stop nginx", ["sandbox: Machine: nginx runs"]),
    Damage("PostgreSQL stopped", "systemctl stop postgresql", ["sandbox: Machine: PostgreSQL runs"]),
    Damage(
        # Another group takes its number: with the same number again, the secret file would be right by chance.
        "group removed",
        "groupdel billing_stage && groupadd --system successor",
        ["stage: Group of the secret file", f"stage: {_SECRET_STEP}"],
    ),
    Damage("openssl removed", "dpkg --remove --force-depends openssl", ["sandbox: Machine: packages"]),
    Damage("iproute2 removed", "dpkg --remove --force-depends iproute2", ["sandbox: Machine: packages"]),
    Damage("nginx removed", "dpkg --remove --force-depends nginx", ["sandbox: Machine: packages"]),
]
