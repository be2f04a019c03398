"""The secret variables of an environment: DATABASE_URL, SECRET_KEY_BASE and those that group data names.

An application from Phoenix's generator reads them in `config/runtime.exs`, and does not start without the first two.
"""

from collections.abc import Mapping
from urllib.parse import quote

from pydantic import SecretStr

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.host.rendering import render


def values(environment: Environment, secrets: Secrets) -> dict[str, str]:
    """The value of each secret variable.

    + environment: owner of the variables
    + secrets: its vault; preflight refuses one that lacks a variable
    """
    own = {
        "DATABASE_URL": SecretStr(database_url(environment, secrets)),
        "SECRET_KEY_BASE": secrets.secret_key_base,
        "APPSIGNAL_PUSH_API_KEY": secrets.appsignal_push_api_key,
    }
    made = {name: own[name] for name in environment.own_secret_variables}
    named = {name: secrets.variables[name] for name in environment.secret_variables}
    # AppSignal's key alone may be missing.
    return {name: value.get_secret_value() for name, value in (made | named).items() if value is not None}


def database_url(environment: Environment, secrets: Secrets) -> str:
    """The address of the database with user and password, as Ecto and libpq read it.

    Ecto splits the text at `:`, `@`, `/` and `?` and decodes the percent signs afterwards, so every other character than
    letters, digits and `_.-~` is encoded. `ssl=true` makes Ecto use TLS; whether it verifies the certificate is a question
    of Postgrex (docs/database.md). Ecto keeps a list in `ssl:` of the application's own configuration.

    + environment: its database and role
    + secrets: its vault
    """
    user, password = (quote(text, safe="") for text in (environment.database_role, _password(secrets)))
    host = f"[{environment.database_host}]" if environment.database_is_ipv6 else environment.database_host
    query = "?ssl=true" if environment.database_tls == "verified" else ""
    database = quote(environment.database, safe="")
    return f"postgres://{user}:{password}@{host}:{environment.database_port}/{database}{query}"


def _password(secrets: Secrets) -> str:
    return secrets.database_password.get_secret_value()


def text(environment: Environment, variables: Mapping[str, str], digests: Mapping[str, str]) -> str:
    """The content of the file, in the syntax of systemd.

    + environment: owner of the variables
    + variables: values by name
    + digests: of the values, by name
    """
    return render("variables.secret.j2", environment=environment, variables=variables, digests=digests)
