import json

import numpy as np
import pandas as pd
import pybigtools
import pysam
import pytest
from sklearn.metrics import roc_auc_score

from strandwise.data.simulation import SimulatedGenome, SimulationSettings, genome, simulate_genome
from strandwise.data.simulation.background import base_frequencies
from strandwise.errors import InputError
from strandwise.motifs import jaspar_motif
from strandwise.sequence import encode, revcomp_codes

SETTINGS = SimulationSettings(total_bp=300_000, chromosomes=11, variants_per_factor=30)
BED = ["chrom", "start", "end", "name", "score", "strand"]
REACH = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimulatedGenome:
    return simulate_genome(tmp_path_factory.mktemp("simulation") / "sim", seed=5, settings=SETTINGS)


@pytest.fixture(scope="module")
def truth(made) -> pd.DataFrame:
    return pd.read_csv(made.truth, sep="\t")


@pytest.fixture(scope="module")
def letters(made) -> dict[str, str]:
    with pysam.FastaFile(str(made.fasta)) as fasta:
        return {name: fasta.fetch(name) for name in fasta.references}


def contents(folder):
    """Return bytes of text files and values of bigWigs, which need not be equal byte for byte."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".bw":
            bigwig = pybigtools.open(str(path))
            found[str(path.relative_to(folder))] = [(chrom, list(bigwig.records(chrom))) for chrom in bigwig.chroms()]
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_same_seed_same_files_other_seed_other_genome(made, tmp_path):
    again = simulate_genome(tmp_path / "again", seed=5, settings=SETTINGS)
    first, second = contents(made.folder), contents(again.folder)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    other = simulate_genome(tmp_path / "again", seed=6, settings=SETTINGS, overwrite=True)
    assert other.fasta.read_bytes() != first["genome.fa.gz"]


def test_sizes_agree_in_all_files(made, letters):
    sizes = dict(line.split("\t") for line in made.chrom_sizes.read_text().splitlines())
    assert {chrom: len(text) for chrom, text in letters.items()} == {c: int(n) for c, n in sizes.items()}
    assert sum(len(text) for text in letters.values()) == 300_000
    chroms = pybigtools.open(str(made.accessibility("alpha"))).chroms()
    assert {chrom: int(sizes[chrom]) for chrom in sizes} == chroms


def test_gc_content_and_runs_of_n(letters):
    joined = "".join(letters.values())
    known = len(joined) - joined.count("N")
    assert (joined.count("G") + joined.count("C")) / known == pytest.approx(0.42, abs=0.02)
    assert 0 < joined.count("N") <= 6 * 750


def test_planted_sites_are_in_the_genome_with_their_score(truth, letters):
    background = base_frequencies(SETTINGS.gc)
    assert set(truth["strand"]) == {"+", "-"}
    for row in truth.to_dict("records"):
        site = encode(letters[row["chrom"]][row["start"] : row["end"]])
        site = revcomp_codes(site) if row["strand"] == "-" else site
        assert jaspar_motif(row["accession"]).score(site, background) == pytest.approx(row["score"], abs=1e-3)
    # By chance a site would score below zero; few of the planted ones do.
    assert np.mean(truth["score"].to_numpy() > 0) > 0.9


def test_spacing_is_exact_and_the_anchor_lies_upstream(truth):
    gata = truth[(truth["factor"] == "GATA4") & truth["partner"].notna()]
    assert (gata["partner"] == "MAX").all()
    assert (gata["spacing"] == 8).sum() == SETTINGS.count(425)
    upstream = truth["end"].where(truth["strand"] == "+", truth["start"])
    anchors = truth["factor"] == "MAX"
    edges = set(zip(truth["chrom"][anchors], truth["strand"][anchors], upstream[anchors], strict=True))
    assert len(edges) >= len(gata)
    for chrom, strand, start, end, spacing in zip(
        *(gata[column] for column in ("chrom", "strand", "start", "end", "spacing")), strict=True
    ):
        assert (chrom, strand, start - spacing if strand == "+" else end + spacing) in edges


def test_help_at_the_right_spacing_alone(truth):
    gata = truth[(truth["factor"] == "GATA4") & (truth["open_alpha"] == 1)]
    helped = gata["spacing"] == 8
    assert gata.loc[helped, "bound_alpha"].mean() > 0.8
    assert gata.loc[~helped, "bound_alpha"].mean() < 0.35


@pytest.mark.parametrize("cell", ["alpha", "beta"])
def test_closed_sites_are_never_bound_and_open_ones_are_accessible(made, truth, cell):
    is_open = truth[f"open_{cell}"] == 1
    assert truth.loc[~is_open, f"bound_{cell}"].sum() == 0
    assert truth.loc[is_open, f"bound_{cell}"].mean() > 0.5
    regions = pd.read_csv(made.open_regions(cell), sep="\t", names=BED)
    bigwig = pybigtools.open(str(made.accessibility(cell)))
    inside, height = [], []
    for chrom, start, end in zip(truth["chrom"], truth["start"], truth["end"], strict=True):
        here = regions[regions["chrom"] == chrom]
        inside.append(bool(((here["start"] <= start) & (here["end"] >= end)).any()))
        height.append(float(np.mean(bigwig.values(chrom, start, end, fillna=0.0))))
    assert inside == is_open.tolist()
    assert roc_auc_score(is_open, height) > 0.99


@pytest.mark.parametrize("cell", ["alpha", "beta"])
def test_peaks_are_the_bound_sites(made, truth, cell):
    for factor in made.factors:
        peaks = pd.read_csv(made.peaks(factor, cell), sep="\t", names=BED)
        bound = truth[(truth["factor"] == factor) & (truth[f"bound_{cell}"] == 1)]
        assert peaks["chrom"].tolist() == bound["chrom"].tolist()
        assert (peaks["end"] - peaks["start"] == 1).all()
        assert set(peaks["name"]) == {factor}
        assert set(peaks["strand"]) == {"."}
        assert peaks["score"].between(0, 1000).all()
        middle = (bound["start"] + bound["end"]) // 2
        assert np.abs(np.sort(middle) - np.sort(peaks["start"])).max() <= 5


def test_peak_scores_rise_with_the_site(made, truth):
    peaks = pd.read_csv(made.peaks("CTCF", "alpha"), sep="\t", names=BED)
    bound = truth[(truth["factor"] == "CTCF") & (truth["bound_alpha"] == 1)]
    by_place = bound.set_index([bound["chrom"], (bound["start"] + bound["end"]) // 2])["score"]
    score = [
        by_place[chrom].iloc[np.abs(by_place[chrom].index - start).argmin()]
        for chrom, start in zip(peaks["chrom"], peaks["start"], strict=True)
    ]
    assert np.corrcoef(score, peaks["score"])[0, 1] > 0.8


def stranded_sums(made, truth, factor, strand):
    """Add up both tracks around the bound sites of one strand: ``(2, 121)`` about the sites' anchors."""
    tracks = [pybigtools.open(str(made.signal(factor, word))) for word in ("plus", "minus")]
    bound = truth[(truth["factor"] == factor) & (truth["bound_alpha"] == 1) & (truth["strand"] == strand)]
    total = np.zeros((2, 2 * REACH + 1))
    for chrom, start, end in zip(bound["chrom"], bound["start"], bound["end"], strict=True):
        half = (end - start - 1) // 2
        anchor = start + half if strand == "+" else end - 1 - half
        for row, track in enumerate(tracks):
            values = track.values(chrom, anchor - REACH, anchor + REACH + 1, fillna=0.0)
            total[row] += np.nan_to_num(values)
    return total, len(bound)


