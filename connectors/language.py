"""The language in which hosts answer: one, whatever theirs is."""

# Of every fact and every program. Numbers have a point and messages are not translated, as with plain C; with that one
# journalctl would hide words that are not ASCII. gettext looks at LANGUAGE first.
LANGUAGE = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}

# As a line of a shell script, and as words before a command of sudo: its own messages are read, too.
EXPORT = f"export {' '.join(f'{name}={value}' for name, value in LANGUAGE.items())}"
_BEFORE = EXPORT.replace("export", "env", 1)


def spoken(command: str) -> str:
    """A command line whose sudo speaks this language. Every login shell understands it.

    + command: line for a login shell
    """
    return f"{_BEFORE} {command}" if command.startswith("sudo ") else command
