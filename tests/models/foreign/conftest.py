"""Weights as other programs write them, tiny and random, and what those programs make of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from strandwise.layers import binary_head, profile_heads
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.models.foreign import Published
from strandwise.strand import StrandType, stranded, unstranded


@pytest.fixture
def one_hot() -> Callable[..., Tensor]:
    """Return random DNA with some N, ``(rows, 4, length)`` in float64."""

    def make(rows: int, length: int, seed: int = 0) -> Tensor:
        codes = np.random.default_rng(seed).integers(0, 5, (rows, length))
        return torch.from_numpy(np.eye(5)[codes][..., :4]).transpose(1, 2)

    return make


@pytest.fixture
def assembled() -> Callable[..., SequenceModel]:
    """Return the network of ours that a published one fills, in float64 and eval mode."""

    def build(published: Published, strategy: str = "standard") -> SequenceModel:
        architecture = ModelSettings.model_validate({"name": published.model, **published.options}).architecture()
        tracks = tuple(f"t{number}" for number in range(published.tracks))
        kind: StrandType = stranded(1) if published.tracks == 2 else unstranded(published.tracks)
        heads = [binary_head(tracks)] if published.answer == "window" else profile_heads(tracks, kind)
        signal = unstranded(len(published.inputs)) if published.inputs else None
        network = assemble(architecture, heads, published.input_bp, StrandSettings(strategy=strategy), signal=signal)
        published.fill(network)
        return network.double().eval()

    return build


@pytest.fixture
def lite_weights() -> Callable[..., dict[str, Tensor]]:
    """Return the weights of a bpnet-lite `BPNet` by its names; offsets of the heads can be left out."""

    def make(
        filters: int = 3,
        layers: int = 2,
        tracks: int = 1,
        controls: int = 0,
        stem: int = 5,
        width: int = 7,
        offsets: bool = True,
        seed: int = 0,
    ) -> dict[str, Tensor]:
        rng = np.random.RandomState(seed)

        def draw(*shape: int) -> Tensor:
            return torch.from_numpy((0.6 * rng.standard_normal(shape)).astype(np.float32))

        state = {"iconv.weight": draw(filters, 4, stem), "iconv.bias": draw(filters)}
        for number in range(layers):
            state |= {f"rconvs.{number}.weight": draw(filters, filters, 3), f"rconvs.{number}.bias": draw(filters)}
        state["fconv.weight"] = draw(tracks, filters + controls, width)
        state["linear.weight"] = draw(1, filters + (controls > 0))
        return state | ({"fconv.bias": draw(tracks), "linear.bias": draw(1)} if offsets else {})

    return make


@pytest.fixture
def lite() -> Callable[..., tuple[Tensor, Tensor]]:
    """Return profile and log of the total that bpnet-lite's `BPNet` says: all layers padded, and both ends cut off."""

    def forward(
        state: dict[str, Any], x: Tensor, control: Tensor | None = None, trimming: int | None = None
    ) -> tuple[Tensor, Tensor]:
        w = {name: torch.as_tensor(value).double() for name, value in state.items()}
        stem, width = w["iconv.weight"].shape[2], w["fconv.weight"].shape[2]
        layers = sum(name.startswith("rconvs") for name in w) // 2
        if trimming is None:
            trimming = stem // 2 + width // 2 + sum(2**number for number in range(1, layers + 1))
        start, end, reach = trimming, x.shape[2] - trimming, width // 2
        features = functional.conv1d(x, w["iconv.weight"], w["iconv.bias"], padding=stem // 2).relu()
        for number in range(layers):
            apart = 2 ** (number + 1)
            kernel, offset = w[f"rconvs.{number}.weight"], w[f"rconvs.{number}.bias"]
            features = features + functional.conv1d(features, kernel, offset, padding=apart, dilation=apart).relu()
        read = features if control is None else torch.cat([features, control], 1)
        profile = functional.conv1d(read, w["fconv.weight"], w.get("fconv.bias"), padding=reach)[:, :, start:end]
        pooled = features[:, :, start - reach : end + reach].mean(2)
        if control is not None:
            total = control[:, :, start - reach : end + reach].sum((1, 2))
            pooled = torch.cat([pooled, torch.log(total + 1)[:, None]], 1)
        return profile, functional.linear(pooled, w["linear.weight"], w.get("linear.bias"))

    return forward
