import numpy as np
import pytest

from strandwise.data.simulation import FactorSettings, PairSettings, SimulationSettings
from strandwise.data.simulation.background import base_frequencies
from strandwise.data.simulation.sites import blur, chromosome_sizes, draw_loci, plan_genome
from strandwise.errors import InputError
from strandwise.motifs import Motif, jaspar_motif

SETTINGS = SimulationSettings(total_bp=400_000, cpg=0.5)
MOTIFS = [jaspar_motif(factor.accession) for factor in SETTINGS.factors]


@pytest.fixture(scope="module")
def plan():
    return plan_genome(np.random.default_rng(3), SETTINGS, MOTIFS)


def test_chromosomes_differ_and_add_up():
    sizes = list(chromosome_sizes(SETTINGS).values())
    assert sum(sizes) == 400_000
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 8


def test_counts_of_sites_are_those_asked_for(plan):
    alone = plan.sites[plan.sites["partner"] < 0].groupby("factor").size()
    assert alone.tolist() == [200, 200, 50, 80]
    pairs = plan.sites[(plan.sites["factor"] == 3) & (plan.sites["partner"] == 2)]
    assert (pairs["spacing"] == 8).sum() == 170
    assert len(pairs) == 200
    assert ((pairs["spacing"] == 8) | ((pairs["spacing"] - 8).abs() > 2)).all()


def test_sites_never_touch_and_lie_in_their_element_on_one_chromosome(plan):
    sites = plan.sites
    assert (sites["start"].to_numpy()[1:] >= sites["end"].to_numpy()[:-1]).all()
    centre = plan.elements["centre"].to_numpy()[sites["element"]]
    assert (np.abs(sites["start"] - centre) <= 85).all()
    assert (np.abs(sites["end"] - centre) <= 85).all()
    assert (plan.codes[sites["start"]] < 4).all()
    for end in (centre - 150, centre + 149):
        assert (plan.locate(end)[0] == plan.locate(centre)[0]).all()


def test_strands_are_equally_frequent(plan):
    share = (plan.sites["strand"] == 1).mean()
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(plan.sites) / 2)


def test_binding_follows_score_and_help(plan):
    sites = plan.sites
    ctcf = sites[sites["factor"] == 0]
    assert np.corrcoef(ctcf["score"], ctcf["occupancy"])[0, 1] > 0.7
    gata = sites[sites["factor"] == 3]
    helped = gata["spacing"] == 8
    assert gata.loc[helped, "occupancy"].mean() > 0.85
    assert gata.loc[~helped, "occupancy"].mean() < 0.3
    open_sites = sites[sites["open_alpha"]]
    spread = np.sqrt((open_sites["occupancy"] * (1 - open_sites["occupancy"])).sum())
    assert abs(open_sites["bound_alpha"].sum() - open_sites["occupancy"].sum()) < 4 * spread


def test_cell_types_share_about_half_of_what_is_open(plan):
    elements = plan.elements
    assert 0.68 < elements["open_alpha"].mean() < 0.85
    assert 0.4 < elements.loc[elements["open_alpha"], "open_beta"].mean() < 0.6


def test_runs_of_n_are_there(plan):
    is_n = np.concatenate([[False], plan.codes == 4, [False]])
    assert (np.diff(is_n.astype(int)) == 1).sum() in range(1, SETTINGS.n_runs + 1)


def test_locate_counts_on_each_chromosome(plan):
    first, second = list(plan.sizes.values())[:2]
    chrom, at = plan.locate(np.array([0, first - 1, first, first + second]))
    assert chrom.tolist() == ["chr1", "chr1", "chr2", "chr3"]
    assert at.tolist() == [0, first - 1, 0, 0]


def test_degenerate_sites_are_weaker(plan):
    exact = plan_genome(np.random.default_rng(3), SETTINGS.model_copy(update={"degeneracy": 0.0}), MOTIFS)
    assert exact.sites["score"].mean() > plan.sites["score"].mean() + 1
    sure = Motif("A", "X1.1", np.eye(4)[:1])
    np.testing.assert_allclose(blur(sure, 0.2, base_frequencies(0.5)).probabilities, [[0.85, 0.05, 0.05, 0.05]])


def changed(**updates):
    return SETTINGS.model_copy(update=updates)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (changed(pair=PairSettings(spacing=70)), r"give a spacing of at most 66\."),
        (changed(loci_per_element=1.0), "raise total_bp"),
        (changed(factors=(FactorSettings(accession="MA0139.2", sites_per_mb=0),), pair=None), "no site"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        plan_genome(np.random.default_rng(0), settings, MOTIFS[: len(settings.factors)])


def test_a_motif_longer_than_a_locus_is_refused():
    with pytest.raises(InputError, match=r"MA0138\.3 is 99 bp long"):
        draw_loci(np.random.default_rng(0), changed(pair=None), [15, 99, 6, 8])
