"""The published networks of FactorNet (Quang & Xie 2019): a folder of text files and Keras 1 weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from strandwise.errors import InputError
from strandwise.layers import Conv1d, Dense, KerasLSTM
from strandwise.models.foreign.keras1 import KerasLayer, Source, open_arrays, read_layers

MODEL, WEIGHTS = "model.json", ("best_model.hdf5", "final_model.hdf5")
GENE_FEATURES = ("cpg", "cds", "intron", "promoter", "utr5", "utr3")
"""What `gencode` stands for in feature.txt: whether the window meets each, in the order of the authors' code."""

DIRECTIONS, GATES = ("forward", "backward"), "ifco"
TEXT_BYTES = 1_000_000

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PublishedFactorNet:
    """A published network: how it is built, what it reads and says, and its weights.

    Attributes:
        files: that were read.
        options: of architecture `factornet`.
        input_bp: length of the DNA it reads.
        tracks: names of the factors it predicts.
        inputs: names of the signals it reads beside the DNA.
        metadata: names of what it is told of a window as a whole.
        arrays: weights and offsets by the layers of architecture `factornet`, in the order and layout of torch:
            "conv", "dense", "lstm" (with "lstm.state"), "first", "second" where there is metadata, and "last".
    """

    files: tuple[Path, ...]
    options: Mapping[str, object]
    input_bp: int
    tracks: tuple[str, ...]
    inputs: tuple[str, ...]
    metadata: tuple[str, ...]
    arrays: Mapping[str, Array]

    @property
    def weights(self) -> Path:
        """The file that the weights were read from."""
        return self.files[1]

    def fill(self, network: nn.Module) -> None:
        """Write the weights into a network that was built with these options, on ordinary features.

        Raises:
            InputError: a network of other layers or sizes.
        """
        convolutions = [module for module in network.modules() if isinstance(module, Conv1d)]
        recurrent = [module for module in network.modules() if isinstance(module, KerasLSTM)]
        dense = [module for module in network.modules() if isinstance(module, Dense)]
        names = [*(["conv", "dense"]), "first", *(["second"] if self.metadata else []), "last"]
        if len(convolutions) + len(dense) != len(names) or len(recurrent) != ("lstm.weight" in self.arrays):
            raise InputError(f"the network has other layers than {self.files[0]} describes.")
        with torch.no_grad():
            for name, layer in zip(names, [*convolutions, *dense], strict=True):
                assert layer.bias is not None  # noqa: S101
                self._put(f"{name}.weight", layer.weight.free)
                self._put(f"{name}.bias", layer.bias.free)
            for layer in recurrent:
                self._put("lstm.weight", layer.input_weight)
                self._put("lstm.state", layer.state_weight)
                self._put("lstm.bias", layer.bias)

    def _put(self, name: str, place: torch.Tensor) -> None:
        given = torch.from_numpy(self.arrays[name].copy())
        if given.shape != place.shape:
            raise InputError(
                f"the network has {tuple(place.shape)} for '{name}', and the published one {tuple(given.shape)}."
            )
        place.copy_(given)


