"""Every sink prints through `printable`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_mcp.observe.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("line\u2028break", "line\\u2028break"),
        ("bell\x07 cr\r null\x00", "bell\\x07 cr\\r null\\x00"),
        ("ok\n\täöü 漢字 👩\u200d💻", "ok\n\täöü 漢字 👩\u200d💻"),
    ],
)
def test_what_could_hide_or_command_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_what_is_printed_can_be_encoded_and_holds_no_control_character(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)


def test_a_limit_cuts_and_says_so() -> None:
    assert printable("abcdef", 4) == "abc…"
