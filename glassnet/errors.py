"""The one exception a person meets. Knows how it reads and its exit code, nothing of what went wrong."""

from __future__ import annotations


class GlassnetError(Exception):
    """Something a person can mend: where it is, what was expected, what was found, what to do.

    It reads as one line: "PLACE: expected EXPECTED, found FOUND. FIX." Without `expected` the middle is FOUND alone.
    """

    exit_code = 2

    def __init__(self, place: str, *, found: str, fix: str, expected: str | None = None) -> None:
        self.place = place
        self.expected = expected
        self.found = found
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        middle = f"expected {self.expected}, found {self.found}" if self.expected else self.found
        line = f"{self.place}: {middle}. {self.fix}"
        return " ".join(line.split()).removesuffix(".") + "."


class Elsewhere(GlassnetError):
    """Another process of the same training says what was wrong; this one ends with the same exit code, in silence."""

    def __init__(self, code: int) -> None:
        super().__init__("another process", found="it says why", fix="Nothing to do here")
        self.exit_code = code


class Interrupted(GlassnetError):
    """A signal stopped the work at a safe place. saved: what was kept. command: what goes on from there.

    exit_code is the shell's: 128 + the signal's number.
    """

    def __init__(self, number: int, found: str, saved: str = "", command: str = "") -> None:
        super().__init__("stopped", found=found, fix=f"Go on with: {command}" if command else "Nothing was saved")
        self.exit_code = 128 + number
        self.saved = saved
        self.command = command
