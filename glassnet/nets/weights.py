"""Weights to begin with: torchvision's and timm's ResNets, and glassnet's own, found, renamed and laid into a net.

Files are safetensors, or `.pth` opened by torch's weights-only loading: nothing in them is ever run.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from glassnet.data.dataset import Normalisation
from glassnet.data.places import refuse_missing_weights
from glassnet.errors import GlassnetError
from glassnet.nets import zoo
from glassnet.nets.convnet import ConvNet
from glassnet.words import by, clipped, listed

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what torchvision's weights expect
IMAGENET_SIDE = 224
CONFIG, SAFE = "config.json", "model.safetensors"
EXPECTED = "a ResNet as torchvision and timm keep it, or a model of glassnet"

STEM = {"conv1": "conv1", "bn1": "batchnorm1", "fc": "fc1", "linear": "fc1"}
INSIDE = {"downsample.0": "conv_around", "downsample.1": "batchnorm_around", "shortcut.0": "conv_around",
          "shortcut.1": "batchnorm_around", **{f"conv{i}": f"conv{i}" for i in (1, 2, 3)},
          **{f"bn{i}": f"batchnorm{i}" for i in (1, 2, 3)}}  # fmt: skip
BLOCK = re.compile(r"layer(\d+)\.(\d+)\.(.+)\.(\w+)")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Weights:
    """Weights from elsewhere. net: the text they belong to, if that is known. tensors: by glassnet's names.

    normalisation: of the pictures they were made with, if known. side: the pictures' size in pixels, 0 if unknown.
    classes: what they vote on, if known.
    """

    name: str
    net: str
    tensors: Mapping[str, Tensor]
    normalisation: Normalisation | None
    side: int = 0
    classes: tuple[str, ...] = ()

    def normalisation_for(self, channels: int) -> Normalisation | None:
        """For examples of this many channels: one gets the mean of all, as its kernels are the sum of all."""
        own = self.normalisation
        if own is None or len(own.mean) == channels:
            return own
        return Normalisation(*((sum(values) / len(values),) * channels for values in (own.mean, own.std)))

    def lay_in(self, net: ConvNet, classes: tuple[str, ...]) -> str:
        """Gives a net these weights; the votes only where they are on the same classes. Returns in words what was done.

        Raises GlassnetError where they don't fit.
        """
        state = net.state_dict()
        votes = next(name for name, module in net.named_modules() if module is net.votes)
        keeps_votes = bool(classes) and self.classes == classes
        wanted = {k: v for k, v in state.items() if keeps_votes or not k.startswith(f"{votes}.")}
        laid = {}
        first = next(iter(state))
        for key, own in wanted.items():
            given = self.tensors.get(key)
            if given is None and key.endswith(COUNTER):
                continue  # of old files; only counts steps
            if given is not None and key == first:
                given = for_channels(given, own.shape[1])
            if given is None or given.shape != own.shape:
                found = "nothing" if given is None else f"{by(given.shape) or 'one number'}"
                fix = f"Leave out --net: {clipped(self.net, 200)}" if self.net else "Name their net with --net"
                raise GlassnetError(f"{self.name}, {key}", expected=by(own.shape), found=found, fix=fix)
            laid[key] = given
        net.load_state_dict(laid, strict=False)
        kept = "the votes too" if keeps_votes else f"the votes on {len(classes):,} classes begin anew"
        return f"begun with the weights of {self.name}; {kept}"


def find(where: str) -> Weights:
    """Opens weights. where: a file, a folder with config.json and weights, or a hub id. Raises GlassnetError."""
    refuse_missing_weights(where)
    path = Path(where) if Path(where).exists() else _from_hub(where)
    file = path / SAFE if path.is_dir() else path
    if not file.is_file():
        found = f"a folder without {SAFE}"
        raise GlassnetError(clipped(where), expected="weights", found=found, fix="Name the file of weights itself")
    return recognise(where, _read(file), _facts(file.parent / CONFIG) if file.name == SAFE else {})


def recognise(name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Weights:
    """Weights under glassnet's names. tensors: by the names they came with. facts: of the config.json beside them.

    Raises GlassnetError when they are of no kind of net that is known here.
    """
    tensors = {re.sub(r"^(module|model)\.", "", key): tensor for key, tensor in tensors.items()}
    if not all(tensor.isfinite().all() for tensor in tensors.values() if tensor.is_floating_point()):
        raise GlassnetError(name, found="some of its weights are no numbers", fix="Take another copy")
    try:
        if "glassnet" in facts:
            own = Normalisation(tuple(facts["normalisation"]["mean"]), tuple(facts["normalisation"]["std"]))
            side = max(facts["preparation"]["shape"][1:])
            if facts.get("detector"):  # its votes are on regions, and begin anew
                return Weights(name, facts["net"], _looking(tensors), own, side)
            return Weights(name, facts["net"], tensors, own, side, tuple(facts["classes"]))
        if "layer1.0.conv1.weight" not in tensors:
            return Weights(name, "", tensors, None)
        wanted = facts.get("pretrained_cfg", facts)
        normalisation = Normalisation(tuple(wanted.get("mean", IMAGENET.mean)), tuple(wanted.get("std", IMAGENET.std)))
        side = int(wanted.get("input_size", (3, IMAGENET_SIDE))[-1])
    except (KeyError, TypeError, ValueError) as error:
        raise GlassnetError(name, found=f"its {CONFIG} can't be understood", fix="Name the file of weights") from error
    return Weights(name, _resnet_text(name, tensors), _renamed(name, tensors), normalisation, side)


def for_channels(kernels: Tensor, channels: int) -> Tensor:
    """The first layer's kernels for pictures of another number of channels: for one their sum, a grey picture being
    the same in each; for several, each gets its share of one.
    """
    if kernels.dim() < 3 or kernels.shape[1] == channels or 1 not in (channels, kernels.shape[1]):
        return kernels
    if channels == 1:
        return kernels.sum(1, keepdim=True)
    return kernels.expand(-1, channels, *kernels.shape[2:]) / channels


def _looking(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a detector that cuts regions out, the net that looks at them, by its own names; of another all."""
    inner = {key.removeprefix("net."): tensor for key, tensor in tensors.items() if key.startswith("net.")}
    return inner or dict(tensors)


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file. Raises GlassnetError."""
    fix = "Take another copy, or save its state_dict as safetensors"
    try:
        if _is_safetensors(path):
            return dict(safetensors.torch.load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on how an old file was written
            content = torch.load(path, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise GlassnetError(str(path), expected="safetensors", found=f"damaged ({error})", fix=fix) from error
    except OSError as error:
        raise GlassnetError(str(path), found=f"can't be read: {error.strerror}", fix="Check the path") from error
    except Exception as error:  # torch fails in many ways on what is no file of weights
        found = "damaged, or more than weights (what it holds beside them is not opened: it could run anything)"
        raise GlassnetError(str(path), expected="a file of weights", found=found, fix=fix) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise GlassnetError(str(path), expected="weights by name (a state_dict)", found="none", fix=fix)
    return tensors


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever it is called: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # the file of weights may stand alone
    return facts if isinstance(facts, dict) else {}


def _resnet_text(name: str, tensors: Mapping[str, Tensor]) -> str:
    """The text of the net that these keys belong to: widths and numbers of blocks are read from them."""
    places = sorted({(int(m[1]), int(m[2])) for m in map(BLOCK.fullmatch, tensors) if m})
    stages = sorted({stage for stage, _ in places})
    blocks = [sum(stage == one for stage, _ in places) for one in stages]
    deep = "layer1.0.conv3.weight" in tensors
    last = "conv3" if deep else "conv2"
    try:
        widths = [len(tensors[f"layer{stage}.0.{last}.weight"]) for stage in stages]
        stem = tensors["conv1.weight"]
    except KeyError as error:
        raise _unknown(name, f"no {error.args[0]}") from error
    text = zoo.resnet("bottleneck" if deep else "residual", widths, blocks)
    if stem.shape[-1] == 3:  # for pictures of 32x32
        return text.replace("conv 64 7/2, batchnorm, relu, pool 3/2 same", f"conv {len(stem)} 3, batchnorm, relu")
    return text.replace("conv 64 7/2", f"conv {len(stem)} {stem.shape[-1]}/2")


def _renamed(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By glassnet's names instead of torchvision's: layer2.0.bn1.weight becomes residual3.batchnorm1.weight."""
    places = sorted({(int(m[1]), int(m[2])) for m in map(BLOCK.fullmatch, tensors) if m})
    number = {place: i for i, place in enumerate(places, 1)}
    word = "bottleneck" if "layer1.0.conv3.weight" in tensors else "residual"
    renamed, unknown = {}, []
    for key, tensor in tensors.items():
        match, (stem, _, part) = BLOCK.fullmatch(key), key.rpartition(".")
        if match and match[3] in INSIDE:
            at = number[int(match[1]), int(match[2])]
            renamed[f"{word}{at}.{INSIDE[match[3]]}.{match[4]}"] = tensor
        elif stem in STEM:
            renamed[f"{STEM[stem]}.{part}"] = tensor
        else:
            unknown.append(key)
    if unknown:
        raise _unknown(name, f"{listed(unknown[:3])}{' ...' if len(unknown) > 3 else ''}")
    return renamed


def _unknown(name: str, found: str) -> GlassnetError:
    return GlassnetError(name, expected=EXPECTED, found=found, fix="Take resnet18, 34, 50, 101 or 152 without changes")


def _from_hub(model: str) -> Path:
    """The folder of a model of the hub, fetched if it isn't here yet. Raises GlassnetError."""
    try:
        import huggingface_hub
    except ImportError as error:
        fix = 'If it is a model of the hub: pip install "glassnet[hub]"; else check the path'
        raise GlassnetError(model, expected="a file of weights", found="nothing there", fix=fix) from error
    try:
        return Path(huggingface_hub.snapshot_download(model, allow_patterns=[CONFIG, SAFE]))
    except Exception as error:  # no network, no such model, no permission
        found = f"the hub did not give it ({type(error).__name__})"
        raise GlassnetError(model, found=found, fix="Check its name and the network, or name a file") from error
