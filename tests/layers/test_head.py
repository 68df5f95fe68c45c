import pytest
import torch

from strandwise.errors import StrandLawError
from strandwise.layers import Head, binary_head
from strandwise.scores.losses import LOSSES
from strandwise.strand import stranded, unstranded


def test_a_binary_head_gives_probabilities() -> None:
    head = binary_head(("CTCF", "MAX"))
    assert head.name == "bound"
    assert head.type == unstranded(2).pooled()
    logits = torch.tensor([[0.0, 2.0], [-3.0, 100.0]])
    torch.testing.assert_close(head.activate(logits), 1 / (1 + (-logits).exp()))
    assert head.loss in LOSSES


def test_identity_changes_nothing() -> None:
    logits = torch.tensor([[-3.0, 2.0]])
    assert torch.equal(Head("x", stranded(1).pooled(), ("plus", "minus")).activate(logits), logits)


def test_each_channel_has_a_track() -> None:
    with pytest.raises(StrandLawError, match=r"head 'x' has 1 tracks for the 2 channels of stranded\(1\).pooled\(\)"):
        Head("x", stranded(1).pooled(), ("plus",))