def read_factornet(folder: str | Path) -> PublishedFactorNet:
    """Read a network as FactorNet's authors publish it; nothing in the folder is run.

    Weights are those of ``best_model.hdf5``, which the authors predict with, or else of ``final_model.hdf5``. They are
    taken to be written by Keras on Theano, whose convolution reads its filters from the right, as all of theirs are.

    Args:
        folder: holds model.json, weights, chip.txt, feature.txt, and bigwig.txt and meta.txt where they are read.

    Raises:
        InputError: a file is missing, damaged, or of a network that is no FactorNet.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: give one that holds {MODEL}, weights and chip.txt.")
    layers = read_layers(folder / MODEL)
    plan = _plan(layers, folder / MODEL)
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), folder / WEIGHTS[-1])
    shapes = plan.shapes()
    with open_arrays(weights) as file:
        file.check_room(sum(int(np.prod(shape)) for _, _, shape in shapes))
        stored = {name: file.read(layer, name, shape) for layer, name, shape in shapes}
    texts, tracks, inputs, metadata = _names(folder)
    for what, names, number in (
        ("chip.txt", tracks, plan.tracks),
        ("bigwig.txt", inputs, plan.channels - 4),
        ("meta.txt and feature.txt", metadata, plan.told),
    ):
        if len(names) != number:
            raise InputError(
                f"{folder}: {what} name {len(names)} ({', '.join(names) or 'none'}), and {MODEL} has {number}: copy "
                "the folder again."
            )
    return PublishedFactorNet(
        (folder / MODEL, weights, *texts), plan.options(), plan.input_bp, tracks, inputs, metadata, plan.arrays(stored)
    )


@dataclass(frozen=True)
class _Plan:
    """The layers of a FactorNet that hold weights, and their sizes."""

    input_bp: int
    channels: int
    told: int
    conv: KerasLayer
    wrapper: KerasLayer
    inner: KerasLayer
    lstm: KerasLayer | None
    pool: int | None
    dense: tuple[KerasLayer, ...]
    dropout: float

    @property
    def filters(self) -> int:
        return self.conv.size("nb_filter")

    @property
    def taps(self) -> int:
        return self.conv.size("filter_length")

    @property
    def units(self) -> int:
        return 0 if self.lstm is None else self.lstm.inner("LSTM").size("output_dim")

    @property
    def tracks(self) -> int:
        return self.dense[-1].size("output_dim")

    @property
    def flat(self) -> tuple[int, int]:
        """Positions and channels that the first dense layer reads."""
        positions = 1 if self.pool is None else (self.input_bp - self.taps + 1) // self.pool
        return positions, 2 * self.units or self.filters

    def options(self) -> dict[str, object]:
        sizes: dict[str, object] = {
            "filters": self.filters,
            "kernel_size": self.taps,
            "dense": self.dense[0].size("output_dim"),
            "dropout": self.dropout,
        }
        if self.pool is None:
            return sizes | {"pooling": "global"}
        return sizes | {"pool_width": self.pool, "recurrent": self.units}

    def shapes(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return layer, array and shape of all that is read."""
        dense, filters = self.dense[0].size("output_dim"), self.filters
        positions, channels = self.flat
        found: list[tuple[str, str, tuple[int, ...]]] = [
            (self.conv.name, f"{self.conv.name}_W", (self.taps, 1, self.channels, filters)),
            (self.conv.name, f"{self.conv.name}_b", (filters,)),
            (self.wrapper.name, f"{self.inner.name}_W", (filters, filters)),
            (self.wrapper.name, f"{self.inner.name}_b", (filters,)),
        ]
        if self.lstm is not None:
            for direction in DIRECTIONS:
                for gate in GATES:
                    name = f"{direction}_{_undirected(self.lstm)}"
                    found += [
                        (self.lstm.name, f"{name}_W_{gate}", (filters, self.units)),
                        (self.lstm.name, f"{name}_U_{gate}", (self.units, self.units)),
                        (self.lstm.name, f"{name}_b_{gate}", (self.units,)),
                    ]
        reads = [positions * channels, *([dense + self.told] if self.told else []), dense]
        for layer, read in zip(self.dense, reads, strict=True):
            made = layer.size("output_dim")
            found += [(layer.name, f"{layer.name}_W", (read, made)), (layer.name, f"{layer.name}_b", (made,))]
        return found

    def arrays(self, read: Mapping[str, Array]) -> dict[str, Array]:
        """Return all weights in the layout of torch."""
        positions, channels = self.flat
        # Theano turns filters round: what it stores last it reads first.
        found = {
            "conv.weight": read[f"{self.conv.name}_W"][::-1, 0].transpose(2, 1, 0),
            "conv.bias": read[f"{self.conv.name}_b"],
            "dense.weight": read[f"{self.inner.name}_W"].T[:, :, None],
            "dense.bias": read[f"{self.inner.name}_b"],
        }
        if self.lstm is not None:
            for part, name in (("W", "weight"), ("U", "state"), ("b", "bias")):
                stem = _undirected(self.lstm)
                each = [[read[f"{direction}_{stem}_{part}_{gate}"] for gate in GATES] for direction in DIRECTIONS]
                found[f"lstm.{name}"] = np.array(each)
        names = ["first", *(["second"] if self.told else []), "last"]
        for name, layer in zip(names, self.dense, strict=True):
            found[f"{name}.weight"] = read[f"{layer.name}_W"].T
            found[f"{name}.bias"] = read[f"{layer.name}_b"]
        if self.pool is not None:
            # Keras flattens position by position, with the channels of each together.
            first = found["first.weight"].reshape(-1, positions, channels)
            found["first.weight"] = first.transpose(0, 2, 1)
        return {name: np.ascontiguousarray(array) for name, array in found.items()}


