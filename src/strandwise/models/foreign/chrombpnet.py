"""ChromBPNet (Pampari et al. 2025) as its authors' program writes it, and as PyTorch weights of bpnet-lite."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.models.foreign.bpnet import BRANCHES, SOURCE, read_tower
from strandwise.models.foreign.keras2 import KerasFile, Setting, open_keras
from strandwise.models.foreign.published import Array, Published, Weights
from strandwise.models.foreign.state import read_state
from strandwise.models.foreign.towers import INPUT_BP, TowerWeights, published_profiles

OUTPUT_BP = 1000
HDF5 = b"\x89HDF\r\n\x1a\n"

NAME = "ChromBPNet (Pampari et al. 2025)"


@dataclass(frozen=True)
class _Naming:
    """How layers are named: what stands before those of the body, and before those of the heads."""

    what: str
    body: str
    heads: str


NETWORK, BIAS = _Naming("network", "wo_bias_bpnet_", "wo_bias_bpnet_"), _Naming("bias network", "bpnet_", "")


@dataclass(frozen=True)
class _Found:
    """The networks in one file, and the lengths that it tells."""

    network: TowerWeights | None = None
    bias: TowerWeights | None = None
    input_bp: int | None = None
    output_bp: int | None = None


def read_chrombpnet(
    paths: Sequence[str | Path], *, input_bp: int | None = None, output_bp: int | None = None
) -> Published:
    """Read a ChromBPNet: the network alone, its bias network alone, or both; nothing in the files is run.

    Both may lie in one file (`chrombpnet.h5`) or in two (`chrombpnet_nobias.h5` and `bias_model_scaled.h5`). The Lambda
    layer that adds up their counts is not looked at: it is known what it does.

    Args:
        paths: one file or two, HDF5 of Keras, or PyTorch weights of bpnet-lite.
        input_bp: the length of its DNA, where that is not 2,114 and the files do not say.
        output_bp: bases that it predicts, where those are not 1,000 and the files do not say.

    Raises:
        InputError: not such files, or of other networks.
    """
    files = [existing_file(path, "ChromBPNet") for path in paths]
    if len(files) not in (1, 2):
        raise InputError(
            f"{len(files)} files are given: a ChromBPNet is one file, or its network and its bias network."
        )
    found = [_read(path) for path in files]
    networks = [each.network for each in found if each.network is not None]
    biases = [each.bias for each in found if each.bias is not None]
    if len(networks) > 1 or len(biases) > 1 or (len(files) == 2 and not (networks and biases)):
        raise InputError(
            f"{' and '.join(str(path) for path in files)}: hold {len(networks)} networks without bias and "
            f"{len(biases)} bias networks: give one of each, or one alone."
        )
    network = networks[0] if networks else biases[0]
    bias = biases[0] if networks and biases else None
    lengths = [input_bp, _agreed([each.input_bp for each in found], "read", files), INPUT_BP]
    length = next(each for each in lengths if each is not None)
    told = _agreed([each.output_bp for each in found], "predict", files) if output_bp is None else output_bp
    what = "with its bias network" if bias else "without its bias network" if networks else "the bias network alone"
    program = "Keras" if _is_hdf5(files[0]) else SOURCE
    return published_profiles(
        f"{NAME}, {what}, {'weights of ' if program == 'Keras' else ''}{program}",
        files,
        network,
        bias,
        input_bp=length,
        profile_bp=min(OUTPUT_BP, network.predicted(length)) if told is None else told,
    )


def _agreed(told: Sequence[int | None], verb: str, files: Sequence[Path]) -> int | None:
    """Return the length that files tell, if they do."""
    lengths = {length for length in told if length is not None}
    if len(lengths) > 1:
        both = " and ".join(f"{each:,}" for each in sorted(lengths))
        raise InputError(
            f"{' and '.join(path.name for path in files)}: {verb} {both} bp: these do not belong together."
        )
    return lengths.pop() if lengths else None


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5


def _read(path: Path) -> _Found:
    if _is_hdf5(path):
        with open_keras(path) as file:
            return _read_keras(file)
    state = read_state(path)
    branches = [name for name in BRANCHES if any(each.startswith(name) for each in state)]
    if not branches:
        # bpnet-lite writes both of its networks by the same names, so the larger one is told apart by the user alone.
        raise InputError(
            f"{path}: holds no 'accessibility.iconv.weight', as a whole ChromBPNet of bpnet-lite does: import one of "
            f"its networks with `strandwise import bpnet {path}`."
        )
    towers = {name: read_tower(state, path, name) for name in branches}
    return _Found(towers.get(BRANCHES[0]), towers.get(BRANCHES[1]))


def _read_keras(file: KerasFile) -> _Found:
    there = [naming for naming in (NETWORK, BIAS) if file.holds(f"{naming.body}1st_conv")]
    if not there:
        shown = ", ".join(sorted({group.rsplit("/", 1)[-1] for group in file.arrays})[:12])
        raise InputError(
            f"{file.path}: holds {shown or 'no layers'}; a ChromBPNet has wo_bias_bpnet_1st_conv and what follows, and "
            "its bias network bpnet_1st_conv."
        )
    towers = {naming.what: _tower(file, naming) for naming in there}
    for layer in file.settings:
        _check(file, layer)
    lengths = {length for layer in file.settings if (length := layer.length) is not None}
    length = _agreed(sorted(lengths), "inputs", [file.path])
    outputs = [_output(file, naming, towers[naming.what], length) for naming in there]
    return _Found(
        towers.get(NETWORK.what), towers.get(BIAS.what), length, _agreed(outputs, "its networks predict", [file.path])
    )


def _tower(file: KerasFile, naming: _Naming) -> TowerWeights:
    pattern = re.compile(re.escape(naming.body) + r"(\d{1,3})conv")
    names = [group.rsplit("/", 1)[-1] for group in file.arrays]
    numbers = sorted(int(found[1]) for name in names if (found := pattern.fullmatch(name)))
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError(f"{file.path}: dilated convolutions of the {naming.what} are missing: there are {numbers}.")
    return TowerWeights(
        file.path,
        _layer(file, f"{naming.body}1st_conv", 3),
        tuple(_layer(file, f"{naming.body}{number}conv", 3) for number in numbers),
        _layer(file, f"{naming.heads}prof_out_precrop", 3),
        _layer(file, f"{naming.heads}logcount_predictions", 2),
    )


def _layer(file: KerasFile, name: str, dimensions: int) -> Weights:
    """Return the weights of a layer in the layout of torch, whose last dimension is Keras's first."""
    group = file.group_of(name)
    kernel: Array = file.read(group, "kernel", dimensions)
    return {"weight": kernel.transpose(*range(dimensions)[::-1]), "bias": file.read(group, "bias", 1)}


