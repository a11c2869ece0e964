"""Numbers in words: short, comparable, never rounded into something that is not so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet import GlassnetError, words
from glassnet.errors import Interrupted


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.counted(0, "picture"), "0 pictures"),
        (words.counted(1, "picture"), "1 picture"),
        (words.counted(2000, "picture"), "2,000 pictures"),
        (words.counted(1, "class", "classes"), "1 class"),
        (words.counted(3, "class", "classes"), "3 classes"),
        (words.listed([]), ""),
        (words.listed(["a"]), "a"),
        (words.listed(list("abcde")), "a, b, c, d, e"),
        (words.listed(list("abcdefg")), "a, b, c, d, e and 2 more"),
        (words.listed([str(i) for i in range(3000)], 2), "0, 1 and 2,998 more"),
        (words.clipped("short"), "short"),
        (words.clipped("x" * 60), "x" * 60),
        (words.clipped("x" * 61), "x" * 57 + "..."),
        (words.by((32, 32)), "32x32"),
        (words.by((3, 32, 32), " × "), "3 × 32 × 32"),
        (words.by(()), "a single number"),
        (words.interval(0.9286, 0.9821), "92.9 to 98.2"),
    ],
)
def test_words_read_as_a_person_would_write_them(said, expected):
    assert said == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.967, "96.7 %"), (0.9999, "99.9 %"), (0.99951, "99.9 %"), (0.0001, "0.1 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share, expected):
    assert words.percent(share) == expected


@given(st.floats(0, 1))
def test_a_share_is_said_to_a_tenth_of_a_percent(share):
    said = float(words.percent(share).removesuffix(" %"))
    assert abs(said - share * 100) <= 0.1
    assert (said == 100) == (share == 1) and (said == 0) == (share == 0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (12.3, "12 s"), (59.4, "59 s"),
        (59.6, "1 min 00 s"), (213, "3 min 33 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_a_time_changes_its_unit_without_a_gap(seconds, expected):
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"), (13_706, "13,706"), (999_999, "999,999"), (2_000_000, "2 M"), (2_345_678, "2.3 M"),
        (23_456_789, "23 M"), (240_000_000, "0.24 G"), (5_600_000_000, "5.6 G"), (1_234_000_000_000, "1,234 G"),
    ],
)  # fmt: skip
def test_a_large_figure_is_cut_to_what_can_be_compared(number, expected):
    assert words.large(number) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (412_345, "412 kB"), (999_499, "999 kB"),
        (999_900, "1 MB"), (1_000_000, "1 MB"), (1_300_000_000, "1.3 GB"), (4_000_000_000_000, "4000.0 GB"),
    ],
)  # fmt: skip
def test_a_size_never_has_four_digits_where_the_next_unit_would_do(size, expected):
    assert words.bytes_read(size) == expected


def test_an_error_is_one_line_of_expected_found_and_fix():
    error = GlassnetError("here", expected="this", found="that\n  and more", fix="Do so.")
    assert str(error) == "here: expected this, found that and more. Do so."
    assert str(GlassnetError("here", found="it broke", fix="Mend it")) == "here: it broke. Mend it."
    assert error.exit_code == 2


def test_a_stopped_work_says_how_to_go_on_and_ends_as_the_shell_expects():
    error = Interrupted(2, "stopped", command="glassnet train x --resume")
    assert error.exit_code == 130 and Interrupted(15, "stopped").exit_code == 143
    assert str(error) == "stopped: stopped. Go on with: glassnet train x --resume."
