"""Records the named steps of one forward pass. Knows nothing of classes or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Step:
    """One layer at work. name: its place in the net, as in its weights' keys. inputs, output: (1, ...) float32."""

    name: str
    layer: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor


def trace(net: nn.Module, x: Tensor) -> list[Step]:
    """Every step of one forward pass, in the order they ran, in evaluation mode.

    x: (1, C, *S), normalised. The net is left as it was, also when it fails.
    """
    steps: list[Step] = []
    names = {module: name for name, module in net.named_modules() if not list(module.children())}

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        steps.append(Step(names[layer], layer, tuple(one.detach() for one in inputs), output.detach()))

    was_training = [(module, module.training) for module in net.modules()]
    hooks = [module.register_forward_hook(record) for module in names]
    try:
        net.eval()
        with torch.no_grad():
            net(x)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training:
            module.training = training
    return steps


def sources(steps: Sequence[Step]) -> list[tuple[int, ...]]:
    """For each step, which steps made its inputs; -1 is the input of the net itself."""
    made: dict[int, int] = {}
    found = []
    for i, step in enumerate(steps):
        found.append(tuple(made.get(_mark(one), -1) for one in step.inputs))
        made[_mark(step.output)] = i
    return found


def _mark(tensor: Tensor) -> int:
    """The same for tensors that share their values; every step's values are kept, so none is reused."""
    return tensor.data_ptr()
