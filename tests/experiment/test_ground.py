from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyBigWig
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Experiment, Run
from strandwise.experiment.ground import (
    PEAKS,
    Ground,
    Named,
    Terms,
    Truth,
    barred_by,
    ground_of,
    intervals_of,
    opened_measurement,
    opened_signal,
    training_notes,
)
from strandwise.genome import write_bigwig


def asked(*chrom: str) -> Terms:
    return Terms(chrom=chrom)


def test_chromosomes_are_those_asked_for_else_held_out_else_measured(
    trained: Run, truth: Truth, tmp_path: Path
) -> None:
    run = Named("run", trained.path)
    assert list(ground_of([run], truth, asked("chr5", "chr1")).sizes) == ["chr5", "chr1"]
    found = ground_of([run], truth, asked())
    assert list(found.sizes) == ["chr4"]
    assert found.genome is not None
    assert len(found.known) == 5
    found = ground_of([], truth, asked())
    assert found.genome is None
    assert len(found.sizes) == 5
    write_bigwig(tmp_path / "two.bw", {"chr2": 45097, "chr5": 29696}, [("chr2", 0, 9, 1.0), ("chr5", 0, 9, 1.0)])
    assert list(ground_of([], Truth(tmp_path / "two.bw"), asked()).sizes) == ["chr2", "chr5"]
    # What files of predictions name, where they name some of it.
    two = Named("two", tmp_path / "two.bw")
    pd.DataFrame({"chrom": ["5", "1"], "start": 0, "end": 9, "score": 1.0}).to_parquet(tmp_path / "x.parquet")
    table = Named("x", tmp_path / "x.parquet")
    assert list(ground_of([two], truth, asked()).sizes) == ["chr2", "chr5"]
    assert list(ground_of([two, table], truth, asked()).sizes) == ["chr5"]
    (tmp_path / "y.parquet").write_bytes(b"no")
    assert len(ground_of([Named("y", tmp_path / "y.parquet")], truth, asked()).sizes) == 5


def test_names_are_reconciled_with_those_of_the_genome(trained: Run, truth: Truth) -> None:
    assert list(ground_of([Named("run", trained.path)], truth, asked("4")).sizes) == ["chr4"]
    with pytest.raises(InputError, match=r"--chrom: chromosome 'chr9' is not in .*There: chr1"):
        ground_of([], truth, asked("chr9"))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (
            {"chr1": 100},
            ": chromosome 'chr4' is not in .*x\\.bw.* Name those .* with --chrom",
        ),
        ({"chr4": 34000}, r"x\.bw: chr4 is 34,000 bp, and chr4 34,134 bp: is it from another assembly"),
    ],
)
def test_a_signal_that_does_not_fit_is_refused(sizes: dict, said: str, ground: Ground, tmp_path: Path) -> None:
    write_bigwig(tmp_path / "x.bw", sizes, [(name, 0, 10, 1.0) for name in sizes])
    with pytest.raises(InputError, match=said):
        opened_signal(tmp_path / "x.bw", ground)


