"""One environment of one application, with every name derived from the pair (app, environment)."""

from hashlib import sha256

from group_data.schema import toolchain
from group_data.schema.addresses import covers
from group_data.schema.release_tool import RELEASE_TOOLS, ReleaseTool
from group_data.schema.reserved import EPMD_PORT, NODE_PORTS, RESERVED_VARIABLES
from group_data.schema.settings import Settings
from group_data.schema.version import is_version

# The file of Debian's package ca-certificates.
SYSTEM_CA_PATH = "/etc/ssl/certs/ca-certificates.crt"

# Let's Encrypt's.
ACME_DIRECTORIES = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}


class Environment(Settings):
    """Settings plus everything derived from them. Operations take names from here and never compose them."""

    @property
    def full_name(self) -> str:
        """`billing_stage`: nginx site, group, PostgreSQL role and database."""
        return f"{self.app}_{self.environment}"

    @property
    def login(self) -> str:
        """Unix user that people log in as, for all environments of the application. It manages their units."""
        return self.app

    @property
    def user(self) -> str:
        """Unix user the application runs as. Nobody logs in as it."""
        return self.full_name

    @property
    def group(self) -> str:
        """Group that may read this environment's secret file; the application's user has it."""
        return self.full_name

    @property
    def build_user(self) -> str:
        """Unix user that builds. Nobody logs in as it."""
        name = f"{self.full_name}-build"
        # systemd takes 31 characters (https://systemd.io/USER_NAMES).
        return name if len(name) <= 31 else f"{self.full_name[:18]}-{sha256(name.encode()).hexdigest()[:6]}-build"

    @property
    def client_variable(self) -> str:
        """nginx's variable for the client whose connections are counted. The same whatever is set, and short.

        nginx reloads no configuration in which a zone counts by another variable, and takes no long name without a change
        of variables_hash_bucket_size, which is 64 bytes.
        """
        return f"client_{sha256(self.full_name.encode()).hexdigest()[:12]}"

    @property
    def unit(self) -> str:
        """systemd unit of the application."""
        return f"{self.full_name}.service"

    @property
    def slice(self) -> str:
        """systemd's slice of the unit and its stand-in, whose limits hold for both together. A part of system.slice."""
        return f"system-{self.full_name}.slice"

    @property
    def standin_unit(self) -> str:
        """systemd unit of the second process, which serves while the application restarts. It has no file."""
        return f"{self.full_name}-standin.service"

    @property
    def standin_table(self) -> str:
        """Table of the firewall that turns nginx away from the application while its stand-in serves."""
        return f"deploy_standin_{self.full_name}"

    @property
    def standin_node(self) -> str:
        """Erlang node name of the stand-in."""
        name, _, address = self.node.partition("@")
        return f"{name}-standin@{address}"

    @property
    def unit_path(self) -> str:
        """File of the systemd unit."""
        return f"/etc/systemd/system/{self.unit}"

    @property
    def variables_path(self) -> str:
        """File with the unit's environment variables. It holds no secrets, because the aliases read it too."""
        return f"/etc/default/{self.full_name}"

    @property
    def secret_variables_path(self) -> str:
        """File with the unit's secret variables, which systemd reads as root. Mode 0600."""
        return f"{self.state_path}/variables.secret"

    @property
    def own_secret_variables(self) -> tuple[str, ...]:
        """Secret variables that are made from other keys of the vault."""
        if self.release_tool != "mix":
            return ()
        return ("DATABASE_URL", "SECRET_KEY_BASE", *(["APPSIGNAL_PUSH_API_KEY"] if self.appsignal else []))

    @property
    def has_secret_variables(self) -> bool:
        """Whether the unit has secret variables."""
        return bool(self.own_secret_variables or self.secret_variables)

    def makes_variable(self, name: str) -> bool:
        """Whether the project or the release's own scripts set a variable, so that nobody else may.

        + name: of the variable
        """
        return name in RESERVED_VARIABLES or name in self.own_secret_variables or name in self.database_variables

    @property
    def database_variables(self) -> dict[str, str]:
        """Variables about the database that are no secrets, as an application from Phoenix's generator reads them."""
        if self.release_tool != "mix":
            return {}
        pool = {"POOL_SIZE": str(self.database_pool_size)} if self.database_pool_size else {}
        return pool | ({"ECTO_IPV6": "true"} if self.database_is_ipv6 else {})

    @property
    def entry_path(self) -> str:
        """Entry in the machine's list of the environments that were prepared on it."""
        return f"/var/lib/deploy-environments/{self.full_name}"

    @property
    def polkit_rule_path(self) -> str:
        """Rule that allows the login user to start, stop and restart this unit."""
        return f"/etc/polkit-1/rules.d/50-{self.full_name}.rules"

    @property
    def sudo_rule_path(self) -> str:
        """Rule that allows the login user to open a console."""
        return f"/etc/sudoers.d/50-{self.full_name}"

    @property
    def home(self) -> str:
        """Home of the login user."""
        return f"/home/{self.login}"

    @property
    def aliases_path(self) -> str:
        """Bash aliases of the login user, for all environments."""
        return f"{self.home}/.bash_aliases"

    @property
    def root(self) -> str:
        """Directory of root's for everything of the environment; parent of AppSignal's working directory."""
        return f"{self.home}/{self.environment}"

    @property
    def app_path(self) -> str:
        """Root's link to the running release."""
        return f"{self.root}/{self.app}"

    @property
    def releases_path(self) -> str:
        """Directory of the unpacked releases, one for each version; the application can read but not write it."""
        return f"{self.root}/releases"

    @property
    def state_path(self) -> str:
        """Root's own files about an environment's releases. Mode 0700."""
        return f"/var/lib/{self.full_name}"

    @property
    def artifacts_path(self) -> str:
        """Tarballs that were built or uploaded, each with its checksum. Mode 0700, because Distillery's hold secrets."""
        return f"{self.state_path}/artifacts"

    @property
    def backups_path(self) -> str:
        """Dumps of the database, one from before each migration."""
        return f"{self.state_path}/backups"

    @property
    def revisions_path(self) -> str:
        """Log of every release: version, time, person and outcome."""
        return f"{self.state_path}/revisions.log"

    @property
    def revision_path(self) -> str:
        """Variables with the revision of the running release; the switch writes them, and systemd reads them as root."""
        return f"{self.state_path}/revision"

    @property
    def switch_path(self) -> str:
        """Program on the host that switches to a release and, if it is bad, back."""
        return f"/usr/local/libexec/{self.full_name}-switch"

    @property
    def switch_conf_path(self) -> str:
        """What that program reads about the environment."""
        return f"{self.switch_path}.conf"

    @property
    def switch_unit(self) -> str:
        """systemd unit of a running switch."""
        return f"{self.full_name}-switch.service"

    @property
    def boot_unit(self) -> str:
        """systemd unit that ends, at boot, a switch that a power cut cut off. Its end counts as a switch for the lock."""
        return f"{self.full_name}-boot-switch.service"

    @property
    def boot_unit_path(self) -> str:
        """File of that unit."""
        return f"/etc/systemd/system/{self.boot_unit}"

    @property
    def progress_path(self) -> str:
        """The switch's notes about an action, from its beginning to its end."""
        return f"{self.state_path}/switching"

    @property
    def task_unit(self) -> str:
        """systemd unit of a one-off command of a release, such as a migration."""
        return f"{self.full_name}-task.service"

    @property
    def build_unit(self) -> str:
        """systemd unit of a build."""
        return f"{self.full_name}-build.service"

    @property
    def build_program_path(self) -> str:
        """Program on the build host that builds a release. It holds no secrets, and the user of builds runs it."""
        return f"/usr/local/libexec/{self.full_name}-build"

    @property
    def build_conf_path(self) -> str:
        """What that program reads about the environment."""
        return f"{self.build_program_path}.conf"

    @property
    def project_program_path(self) -> str:
        """Elixir program beside the build program that reads the application's mix.exs."""
        return f"{self.build_program_path}.exs"

    @property
    def build_output_program_path(self) -> str:
        """Program beside the build program that shows its output without secrets."""
        return f"{self.build_program_path}.pl"

    @property
    def secrets_program_path(self) -> str:
        """Elixir program beside the build program that finds secrets of the build in the release."""
        return f"{self.build_program_path}.secrets.exs"

    @property
    def hex_program_path(self) -> str:
        """Elixir program beside the build program that gives Hex its keys."""
        return f"{self.build_program_path}.hex.exs"

    @property
    def known_hosts_path(self) -> str:
        """Public keys of the git servers that a build fetches from over ssh."""
        return f"{self.build_program_path}.known_hosts"

    @property
    def vault_variables(self) -> tuple[str, ...]:
        """Keys of the vault with a capital letter that the application or a build gets."""
        deploy_key = (self.build_deploy_key,) if self.build_deploy_key else ()
        return tuple(dict.fromkeys([*self.secret_variables, *self.build_secrets, *deploy_key]))

    @property
    def build_path(self) -> str:
        """Directory on the build host with sources, dependencies and compiled code of earlier builds."""
        return f"/var/cache/{self.full_name}-build"

    @property
    def build_store_path(self) -> str:
        """Tarballs on a build host for an environment of another machine. Mode 0700."""
        return f"{self.build_path}/artifacts"

    @property
    def toolchain_path(self) -> str | None:
        """Directory on the build host with the Elixir and Erlang that group data names; None for Debian's."""
        return toolchain.directory(self)

    def release_path(self, version: str) -> str:
        """Directory of one release.

        + version: of the release
        """
        return f"{self.releases_path}/{version}"

    def tarball_name(self, version: str) -> str:
        """Name of a release's tarball; `version_of` is the inverse.

        + version: of the release
        """
        return f"{self.app}-{version}.tar.gz"

    def version_of(self, tarball_name: str) -> str | None:
        """The version in the name of a tarball; None for any other file.

        + tarball_name: without a directory
        """
        version = tarball_name.removeprefix(f"{self.app}-").removesuffix(".tar.gz")
        return version if is_version(version) and self.tarball_name(version) == tarball_name else None

    @property
    def private_path(self) -> str:
        """HOME of the running release, with its cookie and the files it renders at start. Mode 0700."""
        return f"{self.root}/private"

    @property
    def cookie_path(self) -> str:
        """File with the cookie of the Erlang VM, which looks in its HOME."""
        return f"{self.private_path}/.erlang.cookie"

    @property
    def crash_dump_path(self) -> str:
        """File for the state of an Erlang VM that ends abnormally. The next start keeps it under another name."""
        return f"{self.private_path}/erl_crash.dump"

    @property
    def own_directories(self) -> dict[str, str]:
        """The directories below the root that the application may write to, with their permissions."""
        own = {"private": "700", **({"appsignal": "750"} if self.appsignal else {})}
        return own | dict.fromkeys(self.writable_directories, "750")

    @property
    def has_secrets_in_release(self) -> bool:
        """Whether the files of a release may hold secrets, so that the login user must not read them."""
        return not self.secrets_read_at_start or bool({*self.build_secrets} & {*self.secret_variables})

    @property
    def appsignal_path(self) -> str:
        """AppSignal's working directory."""
        return f"{self.root}/appsignal"

    @property
    def secret_path(self) -> str:
        """Secret file, which the application's configuration imports as `<environment>.secret.exs`."""
        return f"/var/{self.environment}.secret.exs"

    @property
    def page_root(self) -> str:
        """Directory of the page that nginx shows while no release answers."""
        return f"/var/www/{self.full_name}"

    @property
    def assets_path(self) -> str:
        """Digested files of the releases on the host, which nginx serves when the running one does not have them."""
        return f"{self.page_root}/static"

    @property
    def site_logs(self) -> tuple[str, str]:
        """The site's log of requests and its log of errors."""
        return f"/var/log/nginx/{self.full_name}.access.log", f"/var/log/nginx/{self.full_name}.error.log"

    @property
    def certificate_path(self) -> str | None:
        """Certificate chain for nginx; None without TLS."""
        if self.tls == "acme":
            return f"{self.lineage_path}/fullchain.pem"
        return self.self_signed_path if self.tls == "self_signed" else self.tls_certificate

    @property
    def certificate_key_path(self) -> str | None:
        """Private key of the certificate. A self-signed pair shares one file, so that one rename replaces both."""
        if self.tls == "acme":
            return f"{self.lineage_path}/privkey.pem"
        return self.self_signed_path if self.tls == "self_signed" else self.tls_key

    @property
    def lineage_path(self) -> str:
        """Directory of the certificates that certbot orders and renews for the site."""
        return f"/etc/letsencrypt/live/{self.full_name}"

    @property
    def renewal_path(self) -> str:
        """certbot's file about their renewal."""
        return f"/etc/letsencrypt/renewal/{self.full_name}.conf"

    @property
    def failed_order_path(self) -> str:
        """Reason of the last order of a certificate, if it failed."""
        return f"{self.state_path}/order.failed"

    @property
    def acme_dns_path(self) -> str:
        """certbot's file with the name server that takes updates, and the key for it. Mode 0600."""
        return f"{self.state_path}/acme-dns.ini"

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names of an ordered certificate. Authorities refuse a name beside a wildcard that stands for it."""
        return tuple(
            name
            for name in self.server_names
            if not any(other != name and covers(other, name) for other in self.server_names)
        )

    @property
    def acme_url(self) -> str:
        """Directory of the authority."""
        return ACME_DIRECTORIES.get(self.acme_directory, self.acme_directory)

    @property
    def is_trusted(self) -> bool:
        """Whether browsers trust the site's certificate, as far as the data tells."""
        return self.tls == "provided" or (self.tls == "acme" and self.acme_directory != "staging")

    @property
    def self_signed_path(self) -> str:
        """File of a self-signed certificate with its key, for tls = 'self_signed'."""
        return f"/etc/ssl/private/{self.full_name}.pem"

    @property
    def htpasswd_path(self) -> str:
        """nginx's file with user and hashed password, for basic_auth_user."""
        return f"/etc/nginx/{self.full_name}.htpasswd"

    @property
    def provided_files(self) -> dict[str, str]:
        """Files on the host that somebody else provides, by the name of their setting."""
        settings = ("tls_certificate", "tls_key", "database_tls_ca")
        return {setting: path for setting in settings if (path := getattr(self, setting))}

    @property
    def server_names(self) -> tuple[str, ...]:
        """All names of the site, the main one first."""
        return (self.domain, *self.additional_domains)

    @property
    def answered_names(self) -> tuple[str, ...]:
        """The names that the application answers itself, the main one first."""
        return (self.domain,) if self.redirect_to else self.server_names

    @property
    def asked_names(self) -> tuple[str, ...]:
        """The same as a browser asks for them: one label in place of each star."""
        return tuple(name.replace("*.", "any.") for name in self.answered_names)

    @property
    def scheme(self) -> str:
        """Protocol between browser and site: http or https."""
        return "http" if self.tls == "none" else "https"

    @property
    def closed_ports(self) -> tuple[int, ...]:
        """The ports that the machine keeps to itself for this environment: the application's first, then epmd's."""
        return self.port, EPMD_PORT

    @property
    def node_ports(self) -> range:
        """The ports on 127.0.0.1 of the environment's Erlang nodes: the port mapper's, those of nodes, the stand-in's own.

        They are below 32768, from where on Linux takes ports for connections (ip_local_port_range).
        """
        first = self.node_port or 20_000 + self.port % 398 * NODE_PORTS
        return range(first, first + NODE_PORTS)

    @property
    def epmd_port(self) -> int:
        """Port of the environment's own Erlang port mapper, on 127.0.0.1."""
        return self.node_ports[0]

    @property
    def standin_port(self) -> int:
        """Port at which nginx reaches the stand-in."""
        return self.node_ports[-1]

    @property
    def upstream_ports(self) -> tuple[int, ...]:
        """The ports that nginx passes requests to: the application's, then that of a stand-in."""
        return (self.port, self.standin_port) if self.release_strategy == "stand_in" else (self.port,)

    @property
    def epmd_units(self) -> tuple[str, str]:
        """systemd units of that port mapper: the socket, and the service that answers at it."""
        return f"{self.full_name}-epmd.socket", f"{self.full_name}-epmd.service"

    @property
    def epmd_unit_paths(self) -> tuple[str, str]:
        """Files of these units."""
        socket, service = self.epmd_units
        return f"/etc/systemd/system/{socket}", f"/etc/systemd/system/{service}"

    @property
    def owner_table(self) -> str:
        """Table of the firewall that leaves the ports to the application's user."""
        return f"deploy_owner_{self.full_name}"

    @property
    def owner_table_path(self) -> str:
        """File of that table."""
        return f"/etc/deploy-ports.d/{self.full_name}.nft"

    @property
    def url_port(self) -> int:
        """Port of the site in nginx."""
        return 80 if self.tls == "none" else 443

    @property
    def websocket_port(self) -> int:
        """Port on the host where a websocket is tried: nginx, unless it asks for a login or an address."""
        return self.port if self.basic_auth_user or self.allowed_addresses else self.url_port

    @property
    def url(self) -> str:
        """Address of the site in a browser."""
        return f"{self.scheme}://{self.domain}"

    @property
    def site_mark_page(self) -> str:
        """Page that nginx itself answers for the site, in its place no application and no other site."""
        return "/.well-known/deploy-site"

    @property
    def site_mark(self) -> str:
        """What that page says. It tells a stranger nothing, and no two environments have the same."""
        return sha256(f"site of {self.full_name} at {self.domain}".encode()).hexdigest()[:32]

    @property
    def hsts_header(self) -> str | None:
        """Value of the site's Strict-Transport-Security; None: the site sends none, whatever the application says."""
        if not self.hsts:
            return None
        words = [f"max-age={self.hsts_max_age}"]
        words += ["includeSubDomains"] * self.hsts_include_subdomains + ["preload"] * self.hsts_preload
        return "; ".join(words)

    @property
    def node(self) -> str:
        """Erlang node name."""
        return self.node_name or f"{self.full_name}@127.0.0.1"

    @property
    def database(self) -> str:
        """PostgreSQL database."""
        return self.database_name or self.full_name

    @property
    def database_role(self) -> str:
        """PostgreSQL role the application logs in as."""
        return self.database_user or self.full_name

    @property
    def database_is_local(self) -> bool:
        """Whether PostgreSQL runs on the machine itself, managed by this project or not."""
        return self.database_host in ("localhost", "::1") or self.database_host.startswith("127.")

    @property
    def database_is_ipv6(self) -> bool:
        """Whether PostgreSQL has an IPv6 address, to which Postgrex connects only when told so."""
        return ":" in self.database_host

    @property
    def database_ca_path(self) -> str:
        """Certificates of the authorities that may sign PostgreSQL's certificate."""
        return self.database_tls_ca or SYSTEM_CA_PATH

    @property
    def app_module_name(self) -> str:
        """`Billing` for `billing`, as from Macro.camelize/1."""
        return self.app_module or "".join(part.capitalize() for part in self.app.split("_"))

    @property
    def repo(self) -> str:
        """Ecto repo."""
        return self.repo_module or f"{self.app_module_name}.Repo"

    @property
    def migrations_connection(self) -> str:
        """Name of a migration's connections in PostgreSQL (application_name), by which it tells them from others."""
        return f"{self.full_name} migration"

    @property
    def endpoint(self) -> str:
        """Phoenix endpoint."""
        return self.endpoint_module or f"{self.app_module_name}Web.Endpoint"

    @property
    def web_app(self) -> str:
        """OTP application whose configuration holds the endpoint; in an umbrella `billing_web`."""
        return self.endpoint_app or self.app

    @property
    def tool(self) -> ReleaseTool:
        """Commands of the release tool."""
        return RELEASE_TOOLS[self.release_tool]

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.release_name or self.app

    @property
    def release_script(self) -> str:
        """The release's own script, relative to its directory."""
        return f"bin/{self.release}"

    @property
    def start_command(self) -> str:
        """Command that runs the release in the foreground, for systemd."""
        return f"{self.app_path}/{self.release_script} {self.tool.start}"

    @property
    def secrets_read_at_start(self) -> bool:
        """Whether a release reads its secrets at start (mix release) or has them built in (Distillery)."""
        return self.release_tool == "mix"

    @property
    def built_for(self) -> str:
        """Marks of this environment in a build. A tarball with other marks cannot be released to it."""
        words = [f"MIX_ENV={self.mix_env}"]
        if self.deployment_config:
            words.append(f"DEPLOYMENT_CONFIG={self.deployment_config}")
        if not self.secrets_read_at_start:
            words.append(f"the secrets of {self.environment}")
        return " ".join(words)

    @property
    def needed_by_changed_secrets(self) -> str:
        """The consequence of a changed secret, for the plan."""
        if self.secrets_read_at_start:
            return "a running release restarts"
        return "build and deploy a new release: the running one keeps what it was built with"

    @property
    def start_files(self) -> list[str]:
        """Files that a release reads at start; it is out of date when one of them is newer."""
        files = [self.unit_path, self.variables_path, self.cookie_path]
        files += [self.secret_path] if self.secrets_read_at_start else []
        return [*files, self.secret_variables_path] if self.has_secret_variables else files