def _check(file: KerasFile, layer: Setting) -> None:
    """Refuse a convolution that is set otherwise than in ChromBPNet."""
    body = re.fullmatch(r"(?:wo_bias_)?bpnet_(1st_|\d{1,3})conv", layer.name)
    if layer.kind != "Conv1D" or body is None:
        return
    apart = 1 if body[1] == "1st_" else 2 ** int(body[1])
    wanted = {"padding": ["valid"], "activation": ["relu"], "dilation_rate": [apart, [apart]], "strides": [1, [1]]}
    for key, values in wanted.items():
        if key in layer.config and layer.config[key] not in values:
            raise InputError(
                f"{file.path}: layer '{layer.name}' has {key} {layer.config[key]!r:.60}, and ChromBPNet has "
                f"{values[0]!r}."
            )


def _output(file: KerasFile, naming: _Naming, tower: TowerWeights, input_bp: int | None) -> int | None:
    """Return how many bases a network predicts, if the file describes how it cuts its profile."""
    names = (
        ("wo_bias_bpnet_logitt_before_flatten",) if naming is NETWORK else ("logits_profile_predictions_preflatten",)
    )
    cuts = [layer.config.get("cropping") for layer in file.settings if layer.name in names]
    if not cuts or input_bp is None:
        return None
    sides = cuts[0] if isinstance(cuts[0], list) else [cuts[0]] * 2
    if len(sides) != 2 or not isinstance(sides[0], int) or sides[0] != sides[1]:
        raise InputError(
            f"{file.path}: layer '{names[0]}' cuts {sides!r:.60}: only the same at both ends can be imported."
        )
    return tower.predicted(input_bp) - 2 * sides[0]
