"""Two cell types of the simulated genome, which bind where their own DNA is open: from a config to a prediction."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strandwise.data.batches import SIGNAL, TARGET
from strandwise.data.reading import GenomeReader
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, InputError
from strandwise.experiment import Experiment, check, compare_strands, evaluate, predict, train
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.network import metadata_type, signal_type
from strandwise.experiment.predicting import windows_at
from strandwise.genome import BigWig, Genome, read_bed, write_bigwig
from strandwise.strand import unstranded

Make = Callable[..., Experiment]
CELLS = ("alpha", "beta")


def target(name: str, cell: str, **others: str) -> dict[str, str]:
    return {"name": name, "cell": cell, "peaks": f"peaks/{name}.{cell}.bed", **others}


def dnase(cell: str, **others: str) -> dict[str, str]:
    return {"name": "DNase", "cell": cell, "signal": f"accessibility.{cell}.bw", **others}


# REST was not measured in beta; of gamma nothing but its DNase is known.
TARGETS = [target("CTCF", "alpha"), target("REST", "alpha"), target("CTCF", "beta")]
INPUTS = [dnase("alpha"), dnase("beta"), dnase("gamma", signal="accessibility.beta.bw")]


@pytest.fixture(scope="module")
def make(simulated: SimulatedGenome, tmp_path_factory: pytest.TempPathFactory) -> Make:
    cache = tmp_path_factory.mktemp("signals")

    def experiment(**others: Any) -> Experiment:
        table = {
            "genome": {"fasta": "genome.fa.gz"},
            "targets": TARGETS,
            "inputs": INPUTS,
            "windows": {"input_bp": 120, "label_bp": 60, "jitter_bp": 5},
            "negatives": {"per_peak": 1},
            "split": {"valid": ["chr3"], "test": ["chr4"], "test_cells": ["beta"]},
            "signals": {"folder": str(cache)},
            "model": {"filters": 2, "kernel_sizes": [9, 5, 5], "pool_width": 20, "pool_stride": 10},
            "training": {"epochs": 1, "accelerator": "cpu"},
        }
        return Experiment.from_table({**table, **others}, folder=simulated.folder)

    return experiment


def test_each_window_is_of_its_cell(make: Make, simulated: SimulatedGenome) -> None:
    windows = read_windows(make())
    frame = windows.frame
    assert windows.tracks == ("CTCF", "REST")
    assert isinstance(windows.reader, GenomeReader)
    places = set(zip(frame["cell"], frame["split"], frame["chrom"], strict=True))
    assert {(cell, split) for cell, split, _ in places} == {("alpha", "train"), ("alpha", "valid"), ("beta", "test")}
    assert {chrom for cell, _, chrom in places if cell == "beta"} == {"chr4"}
    assert "chr4" not in {chrom for cell, _, chrom in places if cell == "alpha"}
    beta = (frame["cell"] == "beta").to_numpy()
    assert (windows.weights[:, 0] == 1).all()
    assert np.array_equal(windows.weights[:, 1], ~beta)
    peaks = {(name, cell): read_bed(simulated.peaks(name, cell)) for name in windows.tracks for cell in CELLS}
    genome = Genome(simulated.fasta)
    rows = np.arange(0, len(windows), 7)
    batch = windows.signals[SIGNAL].gather(rows)
    codes = windows.reader.gather(rows)
    for index, row in enumerate(rows):
        place = frame.iloc[row]
        chrom, start, end = place["chrom"], int(place["start"]), int(place["end"])
        assert np.array_equal(codes[index], genome.fetch(chrom, start, end))
        values = BigWig(simulated.accessibility(place["cell"])).values(chrom, start, end)
        assert np.array_equal(batch.values[index, 0].numpy(), values)
        for column, name in enumerate(windows.tracks):
            own = peaks[name, place["cell"]]
            near = own["summit"][own["chrom"] == chrom].between(start + 30, start + 89).any()
            assert not windows.weights[row, column] or windows.labels[row, column] == near


def test_a_held_out_cell_that_lies_nowhere_is_told(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    few = tmp_path / "few.bed"
    lines = simulated.peaks("CTCF", "beta").read_text().splitlines(keepends=True)
    few.write_text("".join(line for line in lines if line.startswith("chr1\t")))
    moved = [*TARGETS[:2], {**target("CTCF", "beta"), "peaks": str(few)}]
    said = "split.test_cells names 'beta', of which no window lies where test does"
    assert said in read_windows(make(targets=moved, negatives={"per_peak": 0})).notes
    assert said not in read_windows(make()).notes


def test_negatives_of_a_cell_do_not_depend_on_the_others(make: Make) -> None:
    both = read_windows(make()).frame
    alone = read_windows(make(targets=[TARGETS[2]], inputs=INPUTS, split={"test": ["chr4"]})).frame
    mine = both[both["cell"] == "beta"]
    again = alone[alone["split"] == "test"]
    columns = ["chrom", "start", "origin"]
    assert mine[columns].to_numpy().tolist() == again[columns].to_numpy().tolist()


def test_bins_of_each_cell(make: Make) -> None:
    config = make(bins={"peak_bp": 200}, windows={"input_bp": 240}, training={"epochs": 2, "accelerator": "cpu"})
    windows = read_windows(config)
    test = windows.split("test")
    assert set(test.frame["cell"]) == {"beta"}
    assert set(test.frame["origin"]) == {"bin"}
    assert not test.weights[:, 1].any()
    assert windows.epochs is not None
    train_part = windows.split("train")
    assert set(train_part.frame["cell"]) == {"alpha"}
    assert len(train_part.rows_of_epoch(0)) == len(train_part.rows_of_epoch(1))
    assert any(note.startswith("beta: CTCF: ") for note in windows.notes)


def test_tiles_of_each_cell(make: Make) -> None:
    tiles = {"labels": "dense", "peak_bp": 51}
    config = make(
        tiles=tiles,
        windows={"input_bp": 1000, "bin_bp": 50, "label_bp": 50},
        negatives={},
        model={"name": "cnn1", "filters": 2, "kernel_size": 5, "hidden": 2},
    )
    windows = read_windows(config)
    assert set(zip(windows.frame["cell"], windows.frame["split"], strict=True)) == {
        ("alpha", "train"),
        ("alpha", "valid"),
        ("beta", "test"),
    }
    values, weights = windows.signals[TARGET].gather(np.arange(len(windows)))
    beta = np.flatnonzero(windows.frame["cell"] == "beta")
    assert not weights[beta, 1].any()
    assert not values[beta, 1].any()
    assert values[beta, 0].any()
    # A bin is bound by more than half of it, and a window counts as bound by any base.
    assert ((values.amax(-1).numpy() > 0) <= (windows.labels > 0)).all()


def test_trained_on_one_cell_and_judged_on_another(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    config = make()
    assert signal_type(config) == unstranded(1)
    run = train(config, tmp_path / "run")
    metrics = evaluate(run)
    test = read_windows(config).split("test")
    assert metrics["n"] == len(test)
    assert metrics["heads"]["bound"]["tracks"]["REST"]["n"] == 0
    bed = simulated.peaks("CTCF", "beta")
    tables = {}
    for cell in ("beta", "gamma", "alpha"):
        (out,) = predict(run, tmp_path / f"{cell}.parquet", bed=bed, cell=cell)
        tables[cell] = pd.read_parquet(out)
    assert tables["gamma"].equals(tables["beta"])
    assert not tables["alpha"].equals(tables["beta"])
    predict(run, tmp_path / "along.parquet", chrom="chr5", cell="gamma")
    judged = windows_at(run, bed, cell="beta")
    assert judged.labels[:, 0].all()
    assert not judged.weights[:, 1].any()
    assert evaluate(run, bed=bed, cell="beta", out=tmp_path)["n"] == len(judged)
    assert compare_strands(run, bed=bed, cell="gamma", out=tmp_path)["split"] == "bed"
    for call, words in (
        (lambda: predict(run, tmp_path / "x.bed", bed=bed), r"name one by --cell|say which with --cell"),
        (lambda: predict(run, tmp_path / "x.bed", bed=bed, cell="bta"), r"cell 'bta' is not in the config \(did you"),
        (lambda: evaluate(run, bed=bed, cell="gamma"), r"cell 'gamma' has no \[\[targets\]\] to label"),
        (lambda: evaluate(run, cell="beta"), "--cell beta says in which cell a BED is judged"),
        (lambda: predict(run, tmp_path / "x.bed", fasta=bed, cell="beta"), "--cell has no part in predicting"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_signal_of_each_cell_is_predicted(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    stranded = {strand: f"signal/CTCF.alpha.{strand}.bw" for strand in ("plus", "minus")}
    other = {strand: f"signal/MAX.alpha.{strand}.bw" for strand in ("plus", "minus")}
    targets = [target("CTCF", "alpha", **stranded), target("MAX", "beta", **other), target("CTCF", "beta", **stranded)]
    config = make(
        targets=targets,
        split={"valid": ["chr3"], "test": ["chr4"]},
        windows={"input_bp": 160},
        model={"name": "bpnet", "filters": 4, "stem_width": 15, "dilated_layers": 2, "profile_width": 15},
        training={"epochs": 1, "accelerator": "cpu", "batch_size": 20},
    )
    windows = read_windows(config)
    reader = windows.signals[TARGET]
    alpha = np.flatnonzero(windows.frame["cell"] == "alpha")
    values, weights = reader.gather(np.arange(len(windows)))
    assert not weights[alpha, 2:].any()
    assert weights[np.flatnonzero(windows.frame["cell"] == "beta")].all()
    length = values.shape[-1]
    for row in (alpha[5], len(windows) - 3):
        chrom, start = windows.frame["chrom"][row], int(windows.frame["start"][row]) + (160 - length) // 2
        for channel, strand in enumerate(("plus", "minus")):
            expected = BigWig(simulated.signal("CTCF", strand)).values(chrom, start, start + length)
            assert np.array_equal(values[row, channel].numpy(), expected)
    run = train(config, tmp_path / "run")
    assert evaluate(run)["n"] == len(windows.split("test"))


@pytest.fixture
def meta(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> Experiment:
    (tmp_path / "meta.tsv").write_text("cell\tg1\tg2\nalpha\t1\t7\nbeta\t3\t5\ngamma\t-8\t7\n")
    (tmp_path / "tss.bed").write_text("chr1\t5000\t5001\ta\t0\t+\nchr4\t9000\t9001\tb\t0\t-\n")
    (tmp_path / "cpg.bed").write_text("chr1\t0\t9000\nchr4\t0\t9000\n")
    metadata = {
        "table": str(tmp_path / "meta.tsv"),
        "standardise": False,
        "genes": str(tmp_path / "tss.bed"),
        "annotation": {"cpg": str(tmp_path / "cpg.bed")},
    }
    model = {"name": "factornet", "filters": 2, "kernel_size": 7, "pool_width": 9, "recurrent": 2, "dense": 3}
    return make(metadata=metadata, inputs=[], model=model)


def test_what_is_known_of_a_window_reaches_the_model(
    meta: Experiment, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    assert metadata_type(meta) == unstranded(4).pooled()
    windows = read_windows(meta)
    assert windows.metadata is not None
    assert windows.metadata.dtype == np.float32
    of_cell = {"alpha": [1, 7], "beta": [3, 5]}
    for row in range(0, len(windows), 5):
        place = windows.frame.iloc[row]
        low, high = place["start"] + 30, place["start"] + 90
        cpg = place["chrom"] in ("chr1", "chr4") and low < 9000
        gene = {"chr1": (4700, 5100), "chr4": (8901, 9301)}.get(place["chrom"], (0, 0))
        promoter = low < gene[1] and high > gene[0]
        assert windows.metadata[row].tolist() == [*of_cell[place["cell"]], cpg, promoter]
    assert windows.metadata[:, 2:].any(0).all()
    run = train(meta, tmp_path / "run")
    assert run.inputs["metadata"]["cells"]["gamma"] == [-8, 7]
    assert evaluate(run)["n"] == len(windows.split("test"))
    bed = simulated.peaks("CTCF", "beta")
    # The table is gone, and the run knows its cells all the same.
    (tmp_path / "meta.tsv").unlink()
    tables = [pd.read_parquet(predict(run, tmp_path / f"{c}.parquet", bed=bed, cell=c)[0]) for c in ("beta", "gamma")]
    assert not tables[0].equals(tables[1])
    assert windows_at(run, bed, labelled=False, cell="gamma").metadata[:, 0].tolist() == [-8] * len(tables[0])  # pyright: ignore[reportOptionalSubscript]


def test_uneven_signal_is_told(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    genome = Genome(simulated.fasta)
    write_bigwig(
        tmp_path / "flat.bw", genome.sizes, [(name, 0, size, 1.0) for name, size in sorted(genome.sizes.items())]
    )
    found = check(make(inputs=[dnase("alpha"), dnase("beta", signal=str(tmp_path / "flat.bw"))]))
    (said,) = found.uneven
    assert said.startswith("DNase: ")
    assert "in beta" in said
    assert "in alpha" in said
    assert {row["cell"] for row in found.inventory.tracks} == set(CELLS)
    assert not check(make()).uneven


def test_a_config_of_factornet_folders(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    for cell in (*CELLS, "gamma"):
        folder = tmp_path / cell
        (folder / "peaks").mkdir(parents=True)
        source = "beta" if cell == "gamma" else cell
        (folder / "dgf.bw").symlink_to(simulated.accessibility(source))
        (folder / "bigwig.txt").write_text("dgf.bw\tDGF\n")
        (folder / "meta.txt").write_text(f"{len(cell)}\tGEPC1\n")
        if cell != "gamma":
            (folder / "peaks" / "c.bed").symlink_to(simulated.peaks("CTCF", cell))
            (folder / "chip.txt").write_text("peaks/c.bed\tCTCF\n")
    config = make(
        factornet=[str(tmp_path / cell) for cell in (*CELLS, "gamma")],
        targets=[],
        inputs=[],
        metadata={"from_folders": True, "standardise": False},
    )
    assert config.cells == (*CELLS, "gamma")
    assert [each.name for each in config.of_any_cell.targets] == ["CTCF"]
    windows = read_windows(config)
    assert windows.metadata is not None
    assert windows.metadata[:, 0].tolist() == [len(cell) for cell in windows.frame["cell"]]
    again = Experiment.from_table(config.model_dump(exclude_none=True), folder=tmp_path)
    assert again == config
    (tmp_path / "run.toml").write_text(config.to_toml())
    assert Experiment.load_resolved(tmp_path / "run.toml") == config


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"targets": [*TARGETS, {"name": "MAX", "peaks": "p.bed"}]}, r"\[\[targets\]\] 'MAX' names no cell"),
        ({"inputs": [{"name": "D", "signal": "s.bw"}]}, r"\[\[inputs\]\] 'D' names no cell, and others do"),
        ({"inputs": [dnase("alpha")]}, r"cell 'beta' has no \[\[inputs\]\] 'DNase', which cell 'alpha' has"),
        (
            {"inputs": [*INPUTS, dnase("beta", name="Unique35")]},
            r"cell 'alpha' has no \[\[inputs\]\] 'Unique35', which cell 'beta' has",
        ),
        (
            {
                "targets": TARGETS[:1],
                "inputs": [dnase(c, name=n) for c, n in (("alpha", "A"), ("alpha", "B"), ("beta", "B"), ("beta", "A"))],
                "split": {},
            },
            r"cell 'beta' has \[\[inputs\]\] B, A, and cell 'alpha' A, B: give them in the same order",
        ),
        (
            {"inputs": [dnase("alpha"), dnase("beta", transform="log1p"), dnase("gamma")]},
            r"'DNase' is read otherwise in cell 'beta' \(strands one, transform log1p\) than in 'alpha'",
        ),
        ({"targets": [*TARGETS, TARGETS[0]]}, r"two targets are named 'CTCF' in cell 'alpha'"),
        ({"split": {"test_cells": ["bet"]}}, r"split.test_cells names 'bet', which is no cell .*did you mean 'beta'"),
        ({"split": {"test_cells": ["gamma"]}}, r"'gamma', which has no \[\[targets\]\] to be judged by"),
        ({"split": {"test_cells": ["beta"], "valid_cells": ["alpha"]}}, "leave no cell to train on"),
        ({"negatives": {"kind": "shuffled"}}, "makes DNA that is nowhere in the genome"),
        (
            {"negatives": {"kind": "gc"}, "bins": {"bin_bp": 100, "overlap_bp": 50}},
            r"\[bins\] draws negatives at random",
        ),
        ({"metadata": {"from_folders": True}}, "metadata.from_folders is for the folders of factornet"),
        ({"metadata": {"pca": 3}}, "metadata: give table, annotation or genes"),
        ({"factornet": ["K562"]}, "factornet names folders with their own lists"),
    ],
)
def test_cells_that_do_not_fit_are_refused(make: Make, others: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(**others)


def test_a_table_of_cells_needs_cells(make: Make) -> None:
    targets = [{"name": "CTCF", "peaks": "peaks/CTCF.alpha.bed"}]
    with pytest.raises(ConfigError, match=r"\[metadata\] describes cells, and \[\[targets\]\] name none"):
        make(targets=targets, inputs=[], split={}, metadata={"table": "m.tsv", "pca": 2})
    with pytest.raises(ConfigError, match=r"split\.test_cells names 'beta', which is no cell"):
        make(targets=targets, inputs=[])


def test_a_run_keeps_what_it_was_told(meta: Experiment) -> None:
    assert meta.metadata is not None
    assert meta.metadata.columns == ("g1", "g2")
    assert json.loads(meta.model_dump_json())["metadata"]["columns"] == ["g1", "g2"]


def test_what_is_the_same_of_many_files_is_said_once(make: Make, simulated: SimulatedGenome, tmp_path: Path) -> None:
    sizes, inputs = BigWig(simulated.folder / "accessibility.alpha.bw").sizes, []
    for cell, lacking in (("alpha", "chr5"), ("beta", "")):
        path, kept = tmp_path / f"{cell}.bw", [name for name in sizes if name != lacking]
        write_bigwig(path, {name[3:]: sizes[name] for name in kept}, [(name[3:], 0, 50, 1.0) for name in kept])
        inputs.append(dnase(cell, signal=str(path)))
    alpha, beta = (str(tmp_path / f"{cell}.bw") for cell in CELLS)
    split = {"valid": ["chr3"], "test": ["chr4"], "exclude": ["chr5"]}
    assert [note for note in read_windows(make(inputs=inputs, split=split)).notes if ".bw" in note] == [
        f"{alpha}: 4 chromosome names read under other names in it ('chr1' as '1', ...)",
        f"{alpha}: 1 chromosome name not in it: chr5; taken as not measured (weight 0)",
        f"{beta}: 5 chromosome names read under other names in it ('chr1' as '1', ...)",
    ]
    Path(alpha).write_bytes(Path(beta).read_bytes())
    assert [note for note in read_windows(make(inputs=inputs, split=split)).notes if ".bw" in note] == [
        f"{alpha}, {beta}: 5 chromosome names read under other names in it ('chr1' as '1', ...)"
    ]
