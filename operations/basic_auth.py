"""The password file of a site with basic authentication."""

import base64
import hmac

import bcrypt
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations import nginx_layout
from operations.secret_file import secret_file

# Low on purpose: nginx hashes at every request, and its worker does nothing else meanwhile. 5 is htpasswd's default
# (httpd's passwd_common.h) and costs nginx some 2 ms a request; each further step doubles that. Only root and nginx can
# read the file.
COST = 5

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT_BASE64 = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def htpasswd(user: str, password: str, salt: bytes) -> str:
    """The line of a password file. The same arguments give the same line.

    + user: the name, without a colon
    + password: at most 72 bytes; bcrypt raises ValueError for a longer one
    + salt: 16 bytes
    """
    encoded = base64.b64encode(salt)[:22].translate(bytes.maketrans(_BASE64, _BCRYPT_BASE64))
    hashed = bcrypt.hashpw(password.encode(), b"$2b$%02d$%s" % (COST, encoded))
    return f"{user}:{hashed.decode()}\n"


def password_file(environment: Environment, secrets: Secrets) -> None:
    """Write the user and the hashed password for nginx. nginx reads the file at each request and needs no reload.

    Raises DeployError, while preparing, when the vault has no basic_auth_password.

    + environment: one with basic_auth_user
    + secrets: its vault
    """
    user, password = environment.basic_auth_user, secrets.basic_auth_password
    if user is None or password is None:
        raise DeployError(
            f"basic_auth_user = {user!r} needs basic_auth_password in the vault of {environment.environment}: "
            f"`make vault-init ENV={environment.environment}` makes one, `make vault-edit ENV={environment.environment}` "
            "stores one you choose. Nothing was changed."
        )
    # The salt comes from another secret of the vault: it is the same at the next apply, and does not help to guess the
    # password.
    key = secrets.secret_key_base.get_secret_value().encode()
    salt = hmac.digest(key, f"basic auth of {environment.full_name} for {user}".encode(), "sha256")[:16]
    secret_file(
        name="Site: password file",
        path=environment.htpasswd_path,
        content=htpasswd(user, password.get_secret_value(), salt),
        key="basic_auth_password",
        user="root",
        group=nginx_layout.of_host().group,
        mode="640",
    )
