"""Hostile text: pieces that break out of every language that the project writes."""

from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def seldom(rare: st.SearchStrategy[T], usual: st.SearchStrategy[T], one_in: int) -> st.SearchStrategy[T]:
    """Mostly the usual; hypothesis has no weights, and takes a strategy that is given twice to `one_of` once.

    + rare: drawn once in `one_in` times
    + usual: drawn otherwise
    + one_in: at least 3; hypothesis draws bounds more often than other numbers, so the number for `rare` is no bound
    """
    return st.integers(0, one_in - 1).flatmap(lambda number: rare if number == 1 else usual)


# Data that is executed by mistake creates this file.
PWNED = "/tmp/pwned"  # noqa: S108  on a throwaway machine, where nobody else could have made it

_SHELL = (
    f"$(touch {PWNED})", f"`touch {PWNED}`", f"; touch {PWNED};", f"\ntouch {PWNED}\n", f"|touch {PWNED}",
    f"&&touch {PWNED}", "$HOME", "${HOME}", "$", "$$", "'", '"', "'\\''", "\\", "\\\\", "\\\n", "\\n", "!", "!!",
    "~", "~root", "*", "?", "[a-z]", "{a,b}", "&", "&1", "<(id)", ">", "#", " #", "=", "+=", "-", "--", "(", ")",
    "((", "`", "%", "%n", "\t", " ", "  ",
)  # fmt: skip
_SYSTEMD = (
    "%h", "%%", "%i", "%H", "${PORT}", "$PORT", "\nExecStart=/bin/false", "\n[Service]\n", "\\x41", ";",
    "\nPORT=1\n",
)  # fmt: skip
_NGINX = (
    ";", "{", "}", "};", "$host", "\n}\nserver{listen 80;}", "; return 200 pwned;", "include /etc/passwd;", "*.",
    "~^",
)  # fmt: skip
_SQL = (
    "'; DROP ROLE postgres; --", "''", '"', "$$", "$tag$", "E'\\''", "\\'", "\\!id", f"\\! touch {PWNED}", "\\q",
    ":x", ":'x'",
)  # fmt: skip
_ELIXIR = (
    f'#{{File.touch!("{PWNED}")}}', "#{", "\\#{", "##{", "}", '"""', "'''", "~s(", "<%= 1 %>", "\\u{41}", "\\x",
    "?a", "do", "end", ":a", "@a", "&1",
)  # fmt: skip
_TEMPLATE = (
    "{{ 7 * 7 }}", "{% raw %}", "{#", "{unit}", "{console}", "{mark}", "{0}", "%s", "{}",
)  # fmt: skip
_TOML = (
    "'''", '"""', "=", "[a]", "\\u0000", "\n[table]\n", '"\nx = "',
)  # fmt: skip
_UNICODE = (
    "é", "e\u0301", "☃", "𝄞", "\U0001f469\u200d\U0001f467", "\u202e", "\u2066", "\u2028", "\u2029", "\ufeff",
    "\u00a0", "\u00ad", "\u200b", "\x85", "\ufffd", "\ufffe", "\uffff", "\ufdd0", "\U0010ffff", "\ue000",
    "\uff46\uff55", "\ufb01", "א", "ب", "İ", "ß", "\ud800", "\udfff",
)  # fmt: skip
_CONTROL = (
    "\0", "\n", "\r", "\r\n", "\t", "\x01", "\x0b", "\x0c", "\x1b[31m", "\x1c", "\x1f", "\x7f", "\x9b",
)  # fmt: skip
_MARKERS = (
    "# BEGIN billing_stage, managed by the deploy repository",
    "# END billing_stage, managed by the deploy repository",
)  # fmt: skip
_WORDS = (
    "", "a", "A", "0", "-1", "nil", "true", "None", "NaN", "root", "..", "/", "//", "../../etc/passwd",
    "example.com", "@", ":", ".",
)  # fmt: skip

FRAGMENTS = tuple(
    dict.fromkeys(
        (*_WORDS, *_SHELL, *_SYSTEMD, *_NGINX, *_SQL, *_ELIXIR, *_TEMPLATE, *_TOML, *_UNICODE, *_CONTROL, *_MARKERS)
    )
)


def _long(piece: str) -> str:
    return (piece or "long") * (10_240 // len((piece or "long").encode(errors="surrogatepass")))


# Mostly pieces, because a random character seldom means anything to anybody; now and then 10 kB of one.
_PIECES = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join)
_LONG = st.sampled_from(FRAGMENTS).map(_long)
hostile_text = seldom(_LONG, seldom(st.text(max_size=8), _PIECES, one_in=4), one_in=20)
