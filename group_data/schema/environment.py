"""One environment of one application, with every name that follows from the pair (app, environment)."""

from functools import cached_property

from group_data.schema.release_tool import RELEASE_TOOLS, ReleaseTool
from group_data.schema.settings import Settings
from group_data.schema.version import is_version

# What Debian's package ca-certificates makes.
SYSTEM_CA_PATH = "/etc/ssl/certs/ca-certificates.crt"


class Environment(Settings):
    """Settings plus everything derived from them. Operations take names from here and never compose their own."""

    @property
    def full_name(self) -> str:
        """`billing_stage`: nginx site, group, PostgreSQL role and database."""
        return f"{self.app}_{self.environment}"

    @property
    def user(self) -> str:
        """Unix user the application runs as."""
        return self.app

    @property
    def group(self) -> str:
        """Group that may read this environment's secret file; given to the unit alone."""
        return self.full_name

    @property
    def unit(self) -> str:
        """systemd unit of the application."""
        return f"{self.full_name}.service"

    @property
    def unit_path(self) -> str:
        """File of the systemd unit."""
        return f"/etc/systemd/system/{self.unit}"

    @property
    def variables_path(self) -> str:
        """File of the unit's environment variables; no secrets, so that aliases may read it too."""
        return f"/etc/default/{self.full_name}"

    @property
    def polkit_rule_path(self) -> str:
        """Rule that lets the application user start, stop and restart this unit."""
        return f"/etc/polkit-1/rules.d/50-{self.full_name}.rules"

    @property
    def home(self) -> str:
        """Home of the application user."""
        return f"/home/{self.user}"

    @property
    def aliases_path(self) -> str:
        """Bash aliases of the application user, shared by its environments."""
        return f"{self.home}/.bash_aliases"

    @property
    def root(self) -> str:
        """Everything the application owns in this environment; parent of AppSignal's working directory."""
        return f"{self.home}/{self.environment}"

    @property
    def app_path(self) -> str:
        """Link to the running release."""
        return f"{self.root}/{self.app}"

    @property
    def releases_path(self) -> str:
        """Directory of the unpacked releases, one for each version; the application reads it and cannot write there."""
        return f"{self.root}/releases"

    @property
    def state_path(self) -> str:
        """What root alone keeps of an environment's releases. Mode 0700."""
        return f"/var/lib/{self.full_name}"

    @property
    def artifacts_path(self) -> str:
        """Tarballs that were built or uploaded, each with its checksum. Mode 0700: Distillery's hold secrets."""
        return f"{self.state_path}/artifacts"

    @property
    def backups_path(self) -> str:
        """The database as it was before each migration."""
        return f"{self.state_path}/backups"

    @property
    def revisions_path(self) -> str:
        """Log of what was released when, by whom, and how it ended."""
        return f"{self.state_path}/revisions.log"

    @property
    def switch_path(self) -> str:
        """Program on the host that brings a release into service, or goes back."""
        return f"/usr/local/libexec/{self.full_name}-switch"

    @property
    def switch_unit(self) -> str:
        """systemd unit it runs as, for as long as it works."""
        return f"{self.full_name}-switch.service"

    @property
    def task_unit(self) -> str:
        """systemd unit of a command of a release, such as a migration."""
        return f"{self.full_name}-task.service"

    @property
    def build_unit(self) -> str:
        """systemd unit of a build."""
        return f"{self.full_name}-build.service"

    @property
    def build_program_path(self) -> str:
        """Program on the build host that builds; no secrets in it, and the application user runs it."""
        return f"/usr/local/libexec/{self.full_name}-build"

    @property
    def build_path(self) -> str:
        """Where the build host builds: sources, dependencies and what was compiled before."""
        return f"/var/cache/{self.full_name}-build"

    def release_path(self, version: str) -> str:
        """Directory of one release."""
        return f"{self.releases_path}/{version}"

    def tarball_name(self, version: str) -> str:
        """Name of the file a release is shipped in; `version_of` is its inverse.

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
        """HOME of the running release: its cookie and whatever it renders at start. Mode 0700."""
        return f"{self.root}/private"

    @property
    def cookie_path(self) -> str:
        """Where the Erlang VM reads its cookie from, as `HOME` is `private_path`."""
        return f"{self.private_path}/.erlang.cookie"

    @property
    def appsignal_path(self) -> str:
        """AppSignal's working directory."""
        return f"{self.root}/appsignal"

    @property
    def secret_path(self) -> str:
        """What the application's configuration imports as `<environment>.secret.exs`."""
        return f"/var/{self.environment}.secret.exs"

    @property
    def page_root(self) -> str:
        """Folder of the page nginx shows while no release answers."""
        return f"/var/www/{self.full_name}"

    @property
    def certificate_path(self) -> str | None:
        """Certificate chain nginx serves, None without TLS."""
        return self.self_signed_path if self.tls == "self_signed" else self.tls_certificate

    @property
    def certificate_key_path(self) -> str | None:
        """Its key. A self-signed pair shares one file, so that replacing it is one rename."""
        return self.self_signed_path if self.tls == "self_signed" else self.tls_key

    @property
    def self_signed_path(self) -> str:
        """Where a self-signed certificate and its key are, with tls = 'self_signed'."""
        return f"/etc/ssl/private/{self.full_name}.pem"

    @property
    def htpasswd_path(self) -> str:
        """User and hashed password that nginx asks for, with basic_auth_user."""
        return f"/etc/nginx/{self.full_name}.htpasswd"

    @property
    def provided_files(self) -> dict[str, str]:
        """Files that somebody else puts on the host, by the setting that names them."""
        settings = ("tls_certificate", "tls_key", "database_tls_ca")
        return {setting: path for setting in settings if (path := getattr(self, setting))}

    @property
    def server_names(self) -> tuple[str, ...]:
        """All names the site answers to, the main one first."""
        return (self.domain, *self.additional_domains)

    @property
    def scheme(self) -> str:
        """What a browser speaks with the site, at the port that is usual for it."""
        return "http" if self.tls == "none" else "https"

    @property
    def url_port(self) -> int:
        """Where nginx listens for the site."""
        return 80 if self.tls == "none" else 443

    @property
    def url(self) -> str:
        """Where a browser finds the site."""
        return f"{self.scheme}://{self.domain}"

    @property
    def node(self) -> str:
        """Erlang node name."""
        return self.node_name or f"{self.full_name}@127.0.0.1"

    @property
    def database(self) -> str:
        """PostgreSQL database, and its role where it is managed here."""
        return self.database_name or self.full_name

    @property
    def database_role(self) -> str:
        """PostgreSQL role the application logs in as."""
        return self.database_user or self.full_name

    @property
    def database_is_local(self) -> bool:
        """Whether PostgreSQL runs on the machine itself, whoever manages it."""
        return self.database_host == "localhost" or self.database_host.startswith("127.")

    @property
    def database_ca_path(self) -> str:
        """Certificates of the authorities that PostgreSQL's certificate is checked against."""
        return self.database_tls_ca or SYSTEM_CA_PATH

    @property
    def app_module_name(self) -> str:
        """`Billing`, as Macro.camelize/1 makes it of `billing`."""
        return self.app_module or "".join(part.capitalize() for part in self.app.split("_"))

    @property
    def repo(self) -> str:
        """Ecto repo."""
        return self.repo_module or f"{self.app_module_name}.Repo"

    @property
    def endpoint(self) -> str:
        """Phoenix endpoint."""
        return self.endpoint_module or f"{self.app_module_name}Web.Endpoint"

    @property
    def migrate_expression(self) -> str:
        """Elixir that migrates the database."""
        return self.migrate_command or f"{self.app_module_name}.Release.migrate()"

    @property
    def migrate_down_expression(self) -> str:
        """Elixir that takes migrations back, with {version} for the last of them."""
        return self.migrate_down_command or f"{self.app_module_name}.Release.rollback({self.repo}, {{version}})"

    @property
    def migrations_expression(self) -> str:
        """Elixir that prints `up` or `down`, version and name of each migration."""
        return self.migrations_command or (
            f"Application.load(:{self.app}); "
            f"{{:ok, all, _}} = Ecto.Migrator.with_repo({self.repo}, &Ecto.Migrator.migrations/1); "
            'for {state, version, name} <- all, do: IO.puts("#{state} #{version} #{name}")'
        )

    @property
    def tool(self) -> ReleaseTool:
        """What the release tool calls its commands."""
        return RELEASE_TOOLS[self.release_tool]

    @property
    def start_command(self) -> str:
        """What the release tool calls running in the foreground, as systemd wants it."""
        return f"{self.app_path}/bin/{self.app} {self.tool.start}"

    @property
    def secrets_read_at_start(self) -> bool:
        """Whether a changed secret needs a restart (mix release) or a new build (Distillery)."""
        return self.release_tool == "mix"

    @property
    def built_for(self) -> str:
        """What a build has in it of this environment; a tarball with other words cannot be released to it."""
        words = [f"MIX_ENV={self.mix_env}"]
        if self.deployment_config:
            words.append(f"DEPLOYMENT_CONFIG={self.deployment_config}")
        if not self.secrets_read_at_start:
            words.append(f"the secrets of {self.environment}")
        return " ".join(words)

    @property
    def needed_by_changed_secrets(self) -> str:
        """What a changed secret asks for, for the plan."""
        if self.secrets_read_at_start:
            return "a running release restarts"
        return "build and deploy a new release: the running one keeps what it was built with"

    @property
    def start_files(self) -> list[str]:
        """What a running release is out of date against."""
        files = [self.unit_path, self.variables_path, self.cookie_path]
        return [*files, self.secret_path] if self.secrets_read_at_start else files

    @property
    def console_command(self) -> str:
        """What the release tool calls a shell inside the running node."""
        return self.tool.console

    @cached_property
    def shell_aliases(self) -> dict[str, str]:
        """Aliases with their placeholders filled in; the one named after the environment comes first."""
        # The end of the input would be the end of the node (seen with OTP 27).
        refusal = "[ -t 0 ] || { echo 'a console needs a terminal' >&2; exit 1; }"
        run = f"( {refusal}; set -a; . {self.variables_path}; cd {self.app_path} && exec bin/{self.app} "
        values = {
            "{unit}": self.full_name,
            "{app_path}": self.app_path,
            "{root}": self.root,
            "{console}": f"{run}{self.console_command} )",
        }
        aliases = {self.environment: f"cd {self.app_path} 2>/dev/null || cd {self.root}"}
        for name, command in self.aliases.items():
            for placeholder, value in values.items():
                command = command.replace(placeholder, value)
            aliases[name] = command
        return aliases
