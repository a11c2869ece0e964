"""Learning by nudging each weight, as the slides tell it, beside backpropagation: `python -m benchmarks.nudging`.

Same direction? How many times slower? Measured on X's and O's, in float64, on one thread.
"""

import time

import numpy as np
import torch

import glassnet as gn
from glassnet.explaining.nudge import learn_by_backpropagation, learn_by_nudging, measured_slopes
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import PLAIN
from glassnet.nets.text import parse

NETS = (
    "conv 3 3 valid, relu, pool 2, fc",
    "conv 8 3 valid, relu, pool 2, fc",
    "conv 16 3 valid, relu, pool 2, conv 16 3, relu, pool 2, fc",
)
EXAMPLES, BY, SWEEPS, STEPS, RATE, RUNS = 100, 1e-4, 3, 100, 0.5, 20


def main() -> None:
    """Prints two tables."""
    torch.set_num_threads(1)
    samples = gn.xo(count=EXAMPLES, seed=0).samples
    x, y = torch.tensor(samples.x).double() / 127.5 - 1, torch.tensor(samples.y).long()
    print("| net | weights | cosine | all slopes by nudging | by backpropagation | times slower |")
    print("|---|---|---|---|---|---|")
    for text in NETS:
        print(direction(ConvNet(parse(text), tuple(x.shape[1:]), 2).double().eval(), x, y), flush=True)
    print(f"\n| {NETS[0]} | error before | after | took |\n|---|---|---|---|")
    for words, learn, by, times in (
        (f"{SWEEPS} sweeps of nudging", learn_by_nudging, 0.1, SWEEPS),
        (f"{STEPS} steps of backpropagation", learn_by_backpropagation, RATE, STEPS),
    ):
        net = ConvNet(parse(NETS[0]), tuple(x.shape[1:]), 2).double().eval()
        before, begun = PLAIN.of(net(x), y).item(), time.perf_counter()
        errors = list(learn(net, x, y, by, times))
        print(f"| {words} | {before:.4f} | {errors[-1]:.4f} | {time.perf_counter() - begun:.3f} s |", flush=True)


def direction(net: ConvNet, x: torch.Tensor, y: torch.Tensor) -> str:
    """A row: the slopes of all weights, nudged one by one and computed at once."""
    begun = time.perf_counter()
    nudged = measured_slopes(net, x, y, BY)
    slow = time.perf_counter() - begun
    fast, computed = [], np.zeros(0)
    for _ in range(RUNS):
        begun = time.perf_counter()
        slopes = torch.autograd.grad(PLAIN.of(net(x), y), list(net.parameters()))
        fast.append(time.perf_counter() - begun)
        computed = torch.cat([slope.flatten() for slope in slopes]).numpy()
    cosine = float(nudged @ computed / np.linalg.norm(nudged) / np.linalg.norm(computed))
    usual = float(np.median(fast))
    figures = f"{cosine:.6f} | {slow:.2f} s | {usual * 1e3:.2f} ms | {slow / usual:,.0f}"
    return f"| `{net.spec}` | {len(nudged):,} | {figures} |"


if __name__ == "__main__":
    main()