def test_chromosomes_without_a_value_were_not_measured(ground: Ground, tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chr2", 45097), ("chr4", 34134)])
        file.addEntries(["chr2"], [0], ends=[10], values=[1.0])
    assert list(ground_of([], Truth(tmp_path / "x.bw"), asked()).sizes) == ["chr2"]
    assert opened_signal(tmp_path / "x.bw", ground)[1] == {"chr4": "chr4"}
    (tmp_path / "g.fa").write_text(">chr4\nACGT\n")
    with pytest.raises(InputError, match=r"x\.bw: no value of any chromosome of .*g\.fa"):
        ground_of([], Truth(tmp_path / "x.bw", genome=tmp_path / "g.fa"), asked())
    with pytest.raises(InputError, match=r"x\.bw: names chr4 and has no value there, .*: name other chromosomes with"):
        opened_measurement(tmp_path / "x.bw", ground)


def test_a_signal_may_call_chromosomes_otherwise(ground: Ground, tmp_path: Path) -> None:
    write_bigwig(tmp_path / "x.bw", {"4": 34134}, [("4", 0, 10, 1.0)])
    assert opened_signal(tmp_path / "x.bw", ground)[1] == {"chr4": "4"}
    (tmp_path / "x.bedgraph").write_text("chr4\t0\t10\t1\n")
    with pytest.raises(InputError, match="make it a bigWig"):
        opened_signal(tmp_path / "x.bedgraph", ground)


def test_peaks_are_read_for_all_chromosomes_by_names_of_the_genome(ground: Ground, tmp_path: Path) -> None:
    bed = tmp_path / "x.bed"
    bed.write_text("4\t10\t20\n1\t5\t9\nunplaced\t0\t5\n")
    assert intervals_of(bed, PEAKS, ground)["chrom"].tolist() == ["chr4", "chr1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file has no intervals"),
        ("# nothing\n", "the file has no intervals"),
        ("other\t0\t5\n", "chromosome 'other' is not in the genome"),
        ("chr4\t0\t5\n4\t10\t20\n", "chromosome 'chr4' of the genome is there by two names, of which '4' is one"),
        ("chr4\t34000\t35000\n", "reaches past the end of chr4, which is 34134 bp"),
    ],
)
def test_peaks_that_cannot_be_judged_by_are_refused(text: str, said: str, ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "x.bed").write_text(text)
    with pytest.raises(InputError, match=rf"x\.bed.*{said}"):
        intervals_of(tmp_path / "x.bed", PEAKS, ground)


def test_what_bars_windows_is_read_and_a_list_of_other_names_is_refused(
    ground: Ground, tmp_path: Path, truth: Truth
) -> None:
    (tmp_path / "x.bed").write_text("4\t10\t20\n")
    (tmp_path / "y.bed").write_text("chr1\t10\t20\nchr7\t10\t20\n")
    barred = barred_by(replace(truth, exclude=tmp_path / "x.bed", unmappable=tmp_path / "y.bed"), ground)
    assert barred.excluded is not None
    assert barred.excluded.touches(["chr4", "chr4"], [15, 20], [16, 30]).tolist() == [True, False]
    assert barred.unmappable is not None
    assert len(barred.unmappable) == 1
    assert barred.unknown is not None
    (tmp_path / "x.bed").write_text("scaffold_7\t10\t20\n")
    with pytest.raises(InputError, match="'scaffold_7' is not in the genome"):
        barred_by(replace(truth, exclude=tmp_path / "x.bed"), ground)


def test_who_saw_what_is_judged_is_told(
    trained: Run, ground: Ground, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    given = [Named("run", trained.path), Named("file", tmp_path / "x.bw")]
    assert training_notes(given, ground) == []
    wide = Ground({name: ground.known[name] for name in ("chr3", "chr4", "chr5")}, ground.genome, ground.known)
    (note,) = training_notes(given, wide)
    assert note == "run: chr3, chr5 was not held out whole in its training: its metrics flatter it"
    # By other names it is the same genome.
    bare = {name.removeprefix("chr"): size for name, size in ground.known.items()}
    assert training_notes(given, Ground({"4": bare["4"]}, None, bare)) == []


def test_a_run_whose_genome_is_gone_is_judged_by_that_of_the_comparison(
    trained: Run, ground: Ground, tmp_path: Path
) -> None:
    table = Experiment.load_resolved(trained.path / "config.toml").to_toml()
    folder = tmp_path / "moved"
    folder.mkdir()
    for name in ("weights.safetensors", "provenance.json"):
        (folder / name).write_bytes((trained.path / name).read_bytes())
    fasta = next(line for line in table.splitlines() if line.startswith("fasta"))
    (folder / "config.toml").write_text(table.replace(fasta, f'fasta = "{tmp_path}/gone.fa"'))
    assert training_notes([Named("run", folder)], ground) == []
