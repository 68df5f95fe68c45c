"""The ways to treat the two strands, as data: what a line of the config means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from strandwise.errors import did_you_mean
from strandwise.layers import Merge
from strandwise.schema import Settings


@dataclass(frozen=True)
class Strategy:
    """How a network is built, trained and used so that both strands count.

    Attributes:
        summary: one line for people.
        tied: hidden features are `regular` (weights shared between strands) rather than `plain`.
        grouped: stages are lifted in groups rather than each alone.
        augment: turn each training sequence to its other strand by chance.
        conjoin_in_training: average both strands' logits while training.
        conjoin_in_prediction: average both strands' logits while predicting.
    """

    summary: str
    tied: bool = False
    grouped: bool = False
    augment: bool = False
    conjoin_in_training: bool = False
    conjoin_in_prediction: bool = False

    @property
    def lawful(self) -> bool:
        """Whether predictions obey the strand law by construction."""
        return self.tied or self.conjoin_in_prediction


STRATEGIES: dict[str, Strategy] = {
    "standard": Strategy("an ordinary network, shown one strand"),
    "augmented": Strategy("an ordinary network, shown either strand by chance", augment=True),
    "conjoined": Strategy(
        "one network reads both strands, averaged in training and prediction",
        conjoin_in_training=True,
        conjoin_in_prediction=True,
    ),
    "posthoc": Strategy(
        "trained as augmented, averaged over both strands in prediction",
        augment=True,
        conjoin_in_prediction=True,
    ),
    "rcps": Strategy("every filter shares its weights with its reverse complement", tied=True),
    "hybrid": Strategy("groups of stages read each strand as one, under shared-weight layers", tied=True, grouped=True),
}


class StrandSettings(Settings):
    """The `[strand]` table of a config."""

    strategy: str = Field(default="posthoc", description="one of " + ", ".join(STRATEGIES))
    groups: tuple[tuple[int, ...], ...] | None = Field(
        default=None,
        description="for hybrid: stages lifted as one, counted from 1, as [[1, 2], [3]]; "
        "all convolutional stages if not given",
    )
    augmentation: Literal["coin", "double", "none"] = Field(
        default="coin",
        description="for augmented and posthoc: 'coin' turns each sequence by chance, 'double' gives every batch "
        "both strands of each sequence, so twice the rows; 'none', for posthoc, trains as standard",
    )
    merge: Literal["mean", "max", "sum"] | None = Field(
        default=None,
        description="how strands become one: mean (default) or max of two answers for conjoined and posthoc, "
        "sum (default) or mean of paired features for rcps and hybrid",
    )
    merge_after_link: bool = Field(
        default=False,
        description="for conjoined and posthoc: average probabilities, as FactorNet does, instead of logits",
    )

    @model_validator(mode="after")
    def _known(self) -> "StrandSettings":
        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise ValueError(
                f"strategy '{self.strategy}' is not one of {known}{did_you_mean(self.strategy, STRATEGIES)}"
            )
        if self.groups is not None and not STRATEGIES[self.strategy].grouped:
            raise ValueError(f"groups are for strategy 'hybrid', not '{self.strategy}': remove groups")
        if self.groups is not None:
            _check_order(self.groups)
        self._check_merge()
        return self

    def _check_merge(self) -> None:
        rules = self.rules
        if self.augmentation != "coin" and not rules.augment:
            raise ValueError(f"augmentation is for strategies augmented and posthoc, not '{self.strategy}': remove it")
        if self.augmentation == "none" and not rules.conjoin_in_prediction:
            raise ValueError("augmentation 'none' is for strategy 'posthoc': use strategy 'standard'")
        ways = ("mean", "max") if rules.conjoin_in_prediction else ("sum", "mean") if rules.tied else ()
        if self.merge is not None and self.merge not in ways:
            said = f"use {' or '.join(ways)}" if ways else "remove it"
            raise ValueError(
                f"merge '{self.merge}' is not a way to merge strands in strategy '{self.strategy}': {said}"
            )
        if self.merge_after_link and (not rules.conjoin_in_prediction or self.merge == "max"):
            raise ValueError("merge_after_link is for conjoined and posthoc that merge by mean: remove it")

    @property
    def rules(self) -> Strategy:
        """What the named strategy means."""
        return STRATEGIES[self.strategy]

    @property
    def training_augmentation(self) -> Literal["coin", "double"] | None:
        """How training sequences are turned to their other strand, if they are."""
        return self.augmentation if self.rules.augment and self.augmentation != "none" else None

    @property
    def answers(self) -> Merge:
        """How the answers of two strands are merged, where a network is conjoined."""
        how = "max" if self.rules.conjoin_in_prediction and self.merge == "max" else "mean"
        return Merge(how, self.merge_after_link)

    @property
    def feature_scale(self) -> float:
        """What paired features are multiplied by before a readout adds them up: a half makes the sum a mean."""
        return 0.5 if self.rules.tied and self.merge == "mean" else 1.0


def _check_order(groups: Sequence[Sequence[int]]) -> None:
    flat = [stage for group in groups for stage in group]
    consecutive = all(list(group) == list(range(group[0], group[0] + len(group))) for group in groups if group)
    if not flat or not all(groups) or flat != sorted(set(flat)) or not consecutive or flat[0] < 1:
        written = [list(group) for group in groups]
        raise ValueError(
            f"groups {written} must list consecutive stages, counted from 1, each at most once and in order, "
            "as in [[1, 2], [3]]"
        )
