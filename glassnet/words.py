"""Numbers as people read them: counts with nouns, sizes, times, shares. Knows nothing of where they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 picture", "2,000 pictures"; `many` where an s is not enough ("classes")."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """At most `most` names in a row, and how many more there are: "a, b and 3 more"."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def joined(names: Sequence[str]) -> str:
    """All of them: "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def clipped(text: str, most: int = 60) -> str:
    """A text of unknown length for one line: in full, or its beginning and "..."."""
    return text if len(text) <= most else text[: most - 3] + "..."


def by(shape: Iterable[int], times: str = "x") -> str:
    """A size: (32, 32) is "32x32", on a page "32 × 32"."""
    return times.join(map(str, shape)) or "a single number"


def percent(share: float) -> str:
    """A share of 1 with one decimal: 0.967 is "96.7 %"; never rounded up to a perfect 100 nor down to a perfect 0."""
    rounded = min(max(share * 100, 0.1 if share > 0 else 0.0), 99.9 if share < 1 else 100.0)
    return f"{rounded:.1f} %"


def interval(low: float, high: float) -> str:
    """The ends of a confidence interval, as they stand in brackets behind a share: "92.9 to 98.5"."""
    ends = (min(end * 100, 99.9 if end < 1 else 100.0) for end in (low, high))
    return " to ".join(f"{end:.1f}" for end in ends)


def duration(seconds: float) -> str:
    """A time a person can compare: "0.4 s", "12 s", "3 min 33 s", "2 h 05 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def large(number: float) -> str:
    """A large figure in two or three digits: "2 M", "0.24 G"; below a million all of them."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if number >= 0.1 * size and (unit == "G" or number >= size):
            return f"{number / size:.2g} {unit}" if number < 10 * size else f"{number / size:,.0f} {unit}"
    return f"{number:,.0f}"


def bytes_read(size: float) -> str:
    """A size of memory or of a file: "412 kB", "1.3 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
