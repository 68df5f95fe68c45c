import pytest
from pydantic import ValidationError

from strandwise.data.simulation import FactorSettings, PairSettings, SimulationSettings


def test_counts_grow_with_the_genome():
    assert SimulationSettings().count(500) == 1000
    assert SimulationSettings(total_bp=100_000).count(500) == 50


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"factors": ()}, "factors is empty"),
        ({"pair": PairSettings(anchor="MA0080.7")}, "MA0080.7, which is not among the factors"),
        ({"pair": PairSettings(anchor="MA0482.3")}, "does not help itself"),
        ({"factors": [FactorSettings(accession="MA0139.2", sites_per_mb=1)] * 2, "pair": None}, "twice"),
        ({"total_bp": 10}, "total_bp"),
        ({"genome": 3}, "genome"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        SimulationSettings(**changes)
