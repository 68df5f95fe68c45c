"""A network beside a frozen one that knows the assay's bias, as in ChromBPNet."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from strandwise.errors import StrandLawError
from strandwise.layers import Head
from strandwise.models.assembly import SequenceModel
from strandwise.strand import StrandType, declared_types, revcomp, strand_deviation
from strandwise.testing import random_input

TOLERANCE = 1e-3


class WithBias(nn.Module):
    """Add the prediction of a frozen bias network to that of the network that is trained.

    Logits of profiles add up, so shares multiply; counts add up, on the scale of their logarithms
    (ChromBPNet, Pampari et al. 2025). The bias network reads the middle of the window where it is shorter.

    Args:
        model: what is trained; alone it gives what is left without the bias.
        bias: the frozen network, with the same heads; it must obey the strand law itself.

    Raises:
        StrandLawError: heads or lengths that do not fit, or a bias network whose strands disagree.
    """

    def __init__(self, model: SequenceModel, bias: nn.Module) -> None:
        super().__init__()
        inputs, outputs = declared_types(bias)
        self.bias_bp = int(getattr(bias, "input_bp", 0) or getattr(getattr(bias, "model", None), "input_bp", 0))
        if set(inputs) != {"sequence"}:
            raise StrandLawError(f"a bias network reads the sequence alone, and this one reads {', '.join(inputs)}.")
        for head in model.heads:
            if outputs.get(head.name) != head.type:
                raise StrandLawError(
                    f"the bias network gives {_listed(outputs)}, and the network has '{head.name}' of {head.type}: "
                    "train the bias network with the same heads."
                )
        spare = model.input_bp - self.bias_bp
        if not self.bias_bp or spare < 0 or spare % 2:
            raise StrandLawError(
                f"the bias network reads {self.bias_bp} bp and the network {model.input_bp}: its length must be known, "
                "not longer, and leave an even number of bases to cut, the same at both ends."
            )
        self.model, self.bias = model, bias
        self.input_types, self.output_types = model.input_types, model.output_types
        self.heads, self.input_bp = model.heads, model.input_bp
        for weight in bias.parameters():
            weight.requires_grad_(False)
        self.train(self.training)
        self._check_law()

    def train(self, mode: bool = True) -> "WithBias":
        """Set the mode of the network; that of the frozen one never changes."""
        super().train(mode)
        self.bias.eval()
        return self

    def forward(self, sequence: Tensor, *beside: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return logits by head, the bias added; inputs are those of the network."""
        found = self.model(sequence, *beside, **named)
        bias = self._bias(sequence)
        return {head.name: _added(head, found[head.name], bias[head.name]) for head in self.heads}

    def _bias(self, sequence: Tensor) -> Mapping[str, Tensor]:
        # Of a stretch of several windows too.
        cut = (self.input_bp - self.bias_bp) // 2
        return self.bias(sequence[..., cut : sequence.shape[-1] - cut])

    def _check_law(self) -> None:
        weight = next(self.bias.parameters(), torch.zeros(()))
        kind: StrandType = self.input_types["sequence"]
        x = random_input(kind, self.input_bp, batch=4).to(weight)
        with torch.no_grad():
            forward, reverse = self._bias(x), self._bias(revcomp(x, kind))
        for head in self.heads:
            deviation = strand_deviation(forward[head.name], reverse[head.name], head.type)
            if deviation > TOLERANCE:
                raise StrandLawError(
                    f"the two strands of the bias network disagree by {deviation:.2g} in '{head.name}', and would "
                    "make any network around it disagree: give Conjoined(bias), or a bias run of a lawful strategy."
                )


def _added(head: Head, found: Tensor, bias: Tensor) -> Tensor:
    if found.shape != bias.shape:
        raise StrandLawError(
            f"the bias network gives '{head.name}' of shape {tuple(bias.shape)} and the network {tuple(found.shape)}: "
            "make both predict the same positions."
        )
    if head.link != "log1p":
        return found + bias
    # log(1 + a + b) of counts a and b that are known as log(1 + a) and log(1 + b).
    total = torch.logaddexp(found, bias)
    return total + torch.log1p(-torch.exp(-total).clamp(max=1 - 1e-6))


def _listed(outputs: Mapping[str, StrandType]) -> str:
    return ", ".join(f"'{name}' of {kind}" for name, kind in outputs.items())
