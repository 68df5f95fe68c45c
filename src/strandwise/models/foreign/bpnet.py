"""BPNet and ChromBPNet as PyTorch weights of bpnet-lite."""

import re
from pathlib import Path

from strandwise.errors import InputError
from strandwise.models.foreign.published import Published
from strandwise.models.foreign.state import State, read_state
from strandwise.models.foreign.towers import INPUT_BP, TowerWeights, published_profiles, with_bias

SOURCE = "PyTorch weights of bpnet-lite"
BRANCHES = ("accessibility.", "bias.")
"""The networks of bpnet-lite's ChromBPNet."""


def read_bpnet(path: str | Path, *, input_bp: int | None = None, output_bp: int | None = None) -> Published:
    """Read the weights of bpnet-lite's `BPNet`; nothing in the file is run.

    Only networks of that class mean by these weights what is computed here. Those of `BasePairNet` have the same names
    and another order of layers, which no file tells.

    Args:
        path: a PyTorch or safetensors file.
        input_bp: the length of its DNA, where that is not 2,114.
        output_bp: bases that it predicts, where it was made with another `trimming` than the usual one, by which it
            predicts all that its filters see whole.

    Raises:
        InputError: not such a file, or of another network.
    """
    path, state = Path(path), read_state(path)
    if any(name.startswith(BRANCHES) for name in state):
        raise InputError(f"{path}: holds a ChromBPNet: import it with `strandwise import chrombpnet {path}`.")
    network = read_tower(state, path)
    length = INPUT_BP if input_bp is None else input_bp
    whole = network.predicted(length)
    kept = whole if output_bp is None else output_bp
    # Its features are pooled over what the profile's convolution reads, all of them by default.
    counts = None if kept == whole else kept + network.sizes.profile_width - 1
    return published_profiles(
        f"BPNet (Avsec et al. 2021), {SOURCE}",
        [path],
        network,
        input_bp=length,
        profile_bp=kept,
        counts_bp=counts,
        notes=["taken for bpnet-lite's BPNet: weights of its BasePairNet have the same names, and are another network"],
    )


def read_tower(state: State, path: Path, prefix: str = "") -> TowerWeights:
    """Return the weights of one network of bpnet-lite.

    Args:
        state: all weights in a file.
        path: the file, for messages.
        prefix: what stands before the names of this network.

    Raises:
        InputError: they are not all there, others are, or their sizes do not fit.
    """
    mine = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
    numbers = sorted(int(found[1]) for name in mine if (found := re.fullmatch(r"rconvs\.(\d{1,3})\.weight", name)))
    dilated = [f"rconvs.{number}" for number in numbers]
    # Both heads may be made without offsets.
    needed = [f"{name}.{part}" for name in ("iconv", *dilated) for part in ("weight", "bias")]
    needed += ["fconv.weight", "linear.weight"]
    missing = [name for name in needed if name not in mine]
    odd = [name for name in mine if name not in {*needed, "fconv.bias", "linear.bias"}]
    if missing or odd or numbers != list(range(len(numbers))):
        what = (
            f"'{missing[0]}' is missing" if missing else f"'{odd[0]:.60}' is foreign" if odd else "layers are missing"
        )
        raise InputError(
            f"{path}: not the weights of a BPNet by bpnet-lite, which are iconv, rconvs.0, rconvs.1, ..., fconv and "
            f"linear{f' after {prefix!r}' if prefix else ''}: {what}."
        )
    layers = {name: with_bias(mine[f"{name}.weight"], mine.get(f"{name}.bias")) for name in (*dilated, *_ENDS)}
    return TowerWeights(
        path, layers["iconv"], tuple(layers[name] for name in dilated), layers["fconv"], layers["linear"]
    )


_ENDS = ("iconv", "fconv", "linear")