def _undirected(lstm: KerasLayer) -> str:
    return lstm.inner("LSTM").name.removeprefix("forward_")


class _Reader:
    """Takes the layers of a model one after the other, and checks that each reads the one before it."""

    def __init__(self, layers: Sequence[KerasLayer], path: Path) -> None:
        self.path = path
        self.inputs = [layer for layer in layers if layer.kind == "InputLayer"]
        self.rest = [layer for layer in layers if layer.kind != "InputLayer"]
        self.strands: tuple[Source, ...] = ()

    def next(self, *kinds: str) -> KerasLayer:
        """Return the next layer, which must be of one of these classes, and read both strands."""
        layer = self._take(kinds)
        self._check(layer, [(source,) for source in self.strands])
        self.strands = _both_uses(layer)
        return layer

    def merge(self, mode: str, *sources: Source) -> KerasLayer:
        """Return the next layer, which must merge these by `mode`."""
        layer = self._take(["Merge"])
        layer.require(mode=mode)
        self._check(layer, [sources])
        return layer

    def maybe(self, kind: str) -> KerasLayer | None:
        """Return the next layer if it is of this class."""
        return self.next(kind) if self.rest and self.rest[0].kind == kind else None

    def _take(self, kinds: Sequence[str]) -> KerasLayer:
        layer = self.rest.pop(0) if self.rest else None
        if layer is None or layer.kind not in kinds:
            found = "nothing" if layer is None else f"layer {layer.name!r} ({layer.kind!r:.40})"
            raise InputError(f"{self.path}: not a FactorNet: expected {' or '.join(kinds)}, and found {found}.")
        return layer

    def _check(self, layer: KerasLayer, wanted: Sequence[tuple[Source, ...]]) -> None:
        if list(layer.inbound) != list(wanted):
            raise layer.refusal("reads other layers than in a FactorNet, where both strands go through the same ones")


def _both_uses(layer: KerasLayer) -> tuple[Source, Source]:
    """Return what a layer gives for one strand, and for the other."""
    return (layer.name, 0), (layer.name, 1)