@pytest.mark.parametrize("factor", ["CTCF", "REST"])
def test_signal_of_minus_sites_mirrors_that_of_plus_sites(made, truth, factor):
    plus, plus_sites = stranded_sums(made, truth, factor, "+")
    minus, minus_sites = stranded_sums(made, truth, factor, "-")
    mirrored = minus[::-1, ::-1] * plus_sites / minus_sites
    # Fine structure agrees, and agrees better than without turning one of the two.
    assert np.corrcoef(plus.ravel(), mirrored.ravel())[0, 1] > 0.95
    assert np.corrcoef(plus.ravel(), minus.ravel())[0, 1] < 0.9
    # Chance alone: sums of Poisson counts, widened by neighbouring sites, which add tags in clumps.
    shape_plus, shape_mirrored = plus / plus.sum(), mirrored / mirrored.sum()
    noise = np.sqrt(plus + minus[::-1, ::-1] + 1) / min(plus.sum(), minus.sum())
    assert np.abs((shape_plus - shape_mirrored) / noise).mean() < 1.5
    upstream = plus[0, :REACH].sum() / plus[0].sum()
    downstream = plus[1, REACH + 1 :].sum() / plus[1].sum()
    assert min(upstream, downstream) > 0.85


def test_signal_is_counts_and_lies_at_bound_sites(made, truth):
    values = [value for track in ("plus", "minus") for value in signal_values(made, "MAX", track)]
    assert all(value == int(value) and value > 0 for value in values)
    bound, bound_sites = stranded_sums(made, truth, "MAX", "+")
    unbound = truth.assign(bound_alpha=1 - truth["bound_alpha"])
    rest, other_sites = stranded_sums(made, unbound[unbound["open_alpha"] == 0], "MAX", "+")
    assert bound.sum() / bound_sites > 10 * rest.sum() / other_sites


def signal_values(made, factor, word):
    track = pybigtools.open(str(made.signal(factor, word)))
    return [value for chrom in track.chroms() for _, _, value in track.records(chrom)]


def test_variants_have_the_genomes_letter(made, letters):
    with pysam.VariantFile(str(made.variants)) as stream:
        records = list(stream)
    assert len(records) > 150
    for record in records:
        assert letters[record.chrom][record.start] == record.ref
        assert record.info["FACTOR"] in made.factors


def test_folder_says_what_it_is(made):
    marker = json.loads((made.folder / "simulation.json").read_text())
    assert marker["seed"] == 5
    assert SimulationSettings.model_validate(marker["settings"]) == SETTINGS
    text = made.readme.read_text()
    assert "seed 5" in text
    assert "300,000 bp" in text
    for name in made.factors:
        assert name in text


def test_an_interrupted_call_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(genome, "write_variants", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate_genome(tmp_path / "sim", settings=SimulationSettings(total_bp=100_000))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_before_any_work(tmp_path, monkeypatch):
    def work(*_):
        raise AssertionError("the genome was drawn before the folder was looked at")

    monkeypatch.setattr(genome, "plan_genome", work)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        simulate_genome(tmp_path)
    with pytest.raises(InputError, match="was not written by 'strandwise simulate genome'"):
        simulate_genome(tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
