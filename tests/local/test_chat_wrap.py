from __future__ import annotations

import pytest
from rich.cells import cell_len

from remanence.local.chat_wrap import Wrapper, harmless

PROSE = "The quick brown fox jumps over the lazy dog and runs away into the deep dark wood."
WIDE = "日本語の長い文章はどこでも折り返せます。漢字とかなが続きます。"


def wrapped(text: str, *, width: int, pieces: int = 1, indent: str = "") -> str:
    wrapper = Wrapper(width=width, indent=indent)
    fed = [wrapper.feed(text[at : at + pieces]) for at in range(0, len(text), pieces)]
    return "".join(fed) + wrapper.finish()


@pytest.mark.parametrize("pieces", [1, 3, 7, 1000])
@pytest.mark.parametrize("text", [PROSE, WIDE, f"{PROSE} {WIDE} end", "x" * 100])
def test_wrapping_keeps_every_line_within_the_width(text: str, pieces: int) -> None:
    lines = wrapped(text, width=30, pieces=pieces, indent="  ").split("\n")

    assert all(line.startswith("  ") for line in lines)
    assert all(cell_len(line.rstrip()) <= 30 for line in lines)
    # Only blanks at margins are lost.
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wrapping_does_not_depend_on_how_the_text_is_cut() -> None:
    assert len({wrapped(PROSE + WIDE, width=25, pieces=n) for n in (1, 2, 5, 500)}) == 1


def test_word_is_not_torn_when_it_arrives_in_pieces() -> None:
    wrapper = Wrapper(width=11)

    assert wrapper.feed("hello wor") == "hello "
    assert wrapper.feed("lds again") == "\nworlds "
    assert wrapper.finish() == "\nagain"


def test_lines_of_the_text_itself_and_their_indentation_are_kept() -> None:
    assert wrapped("a:\n    code\n\nb", width=20, indent="| ") == "| a:\n|     code\n\n| b"


def test_text_for_a_pipe_is_passed_on_at_once() -> None:
    wrapper = Wrapper(width=None)

    assert wrapper.feed("half a wo") == "half a wo"
    assert wrapper.finish() == ""


def test_control_characters_cannot_steer_the_terminal() -> None:
    assert harmless("a\x1b[31mred\x07\x9b2J\r\nb\tc\x00") == "a[31mred2J\nb    c"
    assert Wrapper(width=None).feed("\x1b]0;title\x07") == "]0;title"
