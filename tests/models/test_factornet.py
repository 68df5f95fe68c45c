"""FactorNet, number by number, and the filters that begin as motifs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError, StrandLawError
from strandwise.layers import Conjoined, KerasLSTM, Merge, binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.strand import dna, revcomp, unstranded
from strandwise.testing import random_input, randomise


def build(
    strategy: str = "conjoined",
    length: int = 1000,
    *,
    tracks: int = 1,
    signal: int = 1,
    metadata: int = 0,
    **options: object,
) -> SequenceModel:
    settings = ModelSettings.model_validate({"name": "factornet", **options})
    return assemble(
        settings.architecture(),
        [binary_head(tuple(f"t{number}" for number in range(tracks)))],
        length,
        StrandSettings(strategy=strategy),
        signal=unstranded(signal) if signal else None,
        metadata=unstranded(metadata).pooled() if metadata else None,
    )


def count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


PUBLISHED: dict[str, Any] = {"kernel_size": 34, "dense": 64}


@pytest.mark.parametrize(
    ("signal", "metadata", "expected"),
    [(1, 0, 256_769), (2, 0, 257_857), (2, 14, 262_913)],
    ids=["FOXA1 onePeak_DGF", "HNF4A onePeak_Unique35_DGF", "GABPA metaGENCODE_RNAseq_Unique35_DGF"],
)
def test_parameters_are_those_of_published_networks(signal: int, metadata: int, expected: int) -> None:
    assert count(build(length=1002, signal=signal, metadata=metadata, **PUBLISHED)) == expected


def test_defaults_are_those_of_table_s1() -> None:
    conv, each, lstm = 32 * (5 * 26 + 1), 32 * 33, 2 * 4 * 32 * (32 + 32 + 1)
    # 975 positions, 75 after pooling by 13.
    assert count(build()) == conv + each + lstm + (75 * 64 + 1) * 128 + 129
    assert count(build(recurrent=0)) == conv + each + (75 * 32 + 1) * 128 + 129
    assert count(build(pooling="global")) == conv + each + 33 * 128 + 129
    assert count(build(metadata=8)) == count(build()) + (128 + 8 + 1) * 128
    assert count(build(tracks=19)) == count(build()) + 18 * 129


def test_shared_filters_read_both_strands() -> None:
    # Twice the channels come into each layer but the first; dense weights are tied between the strands.
    conv, each = 32 * (5 * 26 + 1), 32 * (64 + 1)
    lstm, dense = 2 * 4 * 32 * (64 + 32 + 1), (75 * 128 + 1) * 128
    assert count(build("rcps")) == conv + each + lstm + dense + 129


def test_the_network_is_the_one_anybody_would_write() -> None:
    model = build(length=60, kernel_size=7, filters=5, recurrent=3, dense=4, metadata=2).double().eval()
    randomise(model)
    names = dict(model.named_parameters())
    state = [value.detach() for value in names.values()]
    (conv, conv_bias, each, each_bias), rest = state[:4], state[4:]
    lstm = next(module for module in model.modules() if isinstance(module, KerasLSTM))
    first, first_bias, second, second_bias, last, last_bias = rest[3:]
    x, signal = random_input(dna(), 60), random_input(unstranded(1), 60)
    metadata = random_input(unstranded(2).pooled(), 1)

    def read(sequence: Tensor, signal: Tensor) -> Tensor:
        h = nn.functional.conv1d(torch.cat([sequence, signal], 1), conv, conv_bias).relu()
        h = nn.functional.max_pool1d(nn.functional.conv1d(h, each, each_bias).relu(), 3)
        h = nn.functional.linear(lstm(h).flatten(1), first.flatten(1), first_bias).relu()
        h = nn.functional.linear(torch.cat([h, metadata], 1), second, second_bias).relu()
        return nn.functional.linear(h, last, last_bias)

    torch.testing.assert_close(model(x, signal, metadata)["bound"], read(x, signal), rtol=0, atol=1e-12)
    both = torch.sigmoid(read(x, signal)) + torch.sigmoid(read(revcomp(x, dna()), signal.flip(-1)))
    merged = Conjoined(model, Merge(after_link=True))(x, signal, metadata)["bound"]
    torch.testing.assert_close(torch.sigmoid(merged), both / 2, rtol=0, atol=1e-12)


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="pooling 'global' leaves no positions for recurrent: remove it"):
        build(pooling="global", recurrent=8)
    with pytest.raises(ConfigError, match="pooling 'global' leaves no positions for pool_width: remove it"):
        build(pooling="global", pool_width=3)
    with pytest.raises(ConfigError, match=r"model.dropout = 1.0"):
        build(dropout=1.0)


def test_control_tracks_and_answers_along_the_window_are_refused() -> None:
    architecture = ModelSettings(name="factornet").architecture()
    with pytest.raises(ConfigError, match="FactorNet takes no control tracks"):
        assemble(architecture, [binary_head(("a",))], 1000, StrandSettings(strategy="rcps"), control=unstranded(1))
    with pytest.raises(StrandLawError, match="fewer than the"):
        build(length=20)


def test_metadata_decides_together_with_sequence() -> None:
    """A network learns labels that neither DNA nor metadata tells alone: the motif in one cell, its lack in another."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(length=40, signal=0, metadata=1, filters=8, kernel_size=6, recurrent=0, dense=16, dropout=0.0)
        model = Conjoined(network, Merge(after_link=True))
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        x, cell, label = crossed(512, seed=1)
        for _ in range(60):
            optimiser.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x, cell)["bound"], label).backward()
            optimiser.step()
    x, cell, label = crossed(200, seed=2)
    with torch.no_grad():
        right = (model.eval()(x, cell)["bound"] > 0) == (label > 0)
    assert right.float().mean() > 0.9


def crossed(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    bases = torch.randint(0, 4, (n, 40), generator=generator)
    held, cell = (torch.randint(0, 2, (n,), generator=generator) for _ in range(2))
    bases[held == 1, 17:23] = torch.tensor([3, 2, 1, 0, 3, 3])
    x = nn.functional.one_hot(bases, 4).transpose(1, 2).float()
    return x, cell.float().view(-1, 1), (held ^ cell).float().view(-1, 1)
