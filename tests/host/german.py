"""A machine whose language is German: numbers have a comma, and programs translate what they say."""

from tests.sandbox.machine import Machine

# Of the language that every Debian has, with another sign in its numbers: no package is needed.
_LOCALE = """\
cp --recursive --no-target-directory /usr/lib/locale/C.utf8 /usr/lib/locale/de_DE.utf8
LC_ALL=C sed --in-place 's/[.]/,/g' /usr/lib/locale/de_DE.utf8/LC_NUMERIC
printf 'LANG=de_DE.UTF-8\\nLANGUAGE=de\\n' > /etc/locale.conf
ln --symbolic --force ../locale.conf /etc/default/locale
"""


def speak_german(machine: Machine) -> None:
    """Make German the language of a machine; it counts for its services from the next boot on.

    + machine: a running one
    """
    machine.run(_LOCALE)
    assert "," in machine.ssh("stat --format %.9Z /etc/passwd").stdout
    assert "Datei" in machine.ssh("ls /nowhere 2>&1", check=False).stdout
