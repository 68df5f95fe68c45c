"""Windows along the genome from a config, from reading to the intervals of a BED: [tiles], [chunks] and .mat files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from strandwise.data.batches import TARGET
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, InputError
from strandwise.experiment import Experiment, evaluate, train
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import heads_of
from strandwise.experiment.predicting import windows_at
from strandwise.genome import BigWig

TABLE: dict[str, Any] = {
    "genome": {"fasta": "genome.fa.gz"},
    "targets": [{"name": name, "peaks": f"peaks/{name}.alpha.bed"} for name in ("CTCF", "REST")],
    "windows": {"input_bp": 200, "label_bp": 100},
    "split": {"valid": ["chr3"], "test": ["chr4"]},
    "model": {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
    "training": {"epochs": 1, "accelerator": "cpu", "batch_size": 20},
}
DENSE: dict[str, Any] = {
    "tiles": {"labels": "dense", "peak_bp": 101, "keep": "peaks"},
    "windows": {"input_bp": 400, "output_bp": 360, "bin_bp": 10, "jitter_bp": 15},
    "model": {"name": "dilated", "filters": [3, 4, 3], "kernel_size": 4, "dilations": [1, 3], "hidden": 4},
}
STRANDS = {"plus": "signal/CTCF.alpha.plus.bw", "minus": "signal/CTCF.alpha.minus.bw"}
CHUNKS: dict[str, Any] = {
    "targets": [{"name": "CTCF", **STRANDS}],
    "chunks": {"threshold": 3, "chunk_bp": 240},
    "windows": {"input_bp": 160, "label_bp": 60, "jitter_bp": 40},
    "model": {"name": "bpnet", "filters": 3, "stem_width": 15, "dilated_layers": 2, "profile_width": 15},
}
Make = Callable[..., Experiment]


@pytest.fixture
def make(simulated: SimulatedGenome, tmp_path: Path) -> Make:
    def experiment(**others: Any) -> Experiment:
        table = {**TABLE, "signals": {"folder": str(tmp_path / "cache")}, **others}
        return Experiment.from_table(table, folder=simulated.folder)

    return experiment


def beds(path: Path, windows: Any, rows: slice) -> Path:
    frame = windows.frame.iloc[rows]
    middle = frame["start"] + windows.input_bp // 2
    path.write_text("".join(f"{chrom}\t{at}\t{at + 1}\n" for chrom, at in zip(frame["chrom"], middle, strict=True)))
    return path


def test_middles_train_and_are_judged(make: Make, tmp_path: Path) -> None:
    config = make(tiles={"step_bp": 50, "peak_bp": 60})
    assert not config.predicts_dense
    windows = read_windows(config)
    assert windows.labels.any(1).all()
    assert windows.dropped["without a positive label"] > 1000
    run = train(config, tmp_path / "run")
    test = windows.split("test")
    assert evaluate(run)["heads"]["bound"]["tracks"]["REST"]["positives"] == test.labels[:, 1].sum() > 0
    found = windows_at(run, beds(tmp_path / "at.bed", test, slice(None)))
    assert np.array_equal(found.labels, test.labels)
    assert found.weights.all()


def test_dense_labels_train_and_are_judged(make: Make, tmp_path: Path) -> None:
    config = make(**DENSE)
    assert config.predicts_dense
    windows = read_windows(config)
    (head,) = heads_of(config, windows.tracks)
    assert (head.name, str(head.type), head.target) == ("bound", "unstranded(2)", "signal")
    batch = windows.signals[TARGET].gather(np.arange(len(windows)))
    assert batch.values.shape == (len(windows), 2, 36)
    # A bin asks for more than half of its bases, and a window is counted for any.
    held = batch.values.numpy().any(-1)
    assert held.sum() > 20
    assert not (held & (windows.labels == 0)).any()
    run = train(config, tmp_path / "run")
    test = windows.split("test")
    assert evaluate(run)["n"] == len(test)
    found = windows_at(run, beds(tmp_path / "at.bed", test, slice(None)))
    assert np.array_equal(found.labels, test.labels)
    targets = [each.signals[TARGET].gather(np.arange(len(test))) for each in (found, test)]
    assert np.array_equal(targets[0].values, targets[1].values)
    assert targets[0].weights.numpy().all()


def test_chunks_need_no_peaks(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    config = make(**CHUNKS)
    windows = read_windows(config)
    files = [BigWig(simulated.folder / path) for path in STRANDS.values()]
    highest = [
        max(float(np.nanmax(file.values(chrom, start - 40, end + 40))) for file in files)
        for chrom, start, end in windows.frame[["chrom", "start", "end"]].itertuples(index=False)
    ]
    assert min(highest) > 3
    chr4 = files[0].sizes["chr4"]
    over = sum(max(float(f.values("chr4", at, at + 240).max()) for f in files) > 3 for at in range(0, chr4 - 239, 240))
    assert len(windows.split("test")) == over > 5
    run = train(config, tmp_path / "run")
    assert evaluate(run)["n"] == over
    found = windows_at(run, beds(tmp_path / "at.bed", windows, slice(None, None, 7)))
    assert found.labels.all()
    assert found.tracks == ("CTCF",)
    both = make(**{**CHUNKS, "targets": [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed", **STRANDS}]})
    assert "peaks of CTCF are not read: [chunks] finds windows by the signal" in read_windows(both).notes


def test_names_without_chr_and_unmappable_regions(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    peaks = tmp_path / "peaks.bed"
    peaks.write_text((simulated.folder / "peaks/CTCF.alpha.bed").read_text().replace("chr", ""))
    (tmp_path / "black.bed").write_text("1\t0\t5000\n")
    (tmp_path / "unmappable.bed").write_text("2\t0\t9000\n")
    barred = {"blacklist": str(tmp_path / "black.bed"), "unmappable": str(tmp_path / "unmappable.bed")}
    targets = [{"name": "CTCF", "peaks": str(peaks)}]
    config = make(targets=targets, genome={"fasta": "genome.fa.gz", **barred}, tiles={"keep": "all", "peak_bp": 101})
    windows = read_windows(config)
    first = windows.frame.groupby("chrom")["start"].min()
    # A window may touch neither a black base nor more than a tenth of unmappable ones.
    assert (first["chr1"], first["chr2"]) == (5000, 9000)
    assert windows.dropped["in the blacklist"] == 25
    assert windows.dropped["too little of it mappable"] == 45
    assert sum("read under other names" in note for note in windows.notes) == 3
    assert {path.name for path in config.files()} == {"genome.fa.gz", "black.bed", "unmappable.bed", "peaks.bed"}
    (tmp_path / "unmappable.bed").write_text("")
    with pytest.raises(InputError, match=r"unmappable.bed: the file has no intervals"):
        read_windows(config)


def test_merged_peaks_from_a_config(make: Make) -> None:
    lengths = {"input_bp": 200, "label_bp": 100}
    apart, merged = (read_windows(make(windows={**lengths, **more})) for more in ({}, {"merge_overlap_bp": 20}))
    count = [int((windows.frame["origin"] == "peak").sum()) for windows in (apart, merged)]
    assert count[1] < count[0]


def test_deepsea_files_train(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("train", 60), ("valid", 30), ("test", 30)):
        x = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, (count, 60))].transpose(0, 2, 1)
        savemat(tmp_path / f"{name}.mat", {f"{name}xdata": x, f"{name}data": rng.integers(0, 2, (count, 2))})
    config = Experiment.from_table(
        {
            "sequences": [{"mat": f"{name}.mat", "split": name} for name in ("train", "valid", "test")],
            "windows": {"input_bp": 60, "label_bp": 60},
            "model": {"name": "shrikumar_simulated", "filters": 2, "kernel_size": 9, "pool_width": 8},
            "training": {"epochs": 1, "accelerator": "cpu", "batch_size": 20},
        },
        folder=tmp_path,
    )
    assert [path.name for path in config.files()] == ["train.mat", "valid.mat", "test.mat"]
    metrics = evaluate(train(config, tmp_path / "run"))
    assert metrics["n"] == 30
    assert set(metrics["heads"]["bound"]["tracks"]) == {"track1", "track2"}


ONE = [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed"}]


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"tiles": {}, "bins": {}}, r"\[bins\] and \[tiles\] each say where windows lie: keep one of them"),
        ({"tiles": {}, "chunks": {}}, r"\[tiles\] and \[chunks\] each say where windows lie"),
        ({"tiles": {}, "negatives": {"per_peak": 1}}, r"\[negatives\] stand against .* and \[tiles\] has none"),
        ({"tiles": {}, "windows": {"merge_overlap_bp": 9}}, r"merge_overlap_bp merges .* and \[tiles\] has none"),
        ({"tiles": {}, "windows": {"bin_bp": 2}}, r"windows.bin_bp are for targets with signal, and for dense labels"),
        ({"tiles": {}, "targets": ONE}, r"with one target, \[tiles\] would keep .* set tiles.keep = 'all'"),
        (
            {"tiles": {}, "windows": {"input_bp": 301, "label_bp": 100}},
            "no middle place .* make label_bp 99 or 101",
        ),
        ({"tiles": {"least_bp": 201}}, r"tiles.least_bp = 201 is more than windows.label_bp = 100"),
        ({"tiles": {"labels": "none"}}, r"tiles.labels = 'none': input should be 'middle' or 'dense'"),
        ({"tiles": {"labels": "dense", "least_bp": 3}}, r"least_bp is for labels = 'middle'"),
        ({"tiles": {}, "targets": [{**ONE[0], **STRANDS}]}, r"\[tiles\] labels windows by peaks, and targets have sig"),
        ({"genome": {"fasta": "g.fa", "unmappable": "u.bed"}}, r"genome.unmappable is for \[tiles\] and \[chunks\]"),
        ({"targets": [{"name": "A", **STRANDS}]}, r"target 'A' has no peaks: name a BED .* or add \[chunks\]"),
        ({"targets": [{"name": "A"}]}, r"target 'A' has no peaks"),
        ({"chunks": {}}, r"\[chunks\] finds windows by signal: give signal, or plus and minus"),
        ({"chunks": {"chunk_bp": 99}, "targets": [{"name": "A", **STRANDS}]}, r"input_bp = 200 are not the middle of"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(make: Make, tables: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make(**tables)


@pytest.mark.parametrize("table", ["tiles", "chunks"])
def test_sequences_have_no_place_to_lie_along(table: str) -> None:
    sets = [{"positives": "p.fa", "shuffled": "dinucleotide"}]
    with pytest.raises(ConfigError, match=rf"\[{table}\] lays windows along a genome, and \[\[sequences\]\] have none"):
        Experiment.from_table({"sequences": sets, table: {}}, folder=Path.cwd())
    with pytest.raises(ConfigError, match=r"merge_overlap_bp merges .* and \[\[sequences\]\] has none"):
        Experiment.from_table({"sequences": sets, "windows": {"merge_overlap_bp": 5}}, folder=Path.cwd())


def test_recipes_are_written_and_read_back(make: Make, tmp_path: Path) -> None:
    for others in (DENSE, CHUNKS):
        config = make(**others)
        (tmp_path / "config.toml").write_text(config.to_toml())
        assert Experiment.load(tmp_path / "config.toml") == config
