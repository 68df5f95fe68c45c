"""Assertions about strand symmetry, for our own tests and for users' modules."""

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from strandwise.strand import StrandType, declared_types, dna, revcomp, strand_deviation


def random_input(strand_type: StrandType, length: int, batch: int = 3, seed: int = 0) -> Tensor:
    """Return a float64 tensor of a type: one-hot bases with a few N for `dna`, normal numbers otherwise."""
    generator = torch.Generator().manual_seed(seed)
    if strand_type == dna() and strand_type.name == "dna()":
        bases = torch.randint(0, 5, (batch, length), generator=generator)
        return nn.functional.one_hot(bases, 5)[..., :4].transpose(1, 2).double().contiguous()
    shape = (batch, strand_type.channels) + ((length,) if strand_type.positions else ())
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and running statistic a random, non-trivial value, in place; return the module.

    Fresh modules hide broken laws behind zero biases and unit variances.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict(keep_vars=True).items():
            if not tensor.is_floating_point():
                continue
            values = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            values = 0.5 + values if "running_var" in name else values - 0.5
            tensor.copy_(values.to(tensor.dtype))
    return module


def assert_strand_law(
    module: nn.Module,
    *,
    lengths: Iterable[int] = (64,),
    batch: int = 3,
    tolerance: float = 1e-10,
    randomised: bool = True,
    modes: Iterable[str] = ("eval", "train"),
    seed: int = 0,
) -> None:
    """Assert that a module obeys ``f(revcomp(x)) == revcomp(f(x))``, in float64 on a copy.

    The module says how its tensors turn: a typed module by `in_type` and `out_type` (one tensor in, one
    out), a model by `input_types` and `output_types` (tensors by name in, a dict of tensors out).

    Args:
        module: what to test; it is copied, and comes back as it was.
        lengths: input lengths in base pairs to try, odd and even ones where the module takes both.
        batch: sequences in a batch.
        tolerance: the largest allowed deviation max|d| / (1 + max|f|).
        randomised: replace weights and running statistics by random ones first.
        modes: "eval", "train" or both. In train mode both strands meet the same random numbers; a module that
            does not mirror what it draws, such as `torch.nn.Dropout`, breaks the law.
        seed: of inputs, weights and what the module draws; the caller's generator is left as it was.

    Raises:
        AssertionError: naming the mode, the length, the output and the deviation.
        StrandLawError: the module declares no types.
    """
    input_types, output_types = declared_types(module)
    module = copy.deepcopy(module).double()
    if randomised:
        randomise(module, seed)
    for length in lengths:
        inputs = {name: random_input(kind, length, batch, seed) for name, kind in input_types.items()}
        turned = {name: revcomp(x, input_types[name]) for name, x in inputs.items()}
        for mode in modes:
            module.train(mode == "train")
            with torch.no_grad():
                forward = _pass(module, inputs, seed)
                reverse = _pass(module, turned, seed)
            for name, kind in output_types.items():
                deviation = strand_deviation(forward[name], reverse[name], kind)
                if not deviation <= tolerance:
                    raise AssertionError(
                        f"{type(module).__name__} breaks the strand law in {mode} mode at length {length}: "
                        f"output '{name}' of type {kind} deviates by {deviation:.3g} (allowed {tolerance:.3g})."
                    )


def _pass(module: nn.Module, inputs: Mapping[str, Tensor], seed: int) -> Mapping[str, Tensor]:
    """Return the outputs of a copy, since batch statistics of one pass must not reach the next."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _outputs(copy.deepcopy(module)(*inputs.values()))


def _outputs(result: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {"output": result} if isinstance(result, Tensor) else result
