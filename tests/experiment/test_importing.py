"""Published networks as runs: what the folder holds, and what can and cannot be done with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment import (
    Experiment,
    Run,
    check,
    compare_strands,
    conjoin,
    evaluate,
    predict,
    train,
    write_report,
)
from strandwise.experiment.importing import import_factornet
from strandwise.genome import BigWig, Genome, write_bigwig

pytest.importorskip("h5py", reason="Keras files need h5py: pip install 'strandwise[import]'")


@pytest.fixture
def folder(write_factornet: Callable[..., Path], tmp_path: Path) -> Path:
    return write_factornet(tmp_path / "published", inputs=2)


def signals(folder: Path, genome: Genome) -> dict[str, Path]:
    """Write the two signals that the network reads, over the whole of a genome."""
    rng, found = np.random.default_rng(0), {}
    for name in ("signal0", "signal1"):
        bases = ((chrom, start) for chrom, size in genome.sizes.items() for start in range(size))
        values = [(chrom, start, start + 1, float(rng.poisson(1))) for chrom, start in bases]
        found[name] = folder / f"{name}.bw"
        write_bigwig(found[name], genome.sizes, values)
    return found


def test_the_folder_is_an_ordinary_run(folder: Path, tmp_path: Path) -> None:
    made = import_factornet(folder, tmp_path / "run")
    # It stands by itself: the published files may go.
    shutil.rmtree(folder)
    run = Run.open(made.path)
    assert {path.name for path in run.path.iterdir()} == {"config.toml", "weights.safetensors", "provenance.json"}
    assert run.experiment == Experiment.load(run.path / "config.toml")
    imported, strand = run.experiment.imported, run.experiment.strand
    assert imported is not None
    assert (imported.targets, imported.inputs, imported.metadata) == (("CTCF",), ("signal0", "signal1"), ())
    assert (strand.strategy, strand.merge_after_link) == ("conjoined", True)
    assert run.experiment.windows.input_bp == 31
    assert [head.tracks for head in run.network.heads] == [("CTCF",)]
    provenance = run.provenance
    assert provenance["parameters"] == sum(weight.numel() for weight in run.network.parameters())
    names = [Path(file["path"]).name for file in provenance["files"]]
    assert names == ["model.json", "final_model.hdf5", "chip.txt", "bigwig.txt", "feature.txt"]
    assert all(len(file["sha256"]) == 64 for file in provenance["files"])
    assert "final_model.hdf5" in provenance["notes"][0]


def test_arrays_are_enough_to_predict(folder: Path, tmp_path: Path) -> None:
    run = import_factornet(folder, tmp_path / "run")
    codes = torch.randint(0, 4, (4, 31), dtype=torch.uint8)
    (found,) = run.predictor().predict([{"sequence": codes, "signal": torch.rand(4, 2, 31)}])
    assert found.shape == (4, 1)
    assert ((found > 0) & (found < 1)).all()
    with pytest.raises(InputError, match="reads signal beside the DNA"):
        run.predict("ACGT" * 7 + "ACG")


def test_with_files_of_signal_it_predicts_along_a_genome(
    folder: Path, tmp_path: Path, make_genome: Callable[..., Genome]
) -> None:
    genome = make_genome(chr1=400, chr2=300)
    files = signals(tmp_path, genome)
    run = import_factornet(folder, tmp_path / "run", signals=files)
    assert [table.signal for table in run.experiment.inputs] == [path.resolve() for path in files.values()]
    (tmp_path / "sites.bed").write_text("chr1\t100\t140\nchr2\t50\t60\n")
    (out,) = predict(run, tmp_path / "p.parquet", bed=tmp_path / "sites.bed", genome=genome.path)
    found = pd.read_parquet(out)
    assert list(found["chrom"]) == ["chr1", "chr2"]
    for chrom, start, end, said in found[["chrom", "start", "end", "pred/CTCF"]].itertuples(index=False):
        beside = np.stack([BigWig(path).values(chrom, start, end) for path in files.values()])
        read = {
            "sequence": torch.from_numpy(genome.fetch(chrom, start, end)[None]),
            "signal": torch.from_numpy(beside[None]),
        }
        (expected,) = run.predictor().predict([read])
        assert said == pytest.approx(float(expected[0, 0]), abs=1e-6)
    (out,) = predict(run, tmp_path / "p.bw", chrom="chr2", genome=genome.path, step_bp=20)
    assert BigWig(out).values("chr2", 0, 300).shape == (300,)
    # The files are kept by their content.
    kept = {file["path"]: file["sha256"] for file in run.provenance["files"]}
    assert {str(path.resolve()) for path in files.values()} <= kept.keys()


def test_without_them_it_says_how(folder: Path, tmp_path: Path, make_genome: Callable[..., Genome]) -> None:
    genome, run = make_genome(chr1=400), import_factornet(folder, tmp_path / "run")
    bed, out = tmp_path / "sites.bed", tmp_path / "p.parquet"
    bed.write_text("chr1\t100\t140\n")
    with pytest.raises(InputError, match="or imported, without a genome: name one with --genome FASTA"):
        predict(run, out, bed=bed)
    with pytest.raises(
        InputError, match="reads signal0, signal1 beside the DNA, and its run names no file of it: import"
    ):
        predict(run, out, bed=bed, genome=genome.path)
    with pytest.raises(InputError, match="--signal signal0=FILE --signal signal1=FILE"):
        predict(run, out, chrom="chr1", genome=genome.path)
    assert not out.exists()


def test_metadata_is_given_as_an_array(
    write_factornet: Callable[..., Path], tmp_path: Path, make_genome: Callable[..., Genome]
) -> None:
    genome, bed = make_genome(chr1=400), tmp_path / "sites.bed"
    bed.write_text("chr1\t100\t140\n")
    run = import_factornet(write_factornet(tmp_path / "told", inputs=0, told=8), tmp_path / "run")
    with pytest.raises(
        InputError, match=r"is told GEPC0, GEPC1, cpg, .* as an array, to Run.open\(...\).predictor\(\)"
    ):
        predict(run, tmp_path / "p.parquet", bed=bed, genome=genome.path)
    codes = torch.zeros(2, 31, dtype=torch.uint8)
    (found,) = run.predictor().predict([{"sequence": codes, "metadata": torch.tensor([[0.0] * 8, [1.0] * 8])}])
    assert found[0] != found[1]
    assert "in this order: GEPC0, GEPC1, cpg" in run.provenance["notes"][1]


def test_a_network_of_dna_alone_predicts_for_sequences(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    run = import_factornet(write_factornet(tmp_path / "alone", inputs=0), tmp_path / "run")
    letters = "ACGTACGTTTGACCATGACGGATTACCAGAT"
    (tmp_path / "s.fa").write_text(f">one\n{letters}\n")
    (out,) = predict(run, tmp_path / "p.parquet", fasta=tmp_path / "s.fa")
    assert pd.read_parquet(out)["pred/CTCF"][0] == pytest.approx(run.predict(letters)["CTCF"][0])


def test_what_needs_labels_or_training_is_refused(folder: Path, tmp_path: Path) -> None:
    run = import_factornet(folder, tmp_path / "run")
    before = sorted(path.name for path in run.path.iterdir())
    with pytest.raises(InputError, match="was imported, so its config names no windows"):
        evaluate(run)
    with pytest.raises(InputError, match="or imported, so there are no peaks to label"):
        evaluate(run, bed=folder / "chip.txt")
    with pytest.raises(InputError, match="was imported, so its config names no windows"):
        compare_strands(run)
    with pytest.raises(InputError, match="or imported, so there is no genome"):
        compare_strands(run, bed=folder / "chip.txt")
    with pytest.raises(InputError, match="was imported, so its config names no windows"):
        check(run.experiment)
    for resume in (False, True):
        with pytest.raises(ConfigError, match=r"\[imported\] is a network that is trained already"):
            train(run.experiment, run.path, resume=resume, overwrite=not resume)
    with pytest.raises(RunError, match="reads both strands already"):
        conjoin(run, tmp_path / "other")
    with pytest.raises(RunError, match=r"there is no metrics.json"):
        write_report([run])
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_signals_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "a.bw"
    there.touch()
    with pytest.raises(InputError, match=r"no such signal \(did you mean 'signal1'\?\); it reads signal0, signal1"):
        import_factornet(folder, tmp_path / "run", signals={"signal11": there})
    with pytest.raises(
        InputError, match="the network reads signal1 too: give the files of all its signals, or of none"
    ):
        import_factornet(folder, tmp_path / "run", signals={"signal0": there})
    with pytest.raises(InputError, match=r"b.bw: no such file \(the signal signal1\)"):
        import_factornet(folder, tmp_path / "run", signals={"signal0": there, "signal1": tmp_path / "b.bw"})
    assert not (tmp_path / "run").exists()


def test_a_folder_in_the_way_is_left_alone(folder: Path, write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    run = import_factornet(folder, tmp_path / "run")
    other = write_factornet(tmp_path / "other", seed=1)
    before = run.network.state_dict()
    with pytest.raises(RunError, match="exists and is not empty"):
        import_factornet(other, run.path)
    with pytest.raises(RunError, match="not a run folder, so it is not overwritten"):
        import_factornet(other, folder, overwrite=True)
    after = import_factornet(other, run.path, overwrite=True).network.state_dict()
    assert not all(torch.equal(before[name], after[name]) for name in before)


def test_a_folder_that_is_none_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "chip.txt").unlink()
    with pytest.raises(InputError, match=r"chip.txt name 0 \(none\)"):
        import_factornet(folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


CONFIGS = [
    ({"targets": []}, "imported.targets"),
    ({"targets": ["a", "a"]}, "targets holds 'a', which is no name, or stands there twice"),
    ({"targets": ["a"], "metadata": ["\x1b"]}, "metadata holds"),
    ({"targets": ["a"], "other": 1}, "imported.other is not a known key"),
]


@pytest.mark.parametrize(("table", "said"), CONFIGS)
def test_names_of_an_imported_network_are_checked(table: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Experiment.from_table({"imported": {"source": "x", **table}}, folder=Path.cwd())


def test_an_imported_network_goes_with_no_targets_and_with_its_own_inputs_alone() -> None:
    imported = {"source": "x", "targets": ["a"], "inputs": ["DGF"]}
    with pytest.raises(ConfigError, match=r"trained already: remove \[\[targets\]\]"):
        Experiment.from_table({"imported": imported, "targets": [{"name": "a", "peaks": "a.bed"}]}, folder=Path.cwd())
    wrong = ({"name": "ATAC", "signal": "a.bw"}, {"name": "DGF", "plus": "a.bw", "minus": "b.bw"})
    for given in wrong:
        with pytest.raises(
            ConfigError, match=r"\[imported\] reads DGF: give the file of each as signal, in this order"
        ):
            Experiment.from_table({"imported": imported, "inputs": [given]}, folder=Path.cwd())
