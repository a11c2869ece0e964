"""A process that decodes files for another: chunks of files as lines of JSON in, their outcomes as lines out."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np

from glassnet.data.dataset import Preparation
from glassnet.data.decoding import decode_rows
from glassnet.data.kinds import KINDS


def main(order: str) -> None:
    """Serves until standard input ends. order: JSON with kind, root, file (the array to fill) and preparation."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    told = json.loads(order)
    preparation = Preparation(tuple(told["preparation"]["shape"]), told["preparation"]["settings"])
    target = np.load(told["file"], mmap_mode="r+")
    for line in sys.stdin:
        outcomes = decode_rows(KINDS[told["kind"]], Path(told["root"]), json.loads(line), preparation, target)
        looks = [o.look and (o.look.size, o.look.channels, o.look.highest) for o in outcomes]
        rows = [(o.row, o.digest, look, o.reason) for o, look in zip(outcomes, looks, strict=True)]
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
