"""The rule about HSTS: a parent domain with includeSubDomains locks browsers out of a site without TLS."""

from collections.abc import Iterator, Sequence

from group_data.schema.addresses import covers
from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject

# Top-level domains that browsers ship in their HSTS preload list with includeSubDomains (Chromium's
# transport_security_state_static.json).
PRELOADED_TLDS = frozenset(
    "android app bank boo channel chrome dad day dev eat esq fly foo gle gmail google hangout ing insurance meet meme mov "
    "new nexus page phd play prof rsvp search youtube zip".split()
)


def problems_of_parents(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Sites without a trusted certificate below a domain that sends HSTS. No browser opens them; it has happened to a stage.

    + subjects: every environment of the inventory
    """
    claimed = [claim for subject in subjects for claim in subject.read(_claimed)]
    for subject in subjects:
        for name, site, parents in subject.read(lambda e: [(n, e, e.hsts_parents) for n in e.server_names]):
            parent = _parent(name, parents, claimed)
            if parent and not site.is_trusted:
                yield subject.problem(
                    "tls",
                    f"{name} has tls = {site.tls!r}, but {parent} with includeSubDomains: a browser that has seen it turns "
                    "every address below into HTTPS and shows 'Your connection is not private' without a way past, though "
                    "nothing is wrong with the site itself. Deleting the parent's policy in chrome://net-internals/#hsts "
                    "helps one browser only. Either give this environment a certificate (tls = 'acme' or 'provided'), or "
                    "move it to a domain of another parent (or stop the parent from sending includeSubDomains and wait for "
                    "its max-age)",
                )


def _claimed(e: Environment) -> Iterator[tuple[str, str]]:
    if e.hsts and e.hsts_include_subdomains:
        for name in e.server_names:
            yield name, e.environment


def _parent(name: str, known: Sequence[str], claimed: Sequence[tuple[str, str]]) -> str | None:
    """The parent whose HSTS includes `name`, as a phrase; None without one."""
    tld = name.rpartition(".")[2]
    if tld in PRELOADED_TLDS:
        return f"browsers are shipped with HSTS for .{tld}"
    for parent in known:
        if name == parent or name.endswith(f".{parent}"):
            return f"{parent} (hsts_parents) is known to send HSTS"
    for parent, environment in claimed:
        if _is_below(name, parent):
            return f"{parent} ({environment}) sends HSTS"
    return None


def _is_below(name: str, parent: str) -> bool:
    """Whether a name is below another one, or below one that a wildcard stands for."""
    labels = name.split(".")
    return any(covers(parent, ".".join(labels[start:])) for start in range(1, len(labels)))
