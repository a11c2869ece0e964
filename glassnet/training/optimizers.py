"""What moves a net's weights: Muon and AdamW, or SGD as R-CNN's net was tuned; and their state taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from glassnet.nets.network import Network, Phase
from glassnet.training.muon import Muon
from glassnet.training.recipe import Recipe

TURNING = 12.0  # Muon's learning rate, as a multiple of AdamW's
ANEW, MOMENTUM = 10.0, 0.9  # of sgd
MATRICES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def optimizers_of(net: Network, recipe: Recipe, phase: Phase) -> list[Optimizer]:
    """What moves the weights of a phase, each parameter group with the rate that the schedule begins from."""
    if not phase.has_labels:
        optimizers: list[Optimizer] = [torch.optim.SGD(phase.moved, lr=phase.rate, momentum=MOMENTUM)]
    else:
        optimizers = _momentum(net, recipe) if recipe.optimizer == "sgd" else _orthogonal(net, recipe)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["initial_lr"] = group["lr"]
    return optimizers


def _momentum(net: Network, recipe: Recipe) -> list[Optimizer]:
    """SGD as R-CNN's net was fine-tuned: layers begun anew at ten times the rate. Girshick et al. 2014, section 2.3."""
    new = {id(p) for module in net.begun_anew() for p in module.parameters()}
    learnt = [p for p in net.parameters() if p.requires_grad]
    rate = recipe.learning_rate
    sides = ([p for p in learnt if id(p) not in new], rate), ([p for p in learnt if id(p) in new], rate * ANEW)
    kept = [{"params": parameters, "lr": its} for parameters, its in sides if parameters]
    return [torch.optim.SGD(kept, lr=recipe.learning_rate, momentum=MOMENTUM, weight_decay=recipe.weight_decay)]


def _orthogonal(net: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """Muon for kernels whose size doesn't matter, since a batch norm follows them; AdamW for everything else.

    Of the latter the weights of sums shrink a little at each step; biases and batch norms, which have one axis, don't.
    """
    turned = [
        layer.weight
        for layer in net.modules()
        if isinstance(layer, MATRICES) and layer.bias is None and layer.weight.requires_grad
    ]
    others = [p for p in net.parameters() if p.requires_grad and all(p is not weight for weight in turned)]
    rate = recipe.learning_rate
    groups = [
        {"params": [p for p in others if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizers: list[Optimizer] = [torch.optim.AdamW(groups, lr=rate, fused=True)]
    if turned:
        optimizers.append(Muon(turned, rate * TURNING))
    return optimizers


def shares_of(phase: Phase, recipe: Recipe) -> Callable[[float], float]:
    """The learning rate of a phase when a share of its steps is done, of its highest."""
    return recipe.share if phase.has_labels else lambda done: min(1.0, 2 * (1 - done))


def restore(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives an optimizer the state of a snapshot."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, _, rest = name.partition(".")
        like = parameters[int(i)]  # fused steps need the state laid out in memory as the parameter is
        same = torch.empty_like(like, dtype=tensor.dtype) if tensor.shape == like.shape else tensor
        state.setdefault(int(i), {})[rest] = same.copy_(tensor)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
