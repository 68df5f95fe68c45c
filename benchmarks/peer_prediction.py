"""A BPNet of bpnet-lite over windows, as its own command predicts them: the other side of `benchmarks/chromosomes.py`.

It runs under a Python that has bpnet-lite and tangermeme, and imports nothing of this package. Weights and windows come
in a folder; the shapes of the profiles go there. Each line it reads asks for all windows once more.
"""

import contextlib
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

BATCH = 32


def main() -> None:
    """Predict until there are no more commands."""
    torch.set_num_threads(int(sys.argv[1]))
    folder = Path(sys.argv[2])
    commands, answers = sys.stdin, sys.__stdout__ or sys.stdout
    with contextlib.redirect_stdout(sys.stderr), np.load(folder / "weights.npz") as weights:
        layers = sum(name.startswith("rconvs") for name in weights) // 2
        filters, outputs = len(weights["iconv.weight"]), len(weights["fconv.weight"])
        kind, predict = import_module("bpnetlite").BPNet, import_module("tangermeme.predict").predict
        model = kind(n_filters=filters, n_layers=layers, n_outputs=outputs, n_control_tracks=0)
        given = {name: torch.from_numpy(value) for name, value in weights.items()}
        model.load_state_dict(model.state_dict() | given)
        x = torch.from_numpy(np.load(folder / "windows.npy"))

        def shapes() -> torch.Tensor:
            profile, _ = predict(model.eval(), x, batch_size=BATCH, device="cpu")
            return torch.softmax(profile, -1)

        np.save(folder / "shapes.npy", shapes().numpy())
        print("ready", file=answers, flush=True)
        for _ in commands:
            shapes()
            print("done", file=answers, flush=True)


if __name__ == "__main__":
    main()
