"""The flags of a vm.args."""

import re

from checkout.values import Setting

# Several flags may share a line. A value never begins like a flag.
FLAG = r"(?<!\S)(-[a-zA-Z]\w*)(?:[ \t]+((?![+#-])(?:<%=.*?%>|\S)+))?"

_COMMENT = re.compile(r"(?<!\S)#.*")

# Flags that only our block may set.
_TAKEN_OVER = {"-name", "-sname", "-setcookie", "-smp"}


def read_flags(text: str | None, file: str) -> dict[str, Setting]:
    """Reads the flags of a vm.args; the last one of a name counts.

    + text: of the file; None for a missing file
    + file: its path
    """
    return {
        match[1]: Setting(match[2] or "", file, number)
        for number, line in enumerate((text or "").splitlines(), 1)
        for match in re.finditer(FLAG, _COMMENT.sub("", line))
    }


def without_flags(text: str) -> str:
    """A vm.args without the flags that only our block may set; the rest of their lines stays.

    + text: of the file
    """

    def kept(match: re.Match[str]) -> str:
        return "" if match[1] in _TAKEN_OVER else match[0]

    lines = []
    for line in text.splitlines(keepends=True):
        code, comment, rest = line.partition("#")
        changed = re.sub(FLAG + r"[ \t]*", kept, code) + comment + rest
        if changed == line or changed.strip():
            lines.append(changed)
    return "".join(lines)
