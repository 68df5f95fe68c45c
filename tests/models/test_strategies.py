import re
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from strandwise.errors import ConfigError
from strandwise.layers import Merge, binary_head
from strandwise.models import MODELS, STRATEGIES, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna
from strandwise.testing import random_input, randomise


def settings(**table: Any) -> StrandSettings:
    return StrandSettings.model_validate(table)


def build(model: str = "shrikumar_chip", **table: Any) -> SequenceModel:
    kind = MODELS[model]
    heads = [binary_head(("a", "b"))]
    return assemble(kind(kind.Options.model_validate(kind.small)), heads, kind.small_bp, settings(**table)).double()


def test_defaults_are_those_of_the_papers() -> None:
    for strategy, rules in STRATEGIES.items():
        found = settings(strategy=strategy)
        assert found.training_augmentation == ("coin" if rules.augment else None)
        assert found.answers == Merge("mean", after_link=False)
        assert found.feature_scale == 1


ALLOWED = {
    ("augmented", "double"),
    ("posthoc", "double"),
    ("posthoc", "none"),
    *((strategy, "coin") for strategy in STRATEGIES),
    *((strategy, how) for strategy in ("conjoined", "posthoc") for how in ("mean", "max")),
    *((strategy, how) for strategy in ("rcps", "hybrid") for how in ("mean", "sum")),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("augmentation", ["coin", "double", "none"])
def test_augmentation_is_for_strategies_that_augment(strategy: str, augmentation: str) -> None:
    if (strategy, augmentation) in ALLOWED:
        found = settings(strategy=strategy, augmentation=augmentation)
        augments = STRATEGIES[strategy].augment and augmentation != "none"
        assert found.training_augmentation == (augmentation if augments else None)
        return
    said = "augmentation 'none' is for strategy 'posthoc': use strategy 'standard'"
    if strategy != "augmented":
        said = f"augmentation is for strategies augmented and posthoc, not '{strategy}': remove it"
    with pytest.raises(ValidationError, match=re.escape(said)):
        settings(strategy=strategy, augmentation=augmentation)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("merge", ["mean", "max", "sum"])
def test_answers_and_features_merge_each_in_their_ways(strategy: str, merge: str) -> None:
    if (strategy, merge) in ALLOWED:
        found = settings(strategy=strategy, merge=merge)
        tied = STRATEGIES[strategy].tied
        assert found.answers == Merge("mean" if tied or merge == "mean" else "max")
        assert found.feature_scale == (0.5 if tied and merge == "mean" else 1)
        return
    fix = {"conjoined": "use mean or max", "posthoc": "use mean or max", "rcps": "use sum or mean"}
    fix |= {"hybrid": "use sum or mean", "standard": "remove it", "augmented": "remove it"}
    said = f"merge '{merge}' is not a way to merge strands in strategy '{strategy}': {fix[strategy]}"
    with pytest.raises(ValidationError, match=re.escape(said)):
        settings(strategy=strategy, merge=merge)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("merge", [None, "mean", "max", "sum"])
def test_merging_after_the_link_is_for_means_of_answers(strategy: str, merge: str | None) -> None:
    if strategy in ("conjoined", "posthoc") and merge in (None, "mean"):
        assert settings(strategy=strategy, merge=merge, merge_after_link=True).answers == Merge("mean", after_link=True)
        return
    with pytest.raises(ValidationError, match=r"merge_after_link is for conjoined and posthoc that|is not a way to"):
        settings(strategy=strategy, merge=merge, merge_after_link=True)


def readout_input(network: SequenceModel, x: Tensor) -> Tensor:
    assert network.trunk is not None
    return network.trunk(x)


@pytest.mark.parametrize("strategy", ["rcps", "hybrid"])
@pytest.mark.parametrize("train", [False, True])
def test_the_mean_of_features_is_half_their_sum(strategy: str, train: bool) -> None:
    added, averaged = build(strategy=strategy), build(strategy=strategy, merge="mean")
    randomise(added)
    averaged.load_state_dict(added.state_dict())
    x = random_input(dna(), added.input_bp)
    added.train(train)
    averaged.train(train)
    with torch.no_grad():
        one = added.top(readout_input(added, x) / 2)["bound"]
        torch.testing.assert_close(averaged(x)["bound"], one, rtol=0, atol=1e-12)
        assert not torch.allclose(averaged(x)["bound"], added(x)["bound"])
        assert torch.equal(build_like(added, strategy)(x)["bound"], added(x)["bound"])


def build_like(network: SequenceModel, strategy: str) -> SequenceModel:
    """The same network with the default written out."""
    twin = build(strategy=strategy, merge="sum").train(network.training)
    twin.load_state_dict(network.state_dict())
    return twin


def test_where_the_readout_is_lifted_there_are_no_features_to_merge() -> None:
    for merge in ("sum", "mean"):
        with pytest.raises(ConfigError, match=rf"strand.merge '{merge}' is for features .* remove merge"):
            build(strategy="hybrid", groups=[[1, 2, 3, 4]], merge=merge)
    build(strategy="hybrid", groups=[[1, 2, 3], [4]], merge="mean")
