"""A browser's view of a machine: requests by address, under any name."""

import http.client
import socket
import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and text of a response."""

    status: int
    headers: dict[str, str]
    text: str


def get(address: str, name: str, path: str = "/", *, tls: bool = False, **headers: str) -> Answer:
    """GET a path under a server name.

    + headers: further ones; an underscore in a name stands for a dash

    Raises ConnectionError or http.client.RemoteDisconnected when the server closes, ssl.SSLError when it refuses TLS.
    """
    connection: http.client.HTTPConnection = http.client.HTTPConnection(address, timeout=20)
    if tls:
        connection.sock = tls_connect(address, name)
    connection.request("GET", path, headers={"Host": name} | {key.replace("_", "-"): headers[key] for key in headers})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, text)


def tls_connect(address: str, name: str, **options: ssl.TLSVersion) -> ssl.SSLSocket:
    """A TLS connection whose certificate is not verified.

    + options: attributes of the SSLContext, such as maximum_version
    """
    # Without the system's certificates, which take longer to load than the request takes.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Otherwise OpenSSL itself refuses what the server is asked about.
    context.set_ciphers("ALL:@SECLEVEL=0")
    for option, value in options.items():
        setattr(context, option, value)
    return context.wrap_socket(socket.create_connection((address, 443), timeout=20), server_hostname=name)