def _plan(layers: Sequence[KerasLayer], path: Path) -> _Plan:
    """Return what a model is made of, once it is known to be a FactorNet to the last setting."""
    reader = _Reader(layers, path)
    input_bp, channels, told = _inputs(reader)
    conv = reader.next("Convolution1D")
    conv.require(activation="relu", border_mode="valid", subsample_length=1, bias=True)
    reader.maybe("Dropout")
    wrapper = reader.next("TimeDistributed")
    inner = wrapper.inner("Dense")
    inner.require(activation="relu", bias=True)
    if inner.size("output_dim") != conv.size("nb_filter"):
        raise inner.refusal(f"has {inner.size('output_dim')} units, and the convolution {conv.size('nb_filter')}")
    pooling = reader.next("MaxPooling1D", "GlobalMaxPooling1D")
    pool = lstm = None
    if pooling.kind == "MaxPooling1D":
        pool = pooling.size("pool_length")
        pooling.require(stride=pool, border_mode="valid")
        lstm = reader.maybe("Bidirectional")
    if lstm is not None:
        _check_lstm(lstm)
    dropout = reader.maybe("Dropout")
    if pool is not None:
        reader.next("Flatten")
    dense = [reader.next("Dense")]
    dropped = [dropout, reader.maybe("Dropout")]
    if told:
        beside = (reader.inputs[2].name, 0)
        merged = [reader.merge("concat", source, beside) for source in _both_uses(dense[0])]
        reader.strands = tuple((layer.name, 0) for layer in merged)
        reader.maybe("Dropout")
        dense.append(reader.next("Dense"))
        dropped.append(reader.maybe("Dropout"))
    dense.append(reader.next("Dense"))
    reader.merge("ave", *_both_uses(dense[-1]))
    if reader.rest:
        raise reader.rest[0].refusal("stands after the output: not a FactorNet")
    for layer in dense:
        layer.require(activation="sigmoid" if layer is dense[-1] else "relu", bias=True)
    if told and dense[1].size("output_dim") != dense[0].size("output_dim"):
        raise dense[1].refusal("has another number of units than the dense layer before it")
    if input_bp - conv.size("filter_length") + 1 < (pool or 1):
        raise conv.refusal(f"and the pooling after it do not fit into {input_bp} bases")
    share = max((layer.share("p") for layer in dropped if layer is not None), default=0.0)
    return _Plan(input_bp, channels, told, conv, wrapper, inner, lstm, pool, tuple(dense), share)


def _check_lstm(lstm: KerasLayer) -> None:
    lstm.require(merge_mode="concat")
    inner = lstm.inner("LSTM")
    inner.require(activation="tanh", inner_activation="hard_sigmoid", return_sequences=True, go_backwards=False)
    inner.size("output_dim")
    if not inner.name.startswith("forward_"):
        raise inner.refusal("is not the forward half of a bidirectional layer")


def _inputs(reader: _Reader) -> tuple[int, int, int]:
    """Return the length and the channels of both strands, and how many numbers of metadata there are."""
    shapes = [layer.config.get("batch_input_shape") for layer in reader.inputs]
    sizes = [shape[1:] for shape in shapes if isinstance(shape, list)]
    whole = all(type(size) is int and 1 <= size <= 1_000_000 for shape in sizes for size in shape)
    fits = len(sizes) == len(shapes) in (2, 3) and [len(shape) for shape in sizes] == [2, 2, 1][: len(sizes)]
    if not whole or not fits or sizes[0] != sizes[1] or sizes[0][1] < 4:
        raise InputError(
            f"{reader.path}: not a FactorNet: it reads inputs of shapes {str(shapes)[:80]}, and both strands as "
            "(positions, 4 and more), with metadata or without, are expected."
        )
    reader.strands = tuple((layer.name, 0) for layer in reader.inputs[:2])
    return sizes[0][0], sizes[0][1], sizes[2][0] if len(sizes) == 3 else 0


def _names(folder: Path) -> tuple[list[Path], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the text files, and the names of factors, signals and metadata in them."""
    texts = [path for name in ("chip", "bigwig", "feature", "meta") if (path := folder / f"{name}.txt").is_file()]
    read = {path.stem: tuple(_lines(path)) for path in texts}
    features, metadata = read.get("feature", ()), read.get("meta", ())
    turned = [name for name in read.get("bigwig", ()) if name.endswith(("_fwd", "_rev"))]
    if turned:
        raise InputError(
            f"{folder / 'bigwig.txt'}: '{turned[0]}' is a signal of one strand; only networks that read signal "
            "without strands can be imported."
        )
    genes = GENE_FEATURES if "gencode" in features else ()
    return texts, read.get("chip", ()), read.get("bigwig", ()), (*metadata, *genes)


def _lines(path: Path) -> Iterator[str]:
    if path.stat().st_size > TEXT_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many for a list of names.")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as text ({error}).") from None
    for line in lines:
        if not line.isprintable() or len(line.split()) > 1 or lines.count(line) > 1:
            raise InputError(f"{path}: {line!r:.60} is no name, or stands there twice: expected one name in each line.")
        yield line
