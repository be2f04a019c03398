"""Every setting of group data, with its unit, bounds, default and meaning."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from group_data.schema.addresses import Address, DatabaseHost, Network, NodeName, ServerName, SiteName
from group_data.schema.types import (
    AbsolutePath,
    AcmeDirectory,
    AcmeProfile,
    AliasName,
    BasicAuthUser,
    DatabaseName,
    Elixir,
    ElixirVersion,
    ErlangVersion,
    ExtensionName,
    GitHost,
    HexName,
    HexRepository,
    HostName,
    KnownHost,
    MailAddress,
    ModuleName,
    Name,
    PackageName,
    Port,
    RelativePath,
    RepositoryUrl,
    Sha256,
    SingleLine,
    SourceUrl,
    Text,
    ToolchainUrl,
    TsigKeyName,
    UrlPath,
    VariableName,
)


class Settings(BaseModel):
    """Flat keys, because pyinfra merges group data by top-level key only. Unknown keys are errors.

    Rules between several keys are in `rules.py`. A validator here would not run as soon as one key is wrong by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    app: Name = Field(
        description="The application: its OTP name, unix user and home, and first half of every derived name.",
        examples=["billing"],
    )
    environment: Name = Field(
        description="The environment's short name (stage, prod): second half of every derived name.",
        examples=["stage"],
    )

    domain: ServerName = Field(
        description="The server name the site answers to.",
        examples=["stage.billing.example.com"],
    )
    additional_domains: tuple[SiteName, ...] = Field(
        default=(),
        strict=False,
        description="Further server names of the same site. *.example.com stands for all names one label below example.com; "
        "it needs tls = 'acme' with acme_dns, or tls = 'provided'.",
        examples=[["www.billing.example.com"], ["*.billing.example.com"]],
    )
    redirect_to: ServerName | None = Field(
        default=None,
        description="The domain, if additional_domains only redirect there, such as www to the name without it; path and "
        "query stay. None: the application answers all names.",
        examples=["billing.example.com"],
    )
    indexed: bool = Field(default=False, description="Let search engines index the site; by convention only prod's.")
    port: Port = Field(
        description="TCP port of the application on 127.0.0.1; prod 4000 and stage 4001 by convention.",
        examples=[4001],
        json_schema_extra={"unit": "TCP port"},
    )
    open_ports: tuple[Port, ...] = Field(
        default=(),
        strict=False,
        description="Further TCP ports that the application itself serves to the network, past nginx. A listener at any "
        "other port must be on 127.0.0.1.",
        examples=[[8883]],
        json_schema_extra={"unit": "TCP port"},
    )
    node_port: int | None = Field(
        default=None,
        ge=1024,
        le=32_736,
        description="First of 32 ports in a row on 127.0.0.1, which the environment's Erlang node has to itself: its port "
        "mapper's, then those of the node and of the commands that ask it. None: made of port, between 20000 and 32735.",
        examples=[21_000],
        json_schema_extra={"unit": "TCP port"},
    )
    request_body_limit: int = Field(
        default=8,
        ge=1,
        le=10_240,
        description="Largest request body, in MiB. Phoenix itself reads at most 8 MB.",
        examples=[32],
        json_schema_extra={"unit": "MiB"},
    )
    client_timeout: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="How long nginx waits for the next part of a request's body, or for the client to take the next part of "
        "an answer. The application may take longer to answer. For a request's header, nginx waits 20 seconds in all.",
        examples=[60],
        json_schema_extra={"unit": "seconds"},
    )
    request_timeout: int = Field(
        default=75,
        ge=1,
        le=86_400,
        description="How long nginx waits for the application to begin an answer, or to go on with one; visitors then get "
        "504. It also ends a websocket that is silent for as long, and Phoenix sends a heartbeat every 30 seconds.",
        examples=[300],
        json_schema_extra={"unit": "seconds"},
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Addresses and networks of load balancers or CDNs in front of the host. From them alone nginx takes the "
        "visitor's address (X-Forwarded-For) and scheme (X-Forwarded-Proto); what others say there is overwritten.",
        examples=[["10.0.0.0/8", "2001:db8::1"]],
    )
    address_connections: int = Field(
        default=500,
        ge=0,
        le=65_535,
        description="Requests and websockets that the site serves at a time for one address, or for one network of 64 bits "
        "of IPv6; others get 429. "
        "0: no limit, for a site whose visitors all come through one address, such as a load balancer's that is not in "
        "trusted_proxies.",
        examples=[2000],
        json_schema_extra={"unit": "connections"},
    )

    tls: Literal["none", "self_signed", "provided", "acme"] = Field(
        default="none",
        description="none: plain HTTP. acme: a certificate that browsers trust, ordered and renewed by certbot on the host. "
        "self_signed: one made on the host, which browsers warn of. provided: your own, at tls_certificate.",
    )
    acme_contact: MailAddress | None = Field(
        default=None,
        description="Mail address for the authority's notices; with tls = 'acme' only. None: an account without one.",
        examples=["ops@example.com"],
    )
    acme_directory: AcmeDirectory = Field(
        default="production",
        description="The authority: production and staging are Let's Encrypt's, any other has the URL of its directory. "
        "Browsers trust no certificate of staging.",
        examples=["staging", "https://acme.example.com/directory"],
    )
    acme_profile: AcmeProfile | None = Field(
        default=None,
        description="Profile of certificates that the authority offers, such as shortlived; None: its default. Debian 12's "
        "certbot knows none.",
        examples=["tlsserver"],
    )
    acme_dns: Literal["rfc2136"] | None = Field(
        default=None,
        description="rfc2136: prove by a record in DNS that the names are yours, which certbot writes by dynamic update "
        "(BIND, Knot, PowerDNS), signed with the vault's acme_dns_secret. For wildcards, and for hosts whose port 80 the "
        "world does not reach. None: by a page at port 80.",
        examples=["rfc2136"],
    )
    acme_dns_server: Address | None = Field(
        default=None,
        description="IP address of the name server that takes updates; with acme_dns only.",
        examples=["192.0.2.53"],
    )
    acme_dns_port: int = Field(
        default=53,
        ge=1,
        le=65_535,
        description="Its port, by TCP.",
        examples=[5353],
        json_schema_extra={"unit": "TCP port"},
    )
    acme_dns_key: TsigKeyName | None = Field(
        default=None,
        description="Name of the TSIG key that signs updates, as the name server knows it; with acme_dns only.",
        examples=["billing-prod"],
    )
    acme_dns_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(
        default="hmac-sha256", description="Algorithm of that key. tsig-keygen makes hmac-sha256."
    )
    acme_dns_wait: int = Field(
        default=60,
        ge=1,
        le=3600,
        description="How long certbot waits until all name servers of the zone have the record, before the authority asks "
        "them.",
        examples=[300],
        json_schema_extra={"unit": "seconds"},
    )
    tls_certificate: AbsolutePath | None = Field(
        default=None,
        description="Path on the host of the certificate chain in PEM; with tls = 'provided' only.",
        examples=["/etc/letsencrypt/live/billing.example.com/fullchain.pem"],
    )
    tls_key: AbsolutePath | None = Field(
        default=None,
        description="Path on the host of its private key in PEM; with tls = 'provided' only.",
        examples=["/etc/letsencrypt/live/billing.example.com/privkey.pem"],
    )

    hsts: bool = Field(
        default=False,
        description="Send Strict-Transport-Security; with tls = 'acme' or 'provided' only. Browsers remember it, so apply "
        "hsts_max_age = 0 before you switch it off.",
    )
    hsts_max_age: int = Field(
        default=31_536_000,
        ge=0,
        le=63_072_000,
        description="How long browsers remember it, in seconds: one year. 0 makes a browser forget it at its next visit.",
        examples=[300],
        json_schema_extra={"unit": "seconds"},
    )
    hsts_include_subdomains: bool = Field(
        default=False, description="Include every subdomain; each of them must then have TLS."
    )
    hsts_preload: bool = Field(
        default=False, description="Ask browsers to ship with the domain (hstspreload.org); hard to undo."
    )
    hsts_parents: tuple[ServerName, ...] = Field(
        default=(),
        strict=False,
        description="Domains outside this inventory that send HSTS with includeSubDomains.",
        examples=[["example.com"]],
    )

    allowed_addresses: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="IPv4 and IPv6 addresses and networks (192.0.2.0/24) that may use the site; others get 403. Empty: "
        "everybody may. With basic_auth_user, a visitor needs both. The redirect to HTTPS answers everybody.",
        examples=[["192.0.2.0/24", "2001:db8::1"]],
    )
    basic_auth_user: BasicAuthUser | None = Field(
        default=None,
        description="Name that browsers ask for (HTTP basic auth), with the vault's basic_auth_password; None: off. The "
        "application sees neither. With tls = 'none' both cross the network unencrypted.",
        examples=["team"],
    )

    release_tool: Literal["mix", "distillery"] = Field(
        default="mix",
        description="The tool that builds the release. It decides start command, node settings and secret file.",
    )
    release_name: Name | None = Field(
        default=None,
        description="Name of the release, so of its script bin/<release>; default: the app, or the only one in mix.exs. "
        "For a mix.exs with several releases. Distillery: of the release in rel/config.exs.",
        examples=["billing_umbrella"],
    )
    mix_env: Name = Field(
        default="prod",
        description="MIX_ENV the release is built with; the unit sets it too. Environments with the same one share their "
        "builds: what ran on stage can be promoted to prod.",
        examples=["stage"],
    )
    deployment_config: Name | None = Field(
        default=None,
        description="DEPLOYMENT_CONFIG, for applications that build as :prod for every environment and choose their "
        "configuration with it.",
        examples=["stage"],
    )
    node_name: NodeName | None = Field(
        default=None,
        description="Erlang node; default <app>_<environment>@127.0.0.1. Unique on the machine.",
        examples=["billing_stage@10.0.0.5"],
    )
    app_module: ModuleName | None = Field(
        default=None,
        description="The application's top module; default: the camel-cased app, Billing.",
        examples=["BillingCore"],
    )
    repo_module: ModuleName | None = Field(
        default=None,
        description="The Ecto repo that the secret file configures; default <app_module>.Repo. Migrations are about every "
        "repo in ecto_repos, and about this one if you set it.",
        examples=["Billing.Storage.Repo"],
    )
    endpoint_module: ModuleName | None = Field(
        default=None,
        description="The Phoenix endpoint; default <app_module>Web.Endpoint.",
        examples=["BillingWeb.PublicEndpoint"],
    )
    endpoint_app: Name | None = Field(
        default=None,
        description="The OTP application whose configuration holds the endpoint; default: app. In an umbrella it is usually "
        "another one than the repo's.",
        examples=["billing_web"],
    )
    secret_file_extra: Text = Field(
        default="",
        max_length=65_536,
        description="Elixir appended to the secret file without changes; no secrets here.",
        examples=["config :logger, level: :info"],
    )

    adopt: bool = Field(
        default=False,
        description="Take over what bears this environment's names on the host and was made by somebody else: PostgreSQL "
        "role and database, user, group, unit, files, aliases. Without it the plan names them and is refused. Needed for "
        "one apply; take it out afterwards.",
    )
    database_managed: bool = Field(
        default=True,
        description="Create role and database in the machine's own PostgreSQL; False: somebody else creates them.",
    )
    database_host: DatabaseHost = Field(
        default="127.0.0.1",
        description="Host name or IP address of PostgreSQL. A name is looked up as an IPv4 address, unless unit_environment "
        "has ECTO_IPV6 and the application reads it. This setting and database_tls, database_tls_ca, "
        "database_name and database_user need database_managed = False for another value than the default.",
        examples=["db.example.com"],
    )
    database_port: int = Field(
        default=5432,
        ge=1,
        le=65_535,
        description="TCP port of PostgreSQL; of a cluster of the machine, too, such as 5433 after an upgrade beside the old "
        "one. `pg_lsclusters` on the host lists them.",
        examples=[25060],
        json_schema_extra={"unit": "TCP port"},
    )
    database_tls: Literal["none", "verified"] = Field(
        default="none",
        description="none: no TLS, for loopback and networks without strangers. verified: the certificate must be signed "
        "by database_tls_ca and name database_host. TLS without verification is not offered: it does not stop an attacker "
        "in between.",
    )
    database_tls_ca: AbsolutePath | None = Field(
        default=None,
        description="Path on the host of the CA's certificates in PEM; with database_tls = 'verified' only. Readable by "
        "everybody, and not below /home, /root or /tmp, which are hidden from the application. Default: the system's own, "
        "/etc/ssl/certs/ca-certificates.crt.",
        examples=["/etc/ssl/certs/database-ca.pem"],
    )
    database_name: DatabaseName | None = Field(
        default=None,
        description="Name of the database; default <app>_<environment>.",
        examples=["defaultdb"],
    )
    database_user: DatabaseName | None = Field(
        default=None,
        description="Name of the role that logs in; default <app>_<environment>.",
        examples=["doadmin"],
    )
    database_pool_size: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Connections the Ecto repo keeps open; None: the application's own configuration decides. With a "
        "managed database at most database_connection_limit, or half of it with release_strategy = 'stand_in'. With "
        "release_tool = 'mix' the unit gets it as POOL_SIZE, too.",
        examples=[20],
        json_schema_extra={"unit": "connections"},
    )
    database_extensions: tuple[ExtensionName, ...] = Field(
        default=(),
        strict=False,
        description="Extensions created in the database.",
        examples=[["citext", "uuid-ossp"]],
    )
    database_connection_limit: int = Field(
        default=40,
        ge=1,
        le=10_000,
        description="Connections the role may hold; PostgreSQL allows 100 in all.",
        examples=[20],
        json_schema_extra={"unit": "connections"},
    )

    aliases: dict[AliasName, SingleLine] = Field(
        default_factory=dict,
        description="Bash aliases of the login user, from name to command. {unit}, {app_path}, {root} and {console} "
        "stand for those of this environment. The alias named after the environment always exists.",
        examples=[{"logs": "journalctl --follow --unit {unit}", "console": "{console}"}],
    )
    appsignal: bool = Field(default=False, description="Create AppSignal's directories and point its agent at them.")
    writable_directories: tuple[Name, ...] = Field(
        default=(),
        strict=False,
        description="Directories of the environment's root that the application writes to, such as uploads. It writes to "
        "`private` and AppSignal's anyway, and nowhere else. One that is taken out stays on the host.",
        examples=[["uploads"]],
    )

    restart: Literal["no", "on-failure", "always"] = Field(
        default="on-failure", description="systemd's Restart=. With 'no' only the BEAM's own supervisors restart."
    )
    memory_limit: int = Field(
        default=1024,
        ge=64,
        le=4_194_304,
        description="MemoryMax of the unit in MiB; the kernel kills a unit that needs more.",
        examples=[2048],
        json_schema_extra={"unit": "MiB"},
    )
    cpu_weight: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="CPUWeight: share of the CPU when units compete for it; 100 is the default of systemd.",
        examples=[20],
        json_schema_extra={"unit": "share relative to other units"},
    )
    task_limit: int = Field(
        default=1024,
        ge=64,
        le=1_000_000,
        description="TasksMax: threads and processes.",
        examples=[2048],
        json_schema_extra={"unit": "threads and processes"},
    )
    file_limit: int = Field(
        default=65_536,
        ge=1024,
        le=1_048_576,
        description="LimitNOFILE: open files and sockets.",
        examples=[131_072],
        json_schema_extra={"unit": "open files and sockets"},
    )
    watches_files: bool = Field(
        default=False,
        description="The application may watch files by inotify. What it uses counts against the limit that root and all "
        "environments of the machine share.",
    )
    log_limit: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Lines that the application may log in 30 seconds. The journal drops more, and says how many.",
        examples=[50_000],
        json_schema_extra={"unit": "lines"},
    )
    unit_environment: dict[VariableName, Text] = Field(
        default_factory=dict,
        description="Further environment variables of the unit. Everybody on the machine can read them: no secrets here.",
        examples=[{"MAIL_FROM": "billing@example.com"}],
    )
    secret_variables: tuple[VariableName, ...] = Field(
        default=(),
        strict=False,
        description="Names of secret environment variables, with a capital letter in each. The vault has their values "
        "under the same names. The unit and its one-off commands get them, and nobody else can read them. DATABASE_URL and "
        "SECRET_KEY_BASE need no mention: with release_tool = 'mix' they are made from the vault and the settings of the "
        "database.",
        examples=[["STRIPE_KEY", "MAILGUN_API_KEY"]],
    )

    health_path: UrlPath = Field(
        default="/",
        description="Page that shows that the application works, requested on the host through nginx. It does with status "
        "200 to 299, and with a redirect (301, 302, 303, 307, 308) to another page of the same scheme, host and port, such "
        "as a login page. Any other answer takes a release back. On a restricted site, the host itself always gets this "
        "page.",
        examples=["/api/health"],
    )
    health_timeout: int = Field(
        default=60,
        ge=5,
        le=3600,
        description="How long a release may take until the page answers, in seconds.",
        examples=[120],
        json_schema_extra={"unit": "seconds"},
    )
    settle_time: int = Field(
        default=5,
        ge=1,
        le=600,
        description="How long the page must then keep answering before the release counts as good, in seconds.",
        examples=[15],
        json_schema_extra={"unit": "seconds"},
    )
    release_strategy: Literal["stand_in", "restart"] = Field(
        default="stand_in",
        description="How a release, a rollback or a restart takes the place of the running application. stand_in: a second "
        "process proves the release and serves until the unit runs it: no request is lost. restart: the unit "
        "restarts, and nginx shows its page meanwhile; for an application that must not run twice.",
    )
    stand_in_environment: dict[VariableName, Text] = Field(
        default_factory=dict,
        description="Variables that a stand-in has in place of the unit's, for an application with a second port, such as "
        "one for metrics: two processes cannot have the same. Everybody on the machine can read them: no secrets here.",
        examples=[{"METRICS_PORT": "9569"}],
    )
    drain_time: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="How long an application that ends may take for the requests that it has, in seconds. New ones go to "
        "its stand-in meanwhile.",
        examples=[60],
        json_schema_extra={"unit": "seconds"},
    )
    keep_releases: int = Field(
        default=5,
        ge=2,
        le=100,
        description="Good releases kept on the host, and as many tarballs and database backups. They always include the "
        "running release and the one a rollback would choose.",
        examples=[3],
        json_schema_extra={"unit": "releases"},
    )
    migrate: Literal["before", "after", "never"] = Field(
        default="before",
        description="When a release migrates the database: before the switch, by the new release while the old one still "
        "serves; after the restart, as edeliver did; or never, which leaves it to `make migrate`.",
    )
    migrate_command: Elixir | None = Field(
        default=None,
        description="Elixir that migrates. Default: <app_module>.Release.migrate() if the release has it, as mix "
        "phx.gen.release writes it, and Ecto for every other repo.",
        examples=["Billing.Tasks.migrate()"],
    )
    migrate_down_command: Elixir | None = Field(
        default=None,
        description="Elixir that takes migrations back, the newest first, down to {version} and including it; {repo} is the "
        "repo where there are several. Default: <app_module>.Release.rollback({repo}, {version}) if the release has it, and "
        "Ecto otherwise.",
        examples=["Billing.Tasks.rollback({version})"],
    )
    migrations_command: Elixir | None = Field(
        default=None,
        description="Elixir that prints one line for each migration: up or down, version, name, and its repo in brackets, "
        "[Billing.Audit], where there are several. Default: Ecto lists the migrations of every repo.",
        examples=["Billing.Release.migrations()"],
    )
    migration_lock_timeout: int = Field(
        default=5,
        ge=0,
        le=3600,
        description="How long a migration may wait for a lock of PostgreSQL, in seconds. Requests to the table wait behind "
        "it, so it gives up and is tried again a few times. 0: for ever, for a connection pooler that refuses the parameter "
        "lock_timeout. Migrations run without a limit if one of them has @disable_ddl_transaction.",
        examples=[10],
        json_schema_extra={"unit": "seconds"},
    )
    task_timeout: int = Field(
        default=900,
        ge=10,
        le=86_400,
        description="How long a migration, a backup of the database or `make task` may take, in seconds.",
        examples=[7200],
        json_schema_extra={"unit": "seconds"},
    )

    repository: RepositoryUrl | None = Field(
        default=None,
        description="Git repository for `make build`: a URL, or a path on this computer.",
        examples=["git@github.com:example/billing.git", "../billing"],
    )
    build_directory: RelativePath | None = Field(
        default=None,
        description="Directory of the application in its repository, with its mix.exs; default: the repository's own. All "
        "of the repository is sent to the build, because dependencies by path may lie beside the application.",
        examples=["services/billing"],
    )
    build_host: HostName | None = Field(
        default=None,
        description="Inventory host that builds; default: the environment's own. It must run the same Debian.",
        examples=["stage"],
    )
    build_packages: tuple[PackageName, ...] = Field(
        default=(),
        strict=False,
        description="Debian packages for a build besides Elixir, Erlang, git, make and a C compiler; installed on the build "
        "host.",
        examples=[["nodejs", "npm", "g++"]],
    )
    build_commands: tuple[SingleLine, ...] = Field(
        default=(),
        strict=False,
        description="Shell commands for the checkout before the release is assembled, such as building assets. Phoenix 1.8 "
        "needs mix compile before them: LiveView's compiler writes a part of the JavaScript.",
        examples=[["mix compile", "mix assets.deploy"]],
    )
    build_secrets: tuple[VariableName, ...] = Field(
        default=(),
        strict=False,
        description="Names of secret environment variables of a build, with a capital letter in each, such as tokens for "
        "private dependencies. The vault has their values under the same names. The application gets only those that "
        "secret_variables names, too. docs/private-dependencies.md has the recipes.",
        examples=[["HEX_ORGANIZATION_KEY", "GITHUB_TOKEN"]],
    )
    build_hex_organizations: dict[HexName, VariableName] = Field(
        default_factory=dict,
        description="Private organizations of hex.pm that dependencies come from, each with the name of its key in "
        "build_secrets.",
        examples=[{"acme": "HEX_ORGANIZATION_KEY"}],
    )
    build_hex_repositories: dict[HexName, HexRepository] = Field(
        default_factory=dict,
        description="Other repositories of Hex: the name in mix.exs, and in one text the URL, the fingerprint of the public "
        "key, and the name of the key in build_secrets. A repository without authentication needs no key.",
        examples=[
            {"internal": "https://hex.example.com SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU HEX_INTERNAL_KEY"}
        ],
    )
    build_git_tokens: dict[GitHost, VariableName] = Field(
        default_factory=dict,
        description="Hosts that git fetches private repositories from over https, each with the name of its token in "
        "build_secrets. Where the host asks for a certain user, write user@host; default: x-access-token.",
        examples=[{"github.com": "GITHUB_TOKEN"}],
    )
    build_deploy_key: VariableName | None = Field(
        default=None,
        description="Key of the vault with an OpenSSH private key without a passphrase, by which git fetches private "
        "repositories over ssh. Only a build can read it. It needs build_known_hosts.",
        examples=["BUILD_DEPLOY_KEY"],
    )
    build_known_hosts: tuple[KnownHost, ...] = Field(
        default=(),
        strict=False,
        description="Public keys of the hosts that git fetches from over ssh, as lines of known_hosts; another key is "
        "refused. With build_deploy_key only.",
        examples=[["git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhe7iuqVV2WPjIrsQaqXIpkIEU5jT0hYqT+BZKcmcyY"]],
    )
    build_memory_limit: int | None = Field(
        default=None,
        ge=256,
        le=4_194_304,
        description="MemoryMax of a build in MiB, without swap; None: no limit. A build that needs more ends. When the "
        "machine runs out of memory, a build ends before anything else.",
        examples=[1536],
        json_schema_extra={"unit": "MiB"},
    )
    build_cpu_weight: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="CPUWeight and IOWeight of a build: its share when others need processor or disk as well. cpu_weight of "
        "an application is 100 by default.",
        examples=[5],
        json_schema_extra={"unit": "share relative to other units"},
    )
    include_erts: bool = Field(default=True, description="Include the Erlang runtime in the release.")
    include_src: bool = Field(default=False, description="Include the sources in the release.")
    toolchain: ToolchainUrl | None = Field(
        default=None,
        description="Archive (.tar.gz) with Elixir and Erlang, unpacked on the build host; its bin directories come first "
        "in PATH. Default: Debian's packages of Elixir and Erlang.",
        examples=["https://downloads.example.com/elixir-1.18-otp-27.tar.gz"],
    )
    toolchain_sha256: Sha256 | None = Field(
        default=None,
        description="Its SHA-256, with toolchain only.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    elixir_version: ElixirVersion | None = Field(
        default=None,
        description="Version of Elixir for builds, installed once on the build host for all environments that name it. "
        "Without erlang_version it goes with Debian's Erlang. Default: Debian's Elixir.",
        examples=["1.18.4"],
    )
    elixir_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the archive that elixir_source names. `make toolchain` shows it as long as it is not set.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    elixir_source: SourceUrl = Field(
        default="https://github.com/elixir-lang/elixir/releases/download/v{version}/elixir-otp-{otp}.zip",
        description="URL of Elixir's archive, such as on a mirror; {version} is elixir_version, {otp} the first number of "
        "Erlang's version. An archive of the sources is compiled.",
        examples=["https://mirror.example.com/elixir/v{version}-otp-{otp}.zip"],
    )
    erlang_version: ErlangVersion | None = Field(
        default=None,
        description="Version of Erlang/OTP for builds, compiled once on the build host, with elixir_version only. "
        "Default: Debian's Erlang.",
        examples=["27.3.4"],
    )
    erlang_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the archive that erlang_source names. `make toolchain` shows it as long as it is not set.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    erlang_source: SourceUrl = Field(
        default="https://github.com/erlang/otp/releases/download/OTP-{version}/otp_src_{version}.tar.gz",
        description="URL of the archive with Erlang's sources, such as on a mirror; {version} is erlang_version, {otp} its "
        "first number.",
        examples=["https://mirror.example.com/erlang/otp_src_{version}.tar.gz"],
    )

    journal_limit: int = Field(
        default=1024,
        ge=16,
        le=1_048_576,
        description="Size of the machine's journal in MiB; all environments of a machine must have the same value.",
        examples=[512],
        json_schema_extra={"unit": "MiB"},
    )
    nginx_connections: int = Field(
        default=8192,
        ge=512,
        le=1_048_576,
        description="Connections that each worker of nginx can hold at least; a request to the application takes two. All "
        "environments of a machine must have the same value. A higher one in nginx.conf stays.",
        examples=[32_768],
        json_schema_extra={"unit": "connections"},
    )

    vault_directory: Annotated[str, Field(min_length=1)] = Field(
        default="vault",
        description="Folder with <environment>.age and recipients.txt, relative to the checkout.",
        examples=["vault/prod"],
    )
    vault_identity: str | None = Field(
        default=None,
        description="File with the age or ssh-ed25519 key that opens the vault; default: see docs/secrets.md.",
        examples=["~/.config/age/prod.txt"],
    )
