"""Sizes along one axis: what a layer leaves of its input, and which inputs an output sees. Integers only."""

from __future__ import annotations

from dataclasses import dataclass


def same_padding(kernel_size: int) -> int:
    """Blank cells added at each end so that an odd kernel keeps the size of its input."""
    return (kernel_size - 1) // 2


def conv_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Places where a kernel fits: floor((size + 2 padding - kernel) / stride) + 1; 0 or less when it fits nowhere."""
    return (size + 2 * padding - kernel_size) // stride + 1


def pool_size(size: int, window: int, stride: int, padding: int = 0) -> int:
    """Windows along one axis. A window that reaches past the edge counts if it still covers a value: 7 becomes 4."""
    count = -((size + 2 * padding - window) // -stride) + 1
    if (count - 1) * stride >= size + padding:  # the last window would lie wholly outside
        count -= 1
    return count


def window_of(at: int, size: int, kernel_size: int, stride: int, padding: int = 0) -> range:
    """Inputs that output `at` reads, clipped to the `size` inputs there are."""
    start = at * stride - padding
    return range(max(start, 0), min(start + kernel_size, size))


@dataclass(frozen=True)
class Field:
    """Receptive field along one axis of the input.

    size: inputs one output sees. stride: inputs between neighbouring outputs. start: first input that output 0 sees
    (negative inside padding). Dumoulin and Visin 2016, "A guide to convolution arithmetic", section 5.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def through(self, kernel_size: int, stride: int, padding: int = 0) -> Field:
        """The field after one more layer."""
        return Field(
            self.size + (kernel_size - 1) * self.stride,
            self.stride * stride,
            self.start - padding * self.stride,
        )

    def seen_by(self, at: int, inputs: int) -> range:
        """Inputs that output `at` sees, clipped to the `inputs` there are."""
        start = self.start + at * self.stride
        return range(max(start, 0), min(start + self.size, inputs))
