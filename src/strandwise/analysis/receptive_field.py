"""How far a network sees: which bases of a window have a part in what it says of the middle."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from strandwise.errors import InputError, StrandLawError, listing
from strandwise.strand import StrandType, declared_types, dna


@dataclass(frozen=True)
class ReceptiveField:
    """The bases of a window that have a part in an output.

    Attributes:
        profile: ``(input_bp,)``; how much the output changes with each base, the norm of its gradient over the
            four letters, in the mean over sequences.
        first: the first base with a part in it, from 0; None if there is none.
        last: the last one.
    """

    profile: NDArray[np.float64]
    first: int | None
    last: int | None

    @property
    def span_bp(self) -> int:
        """The number of bases from the first to the last."""
        return 0 if self.first is None or self.last is None else self.last - self.first + 1

    def shortest_bp(self, share: float) -> int:
        """Return the length of the shortest stretch that carries a share of the whole profile; 0 if nothing is seen.

        Raises:
            InputError: a share that is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise InputError(f"share {share} must be above 0 and at most 1.")
        if not self.profile.any():
            return 0
        until = np.concatenate([[0.0], np.cumsum(self.profile)])
        ends = np.searchsorted(until, until[:-1] + share * until[-1])
        # Where too little is left to the right, no stretch begins.
        return int((ends - np.arange(len(ends)))[ends < len(until)].min())


def receptive_field(
    model: nn.Module, input_bp: int, *, head: str | None = None, sequences: int = 4, seed: int = 0
) -> ReceptiveField:
    """Return the bases that have a part in what a network says of the middle of a window.

    As in Figure 2 of Gupta & Rush 2017: an error is sent back from the output to the sequence. Random sequences stand
    in for real ones; what no gradient reaches in any of them counts as unseen, so that a network whose units are
    mostly silent looks narrower than it is. A copy runs in eval mode, in 64 bits, where small gradients do not vanish.

    Args:
        model: a network that declares its types; it reads DNA as its first input. Others that it reads, of signal
            along the window or of the window as a whole, are zero.
        input_bp: length of the window.
        head: the output that is asked; the first if not given. Of one with positions the middle is asked (of an even
            number, the one after it), of one without all there is.
        sequences: how many random sequences to ask.
        seed: of the sequences.

    Raises:
        InputError: an output that the network does not have, or an unusable number.
        StrandLawError: the network declares no types, or does not read DNA.
    """
    input_types, output_types = declared_types(model)
    if input_bp < 1 or sequences < 1:
        raise InputError(f"input_bp {input_bp} and sequences {sequences} must both be 1 or more.")
    name = next(iter(output_types)) if head is None else head
    if name not in output_types:
        raise InputError(f"the network has no output '{name}': ask for one of {listing(output_types)}.")
    first, *beside = input_types.values()
    if first != dna():
        raise StrandLawError(f"the first input is {first} and no DNA: a receptive field is counted in bases.")
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    # In inference mode, which a caller may be in, there are no gradients.
    with torch.inference_mode(False), torch.enable_grad():
        asked = copy.deepcopy(model).double().eval()
        total = torch.zeros(input_bp, dtype=torch.float64, device=device)
        for _ in range(sequences):
            letters = torch.randint(0, 4, (1, input_bp), generator=generator)
            x = functional.one_hot(letters, 4).transpose(1, 2).double().to(device).requires_grad_()
            result = asked(x, *(_silent(kind, input_bp, device) for kind in beside))
            total += _gradient(result if isinstance(result, Tensor) else result[name], x)
    profile = total.cpu().numpy() / sequences
    seen = np.flatnonzero(profile)
    return ReceptiveField(profile, *((int(seen[0]), int(seen[-1])) if seen.size else (None, None)))


def _gradient(logits: Tensor, x: Tensor) -> Tensor:
    """Return the norm of the gradient at each base ``(positions,)`` of the middle of ``(1, channels[, positions])``."""
    asked = logits[..., logits.shape[2] // 2] if logits.ndim == 3 else logits
    (gradient,) = torch.autograd.grad(asked.sum(), x, allow_unused=True)
    return torch.zeros_like(x[0, 0]) if gradient is None else gradient[0].norm(dim=0).detach()


def _silent(kind: StrandType, input_bp: int, device: torch.device) -> Tensor:
    along = (input_bp,) if kind.positions else ()
    return torch.zeros(1, kind.channels, *along, dtype=torch.float64, device=device)
