import numpy as np
import pysam
import pytest

from strandwise.data.simulation import SimulationSettings
from strandwise.data.simulation.background import base_frequencies
from strandwise.data.simulation.sites import plan_genome
from strandwise.data.simulation.variants import draw_variants, write_variants
from strandwise.motifs import jaspar_motif
from strandwise.sequence import revcomp_codes

SETTINGS = SimulationSettings(total_bp=200_000)
MOTIFS = [jaspar_motif(factor.accession) for factor in SETTINGS.factors]
NAMES = [motif.name for motif in MOTIFS]


@pytest.fixture(scope="module")
def plan():
    return plan_genome(np.random.default_rng(1), SETTINGS, MOTIFS)


@pytest.fixture(scope="module")
def variants(plan):
    return draw_variants(np.random.default_rng(2), plan, MOTIFS, NAMES, 20, SETTINGS.gc)


def test_refs_are_the_genome_and_alts_are_not(plan, variants):
    np.testing.assert_array_equal(plan.codes[variants["position"]], variants["ref"])
    assert (variants["ref"] != variants["alt"]).all()
    assert variants["position"].is_monotonic_increasing
    assert variants["position"].is_unique


def test_effect_is_the_change_of_the_whole_sites_score(plan, variants):
    background = base_frequencies(SETTINGS.gc)
    planted = variants[~variants["matched"]]
    assert planted.groupby("factor").size().tolist() == [20] * 4
    for row in planted.to_dict("records"):
        inside = (plan.sites["start"] <= row["position"]) & (plan.sites["end"] > row["position"])
        (site,) = plan.sites[inside].to_dict("records")
        assert NAMES[site["factor"]] == row["factor"]
        assert site["bound_alpha"]
        before = plan.codes[site["start"] : site["end"]]
        after = before.copy()
        after[row["position"] - site["start"]] = row["alt"]
        if site["strand"] == -1:
            before, after = revcomp_codes(before), revcomp_codes(after)
        motif = MOTIFS[site["factor"]]
        change = motif.score(after, background) - motif.score(before, background)
        assert row["effect"] == pytest.approx(change)


def test_matched_variants_lie_open_and_outside_of_sites(plan, variants):
    matched = variants[variants["matched"]]
    assert len(matched) >= 0.9 * (~variants["matched"]).sum()
    assert (matched["effect"] == 0).all()
    position = matched["position"].to_numpy()[:, None]
    sites = plan.sites
    assert not ((sites["start"].to_numpy() <= position) & (sites["end"].to_numpy() > position)).any()
    centres = plan.elements.loc[plan.elements["open_alpha"], "centre"].to_numpy()
    assert (np.abs(position - centres).min(axis=1) <= 150).all()


def test_file_reads_back_through_pysam(tmp_path, plan, variants):
    path = tmp_path / "variants.vcf.gz"
    write_variants(path, plan, variants)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["variants.vcf.gz", "variants.vcf.gz.tbi"]
    with pysam.VariantFile(str(path)) as stream:
        contigs = {name: stream.header.contigs[name].length for name in stream.header.contigs}
        records = list(stream)
        fetched = [record.id for record in stream.fetch("chr2")]
    assert contigs == plan.sizes
    assert len(records) == len(variants)
    chroms, positions = plan.locate(variants["position"].to_numpy())
    assert [record.chrom for record in records] == chroms.tolist()
    assert [record.start for record in records] == positions.tolist()
    assert [record.info["FACTOR"] for record in records] == variants["factor"].tolist()
    np.testing.assert_allclose([record.info["EFFECT"] for record in records], variants["effect"], atol=1e-4)
    assert [record.info.get("MATCHED", False) for record in records] == variants["matched"].tolist()
    assert fetched == [record.id for record in records if record.chrom == "chr2"]
