"""Published FactorNet weights: what our networks say of them, against Keras 1 written out in NumPy."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from strandwise.errors import InputError
from strandwise.experiment import Run
from strandwise.experiment.importing import import_factornet
from strandwise.layers import Conjoined, Merge, binary_head
from strandwise.models import MODELS, SequenceModel, StrandSettings, assemble
from strandwise.models.foreign import PublishedFactorNet, read_factornet
from strandwise.prediction import Predictor
from strandwise.sequence import encode
from strandwise.strand import unstranded

h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")

Array = NDArray[np.float64]
PUBLISHED = {
    "FOXA1/onePeak_DGF": 256_769,
    "GABPA/metaGENCODE_RNAseq_Unique35_DGF": 262_913,
    "MAX/onePeak_Unique35_DGF": 275_713,
}
# The likeliest bases of HOCOMOCO v9 (Kulakovskiy et al. 2013), the authors' collection.
CONSENSUS = {"FOXA1": "TGTTTACTTAG", "GABPA": "GAACCGGAAGTGG", "MAX": "AGCCACGTGGT"}


class Keras:
    """What Keras 1 on Theano computes from a folder, operation by operation, in float64."""

    def __init__(self, folder: Path) -> None:
        self.layers = json.loads((folder / "model.json").read_text())["config"]["layers"]
        self.w: dict[str, Array] = {}
        with h5py.File(folder / "final_model.hdf5") as file:
            file.visititems(lambda name, item: self._keep(name, item))

    def _keep(self, name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            self.w[name.rsplit("/", 1)[1]] = np.asarray(item, np.float64)

    def __call__(self, sequence: Array, signal: Array, metadata: Array | None) -> Array:
        """Return probabilities ``(rows, tracks)`` of ``(rows, positions, channels)``."""
        forward = np.concatenate([sequence, signal], axis=2)
        reverse = np.concatenate([sequence[:, ::-1, ::-1], signal[:, ::-1]], axis=2)
        return (self.strand(forward, metadata) + self.strand(reverse, metadata)) / 2

    def strand(self, x: Array, metadata: Array | None) -> Array:
        for layer in self.layers:
            kind, name, config = layer["class_name"], layer["name"], layer["config"]
            if kind == "Convolution1D":
                x = np.maximum(self.convolution(x, self.w[f"{name}_W"][:, 0]) + self.w[f"{name}_b"], 0)
            elif kind == "TimeDistributed":
                inner = config["layer"]["config"]["name"]
                x = np.maximum(x @ self.w[f"{inner}_W"] + self.w[f"{inner}_b"], 0)
            elif kind == "MaxPooling1D":
                width = config["pool_length"]
                whole = x.shape[1] // width
                x = x[:, : whole * width].reshape(len(x), whole, width, -1).max(2)
            elif kind == "GlobalMaxPooling1D":
                x = x.max(1)
            elif kind == "Bidirectional":
                stem = config["layer"]["config"]["name"].removeprefix("forward_")
                ahead = self.lstm(x, f"forward_{stem}")
                back = self.lstm(x[:, ::-1], f"backward_{stem}")[:, ::-1]
                x = np.concatenate([ahead, back], axis=2)
            elif kind == "Flatten":
                x = x.reshape(len(x), -1)
            elif kind == "Dense":
                x = x @ self.w[f"{name}_W"] + self.w[f"{name}_b"]
                x = np.maximum(x, 0) if config["activation"] == "relu" else 1 / (1 + np.exp(-x))
            elif kind == "Merge" and config["mode"] == "concat" and metadata is not None:
                # Each strand has a merge of its own, and meets one.
                x, metadata = np.concatenate([x, metadata], axis=1), None
        return x

    @staticmethod
    def convolution(x: Array, kernel: Array) -> Array:
        """Convolve in the sense of mathematics: the kernel is read from its end."""
        taps = len(kernel)
        places = x.shape[1] - taps + 1
        return np.sum([x[:, tap : tap + places] @ kernel[taps - 1 - tap] for tap in range(taps)], axis=0)

    def lstm(self, x: Array, name: str) -> Array:
        def gate(which: str, here: Array, state: Array) -> Array:
            w, u, b = (self.w[f"{name}_{part}_{which}"] for part in "WUb")
            return here @ w + state @ u + b

        def hard(z: Array) -> Array:
            return np.clip(0.2 * z + 0.5, 0, 1)

        units = len(self.w[f"{name}_b_i"])
        state = memory = np.zeros((len(x), units))
        states = []
        for here in x.swapaxes(0, 1):
            forget, take, new, show = (gate(which, here, state) for which in "fico")
            memory = hard(forget) * memory + hard(take) * np.tanh(new)
            state = hard(show) * np.tanh(memory)
            states.append(state)
        return np.stack(states, axis=1)


def assembled(published: PublishedFactorNet) -> SequenceModel:
    kind = MODELS["factornet"]
    told = len(published.metadata)
    network = assemble(
        kind(kind.Options.model_validate(published.options)),
        [binary_head(published.tracks)],
        published.input_bp,
        StrandSettings(strategy="conjoined", merge_after_link=True),
        signal=unstranded(len(published.inputs)) if published.inputs else None,
        metadata=unstranded(told).pooled() if told else None,
    )
    published.fill(network)
    return network


def given(rows: int, length: int, inputs: int, told: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random DNA with some N, counts, and metadata, as a network is given them."""
    rng = np.random.default_rng(seed)
    read = {"sequence": torch.from_numpy(rng.integers(0, 5, (rows, length)).astype(np.uint8))}
    if inputs:
        read["signal"] = torch.from_numpy(rng.poisson(0.3, (rows, inputs, length)).astype(np.float32))
    if told:
        read["metadata"] = torch.from_numpy(rng.normal(0, 1, (rows, told)).astype(np.float32))
    return read


