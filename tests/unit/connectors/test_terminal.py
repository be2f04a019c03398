"""What a host says cannot steer a terminal."""

from io import BytesIO, StringIO

import pytest

from connectors.terminal import LONGEST, copy, harmless, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße, 你好\tone\n", "Grüße, 你好\tone\n"),
        ("\x1b[2J\x1b]52;c;bGF0ZXI=\x07", "?[2J?]52;c;bGF0ZXI=?"),
        ("\x9b31m\x85\u2028", "?31m??"),
        ("good\rbad", "good?bad"),
        ("line\r\n", "line\r\n"),
        ("\u202egood\u2066\u200b", "?good??"),
        ("\x7f\x08\x0b\x0c\x00", "?????"),
    ],
)
def test_what_a_terminal_would_obey_is_replaced(text: str, expected: str) -> None:
    assert harmless(text) == expected


def test_a_shown_text_is_one_line_of_bounded_length() -> None:
    assert shown("0.2.0\nprod  good") == "0.2.0?prod  good"
    assert shown("x" * 10, 5) == "xxxx…"
    assert shown("x" * 5, 5) == "xxxxx"


def test_output_is_copied_as_it_comes_without_what_a_terminal_would_obey() -> None:
    written = StringIO()
    copy(BytesIO("ü\x1b[2J\n".encode() + b"\xff\n" + b"y" * (LONGEST + 9) + b"\nend"), written)
    assert written.getvalue() == f"ü?[2J\n\ufffd\n{'y' * LONGEST}…\nend"
