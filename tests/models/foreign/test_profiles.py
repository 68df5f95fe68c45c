"""The network that published profiles are built as: what it refuses, and how both strands are averaged around it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from strandwise.errors import ConfigError
from strandwise.layers import Conjoined, profile_heads
from strandwise.models import StrandSettings, assemble
from strandwise.models.foreign import read_bpnet
from strandwise.models.foreign.profiles import PublishedProfiles
from strandwise.strand import stranded, unstranded
from strandwise.testing import assert_strand_law


def build(strategy: str = "posthoc", length: int = 60, signal=None, **options: object):
    architecture = PublishedProfiles(PublishedProfiles.Options.model_validate({**PublishedProfiles.small, **options}))
    tracks = ("+", "-") if architecture.options.tracks == 2 else ("a",)
    kind = stranded(1) if len(tracks) == 2 else unstranded(1)
    return assemble(architecture, profile_heads(tracks, kind), length, StrandSettings(strategy=strategy), signal=signal)


@pytest.mark.parametrize("options", [{}, {"tracks": 2}, {"bias": PublishedProfiles.small | {}}], ids=str)
def test_both_strands_averaged_obey(options: dict) -> None:
    if "bias" in options:
        options = {"bias": {key: value for key, value in options["bias"].items() if key != "profile_bp"}}
    network = build(**options).double().eval()
    assert_strand_law(Conjoined(network), lengths=(60,))
    with pytest.raises(AssertionError, match="breaks the strand law"):
        assert_strand_law(network, lengths=(60,), tolerance=1e-4)


def test_controls_turn_with_the_dna(
    lite_weights: Callable, tmp_path: Path, assembled: Callable, one_hot: Callable
) -> None:
    torch.save(lite_weights(tracks=2, controls=2), tmp_path / "bpnet.pt")
    network = assembled(read_bpnet(tmp_path / "bpnet.pt", input_bp=60))
    network.input_types["signal"] = stranded(1)
    assert_strand_law(Conjoined(network), lengths=(60,))


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
def test_shared_weights_are_refused(strategy: str) -> None:
    with pytest.raises(ConfigError, match=r"published weights are those of an ordinary network|as 'rcps'"):
        build(strategy)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="reads 0 control tracks, and 2 are given"):
        build(signal=unstranded(2))
    with pytest.raises(ConfigError, match="of 40 bp the network sees 20 whole: profile_bp = 30"):
        build(length=40)
    with pytest.raises(ConfigError, match="of 61 bp the network sees 41 whole"):
        build(length=61)
    with pytest.raises(ConfigError, match="counts_bp fit too"):
        build(counts_bp=60)
    with pytest.raises(ValidationError, match="a bias network stands beside one track without controls"):
        PublishedProfiles.Options.model_validate({"tracks": 2, "bias": {}})
    architecture = PublishedProfiles(PublishedProfiles.Options.model_validate(PublishedProfiles.small))
    with pytest.raises(ConfigError, match="the network has 1 tracks, and the head 2"):
        assemble(architecture, profile_heads(("+", "-"), stranded(1)), 60, StrandSettings(strategy="standard"))
