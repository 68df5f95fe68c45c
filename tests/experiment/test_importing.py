"""Published networks as runs: what the folder holds, and what can and cannot be done with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise.data.simulation import SimulatedGenome
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
from strandwise.experiment.importing import import_bpnet, import_deepsea, import_factornet, read_names
from strandwise.genome import BigWig, Genome, write_bigwig
from strandwise.strand import stranded

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


def test_an_import_that_was_stopped_says_so(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save_weights", stopped)
        with pytest.raises(KeyboardInterrupt):
            import_factornet(folder, tmp_path / "run")
    with pytest.raises(RunError, match=r"run: its import was stopped, .* import it again, with --overwrite"):
        Run.open(tmp_path / "run")
    assert import_factornet(folder, tmp_path / "run", overwrite=True).finished


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


def test_an_imported_network_goes_with_its_own_targets_and_inputs_alone() -> None:
    def config(imported: dict, **tables: object) -> Experiment:
        return Experiment.from_table({"imported": {"source": "x", **imported}, **tables}, folder=Path.cwd())

    reads = {"targets": ["a"], "inputs": ["DGF"]}
    wrong = ({"name": "ATAC", "signal": "a.bw"}, {"name": "DGF", "plus": "a.bw", "minus": "b.bw"})
    for given in wrong:
        with pytest.raises(
            ConfigError, match=r"\[imported\] reads DGF: give the file of each as signal, in this order"
        ):
            config(reads, inputs=[given])
    genome = {"fasta": "g.fa"}
    with pytest.raises(ConfigError, match=r"\[\[targets\]\] are b, and \[imported\] predicts a: give those to judge"):
        config({"targets": ["a"]}, genome=genome, targets=[{"name": "b", "peaks": "b.bed"}])
    with pytest.raises(ConfigError, match=r"\[imported\] predicts labels, and target 'a' has signal"):
        config({"targets": ["a"]}, genome=genome, targets=[{"name": "a", "peaks": "a.bed", "signal": "a.bw"}])
    with pytest.raises(ConfigError, match=r"\[genome\] is missing"):
        config({"targets": ["a"]}, targets=[{"name": "a", "peaks": "a.bed"}])
    stranded_target = {"name": "a", "peaks": "a.bed", "plus": "p.bw", "minus": "m.bw"}
    with pytest.raises(ConfigError, match=r"\[\[targets\]\] are a\+, a-, and \[imported\] predicts a:"):
        config({"targets": ["a"], "answer": "profile"}, genome=genome, targets=[stranded_target])
    both = config({"targets": ["a+", "a-"], "answer": "profile"}, genome=genome, targets=[stranded_target])
    assert both.predicts_signal


def deepsea(folder: Path, tracks: int = 2, length: int = 190, prefix: str = "") -> Path:
    """Write tiny weights of a DeepSEA in the layout of Kipoi."""
    positions = ((length - 7) // 4 - 7) // 4 - 7
    shapes = {"0": (2, 4, 1, 8), "4": (3, 2, 1, 8), "8": (2, 3, 1, 8), "12.1": (4, 2 * positions), "14.1": (tracks, 4)}
    generator, state = torch.Generator().manual_seed(0), dict[str, torch.Tensor]()
    for name, shape in shapes.items():
        state[f"{prefix}{name}.weight"] = torch.randn(shape, generator=generator) / 2
        state[f"{prefix}{name}.bias"] = torch.randn(shape[0], generator=generator)
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / "deepsea.pth")
    return folder / "deepsea.pth"


def bpnet(folder: Path, tracks: int = 1, controls: int = 0) -> Path:
    """Write tiny weights of bpnet-lite's BPNet, which sees 44 of 60 bp whole."""
    shapes: dict[str, tuple[int, ...]] = {"iconv": (3, 4, 5), "rconvs.0": (3, 3, 3), "fconv": (tracks, 3 + controls, 9)}
    shapes["linear"] = (1, 3 + (controls > 0))
    generator, state = torch.Generator().manual_seed(0), dict[str, torch.Tensor]()
    for name, shape in shapes.items():
        state |= {f"{name}.weight": torch.randn(shape, generator=generator) / 2, f"{name}.bias": torch.ones(shape[0])}
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / "bpnet.pt")
    return folder / "bpnet.pt"


LABELLED = """
genome = {{ fasta = "{folder}/genome.fa.gz" }}
windows = {{ input_bp = 300, label_bp = 60 }}
negatives = {{ per_peak = 1 }}
split = {{ valid = ["chr3"], test = ["chr4"] }}
strand = {{ strategy = "rcps" }}
model = {{ name = "basset" }}
[[targets]]
name = "CTCF"
peaks = "{folder}/peaks/CTCF.alpha.bed"
[[targets]]
name = "REST"
peaks = "{folder}/peaks/REST.alpha.bed"
"""


