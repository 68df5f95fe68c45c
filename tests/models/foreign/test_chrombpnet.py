"""Files of ChromBPNet: networks with their bias and without, against its operations in plain torch."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from strandwise.errors import InputError
from strandwise.models.foreign import read_chrombpnet

h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")

NETWORK, BIAS = ("wo_bias_bpnet_", "wo_bias_bpnet_", 3), ("bpnet_", "", 2)
BP = 100


def names(prefix: str, head: str, layers: int) -> dict[str, str]:
    """Return the names of ChromBPNet by those of bpnet-lite."""
    body = {"iconv": f"{prefix}1st_conv", **{f"rconvs.{n}": f"{prefix}{n + 1}conv" for n in range(layers)}}
    return {**body, "fconv": f"{head}prof_out_precrop", "linear": f"{head}logcount_predictions"}


@pytest.fixture
def write(tmp_path: Path, lite_weights: Callable) -> Callable[..., Path]:
    """Write networks as Keras 2 does: kernels with positions first, in the file or nested in models."""

    def make(name: str, *networks: tuple[str, str, int], ending: str = ":0", config: dict | None = None) -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            root = file.create_group("model_weights")
            file.attrs["keras_version"] = "2.12.0"
            if config is not None:
                file.attrs["model_config"] = json.dumps(config)
            for number, (prefix, head, layers) in enumerate(networks):
                state = weights(lite_weights, (prefix, head, layers))
                nested = f"model_{number}/" if len(networks) > 1 else ""
                for lite, keras in names(prefix, head, layers).items():
                    place = f"{nested}{keras}" if nested else f"{keras}/{keras}"
                    kernel = state[f"{lite}.weight"].numpy()
                    root[f"{place}/kernel{ending}"] = kernel.transpose(*range(kernel.ndim)[::-1])
                    root[f"{place}/bias{ending}"] = state[f"{lite}.bias"].numpy()
            if len(networks) > 1:
                root.create_group("logcount_predictions")
        return tmp_path / name

    return make


def weights(lite_weights: Callable, network: tuple[str, str, int]) -> dict[str, Tensor]:
    layers = network[2]
    return lite_weights(filters=2 + layers, layers=layers, stem=5, width=7, seed=layers)


def middle(x: Tensor, length: int) -> Tensor:
    spare = (x.shape[2] - length) // 2
    return x[:, :, spare : x.shape[2] - spare]


@pytest.mark.parametrize("network", [NETWORK, BIAS], ids=["network", "bias"])
@pytest.mark.parametrize("ending", [":0", ""])
def test_one_network_is_bpnet(
    network: tuple, ending: str, write: Callable, lite_weights: Callable, lite: Callable, assembled: Callable, one_hot
) -> None:
    published = read_chrombpnet([write("one.h5", network, ending=ending)], input_bp=BP, output_bp=40)
    x = one_hot(5, BP)
    profile, total = lite(weights(lite_weights, network), x)
    found = assembled(published)(x)
    assert published.model == "bpnet"
    assert profile.std() > 0.1
    assert total.std() > 0.01
    # The total is predicted from all features, also where the profile is cut.
    torch.testing.assert_close(found["profile"], middle(profile, 40), rtol=0, atol=1e-10)
    torch.testing.assert_close(found["counts"], total, rtol=0, atol=1e-10)


@pytest.mark.parametrize("files", ["two", "turned", "one", "torch"])
def test_bias_is_added(
    files: str, write: Callable, lite_weights: Callable, lite: Callable, assembled: Callable, one_hot, tmp_path: Path
) -> None:
    branches = {"accessibility.": NETWORK, "bias.": BIAS}
    state = {
        f"{name}{key}": value for name, each in branches.items() for key, value in weights(lite_weights, each).items()
    }
    torch.save(state, tmp_path / "both.pt")
    paths = {
        "two": lambda: [write("network.h5", NETWORK), write("bias.h5", BIAS)],
        "turned": lambda: [write("bias.h5", BIAS), write("network.h5", NETWORK)],
        "one": lambda: [write("both.h5", BIAS, NETWORK)],
        "torch": lambda: [tmp_path / "both.pt"],
    }[files]()
    published = read_chrombpnet(paths, input_bp=BP, output_bp=40)
    x = one_hot(5, BP)
    (profile, total), (beside, added) = (lite(weights(lite_weights, each), x) for each in (NETWORK, BIAS))
    found = assembled(published)(x)
    expected = middle(profile, 40) + middle(beside, 40)
    torch.testing.assert_close(found["profile"], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found["counts"], torch.log(total.exp() + added.exp()), rtol=0, atol=1e-10)
    assert len(published.files) == len(paths)
    assert "with its bias network" in published.source


def described(cut: object = 10, length: int = BP, **changes: object) -> dict:
    conv = {"padding": "valid", "activation": "relu", "strides": [1]}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "sequence", "batch_input_shape": [None, length, 4]}},
        {"class_name": "Conv1D", "config": {"name": "wo_bias_bpnet_1st_conv", "dilation_rate": [1], **conv}},
        {"class_name": "Conv1D", "config": {"name": "wo_bias_bpnet_2conv", "dilation_rate": [4], **conv, **changes}},
        {"class_name": "Cropping1D", "config": {"name": "wo_bias_bpnet_logitt_before_flatten", "cropping": cut}},
        {"class_name": "Lambda", "config": {"name": "logcount_predictions", "function": ["4wEAAAA", None, None]}},
    ]
    return {"class_name": "Functional", "config": {"layers": layers}}


def test_lengths_are_those_that_the_file_tells(write: Callable) -> None:
    # 4 bp of the stem, 4, 8 and 16 of the dilated layers, 6 of the profile's convolution, and 10 at either end.
    published = read_chrombpnet([write("network.h5", NETWORK, config=described([10, 10]))])
    assert (published.input_bp, published.options["profile_bp"]) == (BP, BP - 4 - 28 - 6 - 20)
    published = read_chrombpnet([write("network.h5", NETWORK, config=described(0))])
    assert "profile_bp" not in published.options
    # Where it does not, they are the usual ones.
    published = read_chrombpnet([write("network.h5", NETWORK)])
    assert (published.input_bp, published.options["profile_bp"]) == (2114, 1000)


FOREIGN = [
    (described(padding="same"), "has padding 'same', and ChromBPNet has 'valid'"),
    (described(activation="tanh"), "has activation 'tanh'"),
    (described(dilation_rate=[2]), r"has dilation_rate \[2\], and ChromBPNet has 4"),
    (described([3, 4]), "only the same at both ends can be imported"),
    (described("x"), "only the same at both ends can be imported"),
    (described(31), "it sees 62 whole, so it cannot predict 0"),
]


@pytest.mark.parametrize(("config", "said"), FOREIGN, ids=lambda given: str(given)[-40:])
def test_other_settings_are_refused(config: dict, said: str, write: Callable) -> None:
    with pytest.raises(InputError, match=said):
        read_chrombpnet([write("network.h5", NETWORK, config=config)])


def test_files_that_do_not_belong_together_are_refused(write: Callable, tmp_path: Path, lite_weights: Callable) -> None:
    network, bias = write("network.h5", NETWORK), write("bias.h5", BIAS)
    with pytest.raises(InputError, match="hold 2 networks without bias and 0 bias networks: give one of each"):
        read_chrombpnet([network, network], input_bp=BP)
    with pytest.raises(InputError, match="3 files are given"):
        read_chrombpnet([network, bias, bias])
    told = write("told.h5", NETWORK, config=described())
    other = write("other.h5", BIAS, config=described(length=90))
    with pytest.raises(InputError, match=r"told.h5 and other.h5: read 90 and 100 bp"):
        read_chrombpnet([told, other])
    torch.save(lite_weights(), tmp_path / "alone.pt")
    with pytest.raises(InputError, match="import one of its networks with `strandwise import bpnet"):
        read_chrombpnet([tmp_path / "alone.pt"])
    with pytest.raises(InputError, match=r"no such file \(ChromBPNet\)"):
        read_chrombpnet([tmp_path / "nowhere.h5"])


def without(path: Path, name: str) -> None:
    with h5py.File(path, "r+") as file:
        del file[f"model_weights/{name}"]


def test_layers_that_are_missing_are_named(write: Callable) -> None:
    for name, said in {
        "wo_bias_bpnet_2conv": r"dilated convolutions of the network are missing: there are \[1, 3\]",
        "wo_bias_bpnet_prof_out_precrop": "layer 'wo_bias_bpnet_prof_out_precrop' is missing",
        "wo_bias_bpnet_1st_conv": "a ChromBPNet has wo_bias_bpnet_1st_conv and what follows",
        "wo_bias_bpnet_1conv/wo_bias_bpnet_1conv/bias:0": "'wo_bias_bpnet_1conv/wo_bias_bpnet_1conv/bias' is missing",
    }.items():
        path = write("network.h5", NETWORK)
        without(path, name)
        with pytest.raises(InputError, match=said):
            read_chrombpnet([path], input_bp=BP)


def test_weights_that_do_not_fit_are_refused(write: Callable) -> None:
    path = write("network.h5", NETWORK)
    with h5py.File(path, "r+") as file:
        layer = file["model_weights/wo_bias_bpnet_1conv/wo_bias_bpnet_1conv"]
        del layer["kernel:0"]
        layer["kernel:0"] = np.zeros((3, 4, 5), np.float32)
    with pytest.raises(InputError, match=r"dilated convolution 1 has the shape|not those of a BPNet"):
        read_chrombpnet([path], input_bp=BP)