def by_hand(folder: Path, read: Mapping[str, torch.Tensor]) -> Array:
    sequence = np.eye(5)[read["sequence"].numpy()][..., :4]
    nothing = torch.zeros(len(sequence), 0, sequence.shape[1])
    signal = read.get("signal", nothing).numpy().transpose(0, 2, 1).astype(float)
    metadata = read["metadata"].numpy().astype(float) if "metadata" in read else None
    return Keras(folder)(sequence, signal, metadata)


FORMS = [
    {},
    {"inputs": 0},
    {"inputs": 2, "told": 8},
    {"recurrent": 0},
    {"pool": None},
    {"pool": None, "told": 7, "inputs": 0},
    {"pool": 5, "recurrent": 3},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_tiny_network_says_what_its_file_says(
    form: dict, write_factornet: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_factornet(tmp_path / "published", **form)
    published = read_factornet(folder)
    predictor = Predictor(assembled(published), conjoin=True, dtype=torch.float64, merge=Merge(after_link=True))
    read = given(20, 31, len(published.inputs), len(published.metadata))
    (found,) = predictor.predict([read])
    expected = by_hand(folder, read)
    assert np.ptp(expected) > 0.02
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_what_is_read_is_named(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    published = read_factornet(write_factornet(tmp_path / "published", inputs=2, told=8))
    assert (published.tracks, published.inputs) == (("CTCF",), ("signal0", "signal1"))
    assert published.metadata == ("GEPC0", "GEPC1", "cpg", "cds", "intron", "promoter", "utr5", "utr3")
    assert published.weights.name == "final_model.hdf5"
    assert [path.name for path in published.files[2:]] == ["chip.txt", "bigwig.txt", "feature.txt", "meta.txt"]
    assert (published.input_bp, published.options["dropout"]) == (31, 0.25)


def test_the_best_epoch_comes_before_the_last(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_factornet(tmp_path / "published")
    other = write_factornet(tmp_path / "other", seed=1)
    with h5py.File(other / "final_model.hdf5") as last, h5py.File(folder / "best_model.hdf5", "w") as best:
        last.copy(last["/"], best, "model_weights")
        best.create_group("optimizer_weights")
    found, expected = read_factornet(folder).arrays, read_factornet(other).arrays
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_another_network_is_not_filled(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    one = read_factornet(write_factornet(tmp_path / "one"))
    without = read_factornet(write_factornet(tmp_path / "without", recurrent=0))
    wider = read_factornet(write_factornet(tmp_path / "wider", recurrent=3))
    with pytest.raises(InputError, match="other layers than"):
        one.fill(assembled(without))
    with pytest.raises(InputError, match=r"the network has \(4, 6, 6\) for 'first.weight', and the published one"):
        one.fill(assembled(wider))
    with pytest.raises(InputError, match="other layers than"):
        one.fill(nn.Sequential())


def edited(folder: Path, place: str, value: object) -> None:
    """Change one setting of model.json: `conv_1.config.activation`, or `conv_1.class_name`."""
    model = json.loads((folder / "model.json").read_text())
    name, *keys, last = place.split(".")
    table = next(layer for layer in model["config"]["layers"] if layer["name"] == name)
    for key in keys:
        table = table[key]
    table[last] = value
    (folder / "model.json").write_text(json.dumps(model))


FOREIGN = [
    ("conv_1.class_name", "Convolution2D", "expected Convolution1D, and found layer 'conv_1' ('Convolution2D')"),
    ("conv_1.config.activation", "tanh", "'conv_1' ('Convolution1D') has activation 'tanh': only 'relu'"),
    ("conv_1.config.subsample_length", 2, "has subsample_length 2: only 1"),
    ("conv_1.config.nb_filter", 10**9, "has nb_filter 1000000000: expected a whole number from 1"),
    ("conv_1.config.nb_filter", True, "has nb_filter True"),
    ("conv_1.config.nb_filter", "3", "has nb_filter '3'"),
    ("conv_1.config.nb_filter", 4, "'dense_1' ('Dense') has 3 units, and the convolution 4"),
    ("conv_1.config.filter_length", 31, "do not fit into 31 bases"),
    ("conv_1.inbound_nodes", [[["input_1", 0, 0]], [["input_1", 0, 0]]], "reads other layers than in a FactorNet"),
    ("conv_1.inbound_nodes", 5, "'inbound_nodes' of a layer are no lists"),
    ("conv_1.inbound_nodes", [[[]]], "'inbound_nodes' of a layer are no lists"),
    ("each_1.config.layer", None, "no table with 'class_name' and 'config'"),
    ("each_1.config.layer.class_name", "Lambda", "wraps 'Lambda': only Dense can be imported"),
    ("pool_1.config.stride", 2, "has stride 2: only 4"),
    ("both_1.config.merge_mode", "sum", "has merge_mode 'sum': only 'concat'"),
    ("both_1.config.layer.config.inner_activation", "sigmoid", "has inner_activation 'sigmoid': only 'hard_sigmoid'"),
    ("both_1.config.layer.config.output_dim", 4, "'both_1/forward_lstm_1_W_i' has the shape (3, 2)"),
    ("dropout_1.config.p", 1, "has p 1: expected a number of 0 or more and below 1"),
    ("dense_2.inbound_nodes", [[["flatten_1", 0, 0]], [["flatten_1", 0, 0]]], "reads other layers"),
    ("dense_4.config.activation", "linear", "has activation 'linear': only 'sigmoid'"),
    ("dense_4.config.output_dim", 999_999, "bytes cannot hold the"),
    ("dense_4.class_name", "Lambda", "expected Dense, and found layer 'dense_4' ('Lambda')"),
    ("merge_2.config.mode", "max", "has mode 'max': only 'ave'"),
    ("merge_2.inbound_nodes", [[["dense_4", 0, 0], ["dense_4", 0, 0]]], "reads other layers"),
    ("merge_2.class_name", "Activation", "expected Merge"),
    ("input_2.config.batch_input_shape", [None, 32, 5], "it reads inputs of shapes"),
    ("input_2.config.batch_input_shape", None, "it reads inputs of shapes"),
    ("input_2.config.batch_input_shape", [None, "31", []], "it reads inputs of shapes"),
    ("input_2.class_name", "Dense", "it reads inputs of shapes"),
]


@pytest.mark.parametrize(("place", "value", "said"), FOREIGN, ids=lambda given: str(given)[:40])
def test_networks_that_are_no_factornet_are_refused(
    place: str, value: object, said: str, write_factornet: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_factornet(tmp_path / "published")
    edited(folder, place, value)
    with pytest.raises(InputError) as error:
        read_factornet(folder)
    assert said in str(error.value)
    assert str(folder) in str(error.value)
    assert len(str(error.value)) < 500


def test_metadata_must_meet_both_strands(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_factornet(tmp_path / "published", told=7)
    edited(folder, "merge_1.inbound_nodes", [[["dense_2", 0, 0], ["input_3", 0, 0]]])
    with pytest.raises(InputError, match="reads other layers"):
        read_factornet(folder)


TEXTS = [
    ("chip.txt", "", "chip.txt name 0 (none), and model.json has 1"),
    ("chip.txt", "CTCF\nREST\n", "chip.txt name 2 (CTCF, REST)"),
    ("chip.txt", "CT\x1bCF\n", "is no name"),
    ("bigwig.txt", "DGF\tDNase\n", "expected one name in each line"),
    ("bigwig.txt", "DGF_fwd\n", "'DGF_fwd' is a signal of one strand"),
    ("meta.txt", "GEPC1\n", "meta.txt and feature.txt name 1 (GEPC1), and model.json has 0"),
]


@pytest.mark.parametrize(("name", "text", "said"), TEXTS)
def test_lists_of_names_that_do_not_fit_are_refused(
    name: str, text: str, said: str, write_factornet: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_factornet(tmp_path / "published")
    (folder / name).write_text(text)
    with pytest.raises(InputError) as error:
        read_factornet(folder)
    assert said in str(error.value)
    (folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_factornet(folder)


def test_a_folder_without_its_files_is_refused(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder: give one that holds model"):
        read_factornet(tmp_path / "nowhere")
    folder = write_factornet(tmp_path / "published")
    (folder / "final_model.hdf5").unlink()
    with pytest.raises(InputError, match=r"final_model.hdf5: no such file \(Keras weights\)"):
        read_factornet(folder)
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match=r"model.json: no such file \(a Keras model\)"):
        read_factornet(folder)


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> tuple:
    folder = real_data / "factornet" / "models" / request.param
    if not (folder / "final_model.hdf5").is_file():
        pytest.skip(f"no published FactorNet in {folder}; set STRANDWISE_DATA to read one")
    made = import_factornet(folder, tmp_path_factory.mktemp("imported") / "run")
    return request.param, folder, Run.open(made.path)


def test_published_networks_say_what_their_files_say(published: tuple) -> None:
    name, folder, run = published
    network = run.network
    assert sum(weight.numel() for weight in network.parameters()) == run.provenance["parameters"] == PUBLISHED[name]
    kinds = network.input_types
    told = kinds["metadata"].channels if "metadata" in kinds else 0
    read = given(12, 1002, kinds["signal"].channels, told)
    # A window without cleavage, one with N alone, and one with more of it.
    read["signal"][0] = 0
    read["sequence"][1] = 4
    read["signal"][2] *= 3
    expected = by_hand(folder, read)
    predictor = run.predictor(device="cpu")
    (found,) = predictor.predict([read])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    # Most probabilities lie near 0 or 1, so their logits say more.
    exact = Predictor(predictor.network, conjoin=True, dtype=torch.float64, merge=predictor.merge)
    (logits,) = exact.logits([read])
    np.testing.assert_allclose(logits["bound"].numpy(), np.log(expected / (1 - expected)), rtol=1e-7, atol=1e-7)


def test_published_networks_say_the_same_of_both_strands(published: tuple) -> None:
    _, _, run = published
    kinds = run.network.input_types
    told = kinds["metadata"].channels if "metadata" in kinds else 0
    read = given(16, 1002, kinds["signal"].channels, told, seed=1)
    exact = Predictor(run.network, conjoin=True, dtype=torch.float64, merge=run.predictor().merge)
    ((forward, reverse),) = exact.both_strands([read])
    torch.testing.assert_close(forward, reverse, rtol=0, atol=1e-12)
    # Neither strand alone would do.
    ((one, other),) = Predictor(run.network, conjoin=False).both_strands([read])
    assert (one["bound"] - other["bound"]).abs().max() > 0.05


def test_published_networks_know_their_motif(published: tuple) -> None:
    """Three sites raise the logit; the same letters read backwards, which are no sites on either strand, hardly do."""
    name, _, run = published
    site = encode(CONSENSUS[name.split("/")[0]])
    rng = np.random.default_rng(0)
    codes, along = rng.integers(0, 4, (24, 1002)).astype(np.uint8), np.arange(1002)
    cleaved = rng.poisson(0.2 * np.exp(-(((along - 501) / 150) ** 2)), codes.shape).astype(np.float32)
    assert run.experiment.imported is not None
    rows = [cleaved if signal == "DGF" else np.ones_like(cleaved) for signal in run.experiment.imported.inputs]
    beside = {"signal": torch.from_numpy(np.stack(rows, 1))}
    if run.experiment.imported.metadata:
        beside["metadata"] = torch.zeros(len(codes), len(run.experiment.imported.metadata))
    predictor = run.predictor(device="cpu")

    def logit(letters: np.ndarray) -> float:
        planted = codes.copy()
        for start in (455, 495, 535):
            planted[:, start : start + len(letters)] = letters
        ((found),) = predictor.logits([{"sequence": torch.from_numpy(planted), **beside}])
        return float(found["bound"].mean())

    alone = logit(site[:0])
    raised, turned, backwards = (logit(letters) - alone for letters in (site, 3 - site[::-1], site[::-1]))
    assert raised > 5
    assert turned > 5
    assert raised > 3 * abs(backwards)


def test_the_average_is_that_of_probabilities(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    network = assembled(read_factornet(write_factornet(tmp_path / "published"))).double().eval()
    x = nn.functional.one_hot(torch.randint(0, 4, (5, 31)), 4).transpose(1, 2).double()
    signal = torch.rand(5, 1, 31, dtype=torch.float64)
    both = torch.sigmoid(network(x, signal)["bound"]), torch.sigmoid(network(x.flip(1, 2), signal.flip(2))["bound"])
    found = torch.sigmoid(Conjoined(network, Merge(after_link=True))(x, signal)["bound"])
    torch.testing.assert_close(found, sum(both) / 2, rtol=0, atol=1e-12)