def test_a_run_of_weights_is_judged_and_reported_like_any_other(simulated: SimulatedGenome, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(LABELLED.format(folder=simulated.folder))
    path = deepsea(tmp_path / "published", prefix="2.")
    run = import_deepsea(
        path, tmp_path / "run", input_bp=190, targets=["CTCF", "REST"], config=tmp_path / "config.toml"
    )
    path.unlink()
    run = Run.open(run.path)
    assert (run.experiment.windows.input_bp, run.experiment.windows.label_bp) == (190, 60)
    assert (run.experiment.model.name, run.experiment.strand.strategy) == ("deepsea", "posthoc")
    assert run.experiment.strand.merge_after_link
    metrics = evaluate(run)
    assert [*metrics["heads"]["bound"]["tracks"]] == ["CTCF", "REST"]
    assert metrics["n"] > 20
    assert metrics["strand"]["max_deviation"] < 1e-5
    page = write_report([run]).read_text()
    assert "deepsea" in page
    assert "was trained on" not in page
    evaluate(run, bed=simulated.folder / "peaks" / "CTCF.alpha.bed")
    with pytest.raises(ConfigError, match=r"\[imported\] is a network that is trained already"):
        train(run.experiment, tmp_path / "again")


def test_profiles_are_judged_with_their_controls(make_genome: Callable[..., Genome], tmp_path: Path) -> None:
    genome, rng = make_genome(chr1=600, chr2=500), np.random.default_rng(0)
    tracks = {}
    for name in ("plus", "minus", "control+", "control-"):
        bases = [(chrom, at) for chrom, size in genome.sizes.items() for at in range(size)]
        tracks[name] = tmp_path / f"{name}.bw"
        write_bigwig(tracks[name], genome.sizes, [(chrom, at, at + 1, float(rng.poisson(2))) for chrom, at in bases])
    (tmp_path / "peaks.bed").write_text("".join(f"chr{n}\t{at}\t{at + 20}\n" for n in (1, 2) for at in (100, 200, 300)))
    (tmp_path / "config.toml").write_text(
        f'genome = {{ fasta = "{genome.path}" }}\nsplit = {{ test = ["chr2"] }}\n[[targets]]\nname = "x"\n'
        'peaks = "peaks.bed"\nplus = "plus.bw"\nminus = "minus.bw"\n[negatives]\nper_peak = 0\n'
    )
    signals = {name: tracks[name] for name in ("control+", "control-")}
    path = bpnet(tmp_path / "published", tracks=2, controls=2)
    run = import_bpnet(
        path, tmp_path / "run", input_bp=60, targets=["x"], signals=signals, config=tmp_path / "config.toml"
    )
    run = Run.open(run.path)
    assert [head.tracks for head in run.network.heads] == [("x+", "x-"), ("x+", "x-")]
    assert run.network.heads[0].type == stranded(1)
    assert run.network.input_types["signal"] == stranded(1)
    assert evaluate(run)["n"] == 3
    assert write_report([run]).is_file()
    # Both strands of DNA and control are turned together.
    both = conjoin(run, tmp_path / "both")
    assert evaluate(both)["strand"]["max_deviation"] < 1e-5
    (tmp_path / "sites.bed").write_text("chr1\t100\t140\n")
    (out,) = predict(run, tmp_path / "p.parquet", bed=tmp_path / "sites.bed")
    beside = np.stack([BigWig(tracks[name]).values("chr1", 90, 150) for name in signals])
    read = {
        "sequence": torch.from_numpy(genome.fetch("chr1", 90, 150)[None]),
        "signal": torch.from_numpy(beside[None]),
    }
    ((logits,),) = [[*run.predictor().logits([read])]]
    expected = torch.expm1(logits["counts"])[0].tolist()
    assert pd.read_parquet(out)[["pred/x+", "pred/x-"]].iloc[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert len(predict(run, tmp_path / "p.bw", bed=tmp_path / "sites.bed")) == 2


def test_profiles_without_controls_are_a_bpnet_and_predict_for_sequences(tmp_path: Path) -> None:
    run = import_bpnet(bpnet(tmp_path / "published"), tmp_path / "run", input_bp=60, conjoin=True)
    assert (run.experiment.model.name, run.experiment.strand.strategy) == ("bpnet", "posthoc")
    assert run.predict("ACGTAC" * 10).columns.tolist() == ["signal"]
    assert not run.experiment.strand.merge_after_link


def test_one_may_be_trained_on(simulated: SimulatedGenome, tmp_path: Path) -> None:
    run = import_deepsea(deepsea(tmp_path / "published"), tmp_path / "run", input_bp=190)
    (tmp_path / "config.toml").write_text(LABELLED.format(folder=simulated.folder))
    sizes = {"name": "deepsea", "filters": [2, 3, 2], "hidden": 4, "init": str(run.path), "freeze": ["conv1"]}
    table = Experiment.load(tmp_path / "config.toml").model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    table |= {"model": sizes, "windows": {"input_bp": 190, "label_bp": 60}, "training": {"epochs": 1}}
    table["strand"] = {"strategy": "posthoc"}
    tuned = train(Experiment.from_table(table, folder=tmp_path), tmp_path / "tuned")
    before, after = run.network.state_dict(), tuned.network.state_dict()
    kept = [name for name in before if torch.equal(before[name], after[name])]
    assert any(name.startswith("trunk.layers.0.") for name in kept)
    assert len(kept) < len(before)


NAMES = [
    ("window", 3, None, ("track1", "track2", "track3"), "its tracks are numbered"),
    ("window", 3, ["a", "b", "a"], ("a", "b", "a#2"), "1 names stand for several tracks"),
    ("profile", 1, None, ("signal",), ""),
    ("profile", 2, ["x"], ("x+", "x-"), ""),
    ("profile", 2, None, ("signal+", "signal-"), "its tracks are numbered"),
    ("profile", 2, ["x", "y"], ("x", "y"), ""),
]


@pytest.mark.parametrize(("answer", "tracks", "given", "names", "note"), NAMES)
def test_tracks_are_named(
    answer: str, tracks: int, given: list[str] | None, names: tuple[str, ...], note: str, tmp_path: Path
) -> None:
    if answer == "window":
        run = import_deepsea(deepsea(tmp_path, tracks), tmp_path / "run", input_bp=190, targets=given)
    else:
        run = import_bpnet(bpnet(tmp_path, tracks), tmp_path / "run", input_bp=60, targets=given)
    assert run.experiment.imported is not None
    assert run.experiment.imported.targets == names
    assert note in " ".join(run.provenance["notes"])


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = deepsea(tmp_path)
    with pytest.raises(InputError, match="--target: 1 names, and the network predicts 2 tracks"):
        import_deepsea(path, tmp_path / "run", input_bp=190, targets=["a"])
    with pytest.raises(ConfigError, match="which is no name"):
        import_deepsea(path, tmp_path / "run", input_bp=190, targets=["a", "\x1b"])
    assert not (tmp_path / "run").exists()
    (tmp_path / "names.txt").write_text("8988T|DNase|None\n\n  HepG2|FOXA1|None \n")
    assert read_names(tmp_path / "names.txt") == ["8988T|DNase|None", "HepG2|FOXA1|None"]
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_names(tmp_path / "names.txt")


BESIDE = [
    ('[bias]\nrun = "x"', r"\[bias\] is for targets with signal"),
    ('[metadata]\ntable = "x.tsv"', r"\[metadata\]|names none"),
    ('[imported]\nsource = "x"\ntargets = ["CTCF", "REST"]', r"\[imported\] is for a network"),
]


@pytest.mark.parametrize(("tables", "said"), BESIDE)
def test_a_config_to_judge_by_says_nothing_of_the_network(
    tables: str, said: str, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(f"{LABELLED.format(folder=simulated.folder)}\n{tables}\n")
    with pytest.raises((InputError, ConfigError), match=said):
        import_deepsea(
            deepsea(tmp_path), tmp_path / "run", input_bp=190, targets=["CTCF", "REST"], config=tmp_path / "config.toml"
        )
    assert not (tmp_path / "run").exists()


def test_labels_of_other_tracks_are_refused(simulated: SimulatedGenome, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(LABELLED.format(folder=simulated.folder))
    with pytest.raises(ConfigError, match=r"are CTCF, REST, and \[imported\] predicts REST, CTCF: give those"):
        import_deepsea(
            deepsea(tmp_path), tmp_path / "run", input_bp=190, targets=["REST", "CTCF"], config=tmp_path / "config.toml"
        )
    assert not (tmp_path / "run").exists()


def test_sequences_may_judge_too(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(0), ["name\ta\tb"]
    records = []
    for number in range(40):
        records.append(f">s{number}\n{''.join(rng.choice(list('ACGT'), 190))}\n")
        lines.append(f"s{number}\t{number % 2}\t{number % 3 == 0:d}")
    (tmp_path / "s.fa").write_text("".join(records))
    (tmp_path / "s.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "config.toml").write_text('sequences = [{ fasta = "s.fa", labels = "s.tsv", split = "test" }]\n')
    path, config = deepsea(tmp_path / "published"), tmp_path / "config.toml"
    run = import_deepsea(path, tmp_path / "run", input_bp=190, targets=["a", "b"], config=config)
    assert evaluate(run)["n"] == 40
    with pytest.raises(InputError, match="the data are labelled by a, b, and the network predicts track1, track2"):
        import_deepsea(path, tmp_path / "other", input_bp=190, config=config)
    assert not (tmp_path / "other").exists()
