"""What a training costs as machines and data grow: `python -m benchmarks.scale`, and --measure for this machine.

The formulas are those of benchmarks/costs.py. MACHINES holds what is assumed of GPUs, with where it is from; nothing of
that was measured here. --published holds the formulas against what NVIDIA measured of the same net.
"""

import argparse
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import scale_here
from benchmarks.costs import (
    OWN_BYTES,
    PASSES,
    Machine,
    Work,
    cache_bytes,
    efficiency,
    epoch_s,
    resnet,
    step,
)
from benchmarks.scale_picture import drawn

GPUS, PICTURES = (1, 8, 64, 512), (10**6, 10**7, 10**8, 10**9)
NVIDIA = "dense bf16 peak and NVLink (half of it each way) of NVIDIA's data sheet"
GUESSED = "of links 80 %; latencies and disk are our guess; share of the peak and waiting as published of A100 and V100"
WAITS = 0.16  # of 8 A100: 1 - 16,621 / (8 x 2,470), see PUBLISHED; of 8 V100 0.13
MACHINES = (
    Machine(
        "H100 or H200, InfiniBand", 989e12, 0.2, 0.8 * 450e9, 0.8 * 50e9, 5e-6, 12e-6, 8, 5e9, WAITS,
        f"{NVIDIA}, a port of 400 Gb/s a GPU as in a DGX H100; {GUESSED}",
    ),
    Machine(
        "A100, 100 Gb/s Ethernet", 312e12, 0.2, 0.8 * 300e9, 0.8 * 12.5e9 / 8, 5e-6, 30e-6, 8, 2e9, WAITS,
        f"{NVIDIA}, one port of 100 Gb/s a host; {GUESSED}",
    ),
)  # fmt: skip
# NVIDIA/DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5/README.md, "Training performance results",
# container 21.03, mixed precision: GPU, its peak in that (FLOP/s), pictures a second of one and of eight.
PUBLISHED = (("A100 80GB", 312e12, 2470, 16621), ("V100 16GB", 125e12, 1200, 8322), ("V100 32GB", 125e12, 1156, 8056))


def table(work: Work, machine: Machine) -> list[str]:
    """Lines that say what a training of this net costs on these machines."""
    size = work.parameters * work.gradient_bytes
    lines = [
        f"{work.name}: {work.parameters / 1e6:.1f} M weights, {6 * work.multiply_adds / 1e9:.1f} GFLOP a picture and "
        f"step, {size / 1e6:.0f} MB of gradients; {machine.name}",
        "  GPUs    batch   step ms   sum ms  exchanges ms  pictures/s  efficiency  limit",
    ]
    for gpus in GPUS:
        one = step(work, gpus, machine)
        lines.append(
            f"{gpus:6}  {one.batch:7,}  {one.seconds * 1e3:8.1f}  {one.sum_s * 1e3:7.2f}  {one.exchanges_s * 1e3:12.2f}"
            f"  {one.rate:10,.0f}  {efficiency(work, gpus, machine) * 100:8.1f} %  {one.limit}"
        )
    lines.append("  pictures   cache a host   own memory" + "".join(f"   epoch, {gpus} GPUs" for gpus in GPUS))
    for pictures in PICTURES:
        cells = "".join(f"{epoch_s(work, gpus, machine, pictures) / 60:13.1f} min" for gpus in GPUS)
        disk, own = cache_bytes(work, pictures) / 1e9, OWN_BYTES * pictures / 1e9
        lines.append(f"{pictures:13,} {disk:9,.0f} GB {own:9.2f} GB{cells}")
    return lines


def main() -> None:
    """Prints the tables, or measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--size", type=int, default=224, help="pixels a side")
    parser.add_argument("--batch", type=int, default=256, help="pictures of a GPU")
    parser.add_argument("--share", type=float, help="of the peak that a step reaches, if not as assumed")
    parser.add_argument("--measure", action="store_true", help="measure this machine, and predict two processes on it")
    parser.add_argument("--published", action="store_true", help="the model beside NVIDIA's figures of ResNet-50")
    parser.add_argument("--picture", type=Path, help="draw throughput against GPUs into this PNG")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.measure:
        scale_here.measure(chosen.json)
        return
    work = resnet(chosen.net, chosen.size, chosen.batch)
    machines = [Machine(**asdict(one) | ({"share": chosen.share} if chosen.share else {})) for one in MACHINES]
    if chosen.published:
        print("\n".join(published()))
        return
    if chosen.picture:
        chosen.picture.write_bytes(drawn(work, machines, GPUS))
    if chosen.json:
        steps = [
            [asdict(step(work, n, one)) | {"efficiency": efficiency(work, n, one)} for n in GPUS] for one in machines
        ]
        print(json.dumps({"work": asdict(work), "machines": [asdict(one) for one in machines], "steps": steps}))
        return
    for machine in machines:
        print("\n".join(table(work, machine)), f"assumed, not measured: {machine.source}", sep="\n", end="\n\n")


def published() -> list[str]:
    """Lines that hold the model, without norms over all GPUs and with all the disk it wants, against PUBLISHED."""
    work = replace(resnet("resnet50", 224, 256), exchanges=0)
    lines = ["GPUs          published  predicted  (pictures/s, ResNet-50 at 224, 256 pictures a GPU, mixed precision)"]
    for name, peak, one, eight in PUBLISHED:
        share = one * PASSES * 2 * work.multiply_adds / peak
        machine = replace(MACHINES[1], peak=peak, share=share, disk=math.inf)
        found = step(work, 8, machine, 8 * work.batch).rate
        lines.append(f"1 {name:10} {one:10,}  (taken: {share:.3f} of the peak)")
        lines.append(f"8 {name:10} {eight:10,} {found:10,.0f}  {(found / eight - 1) * 100:+.0f} %")
    return lines


if __name__ == "__main__":
    main()
