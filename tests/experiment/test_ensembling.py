import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from strandwise.errors import ConfigError, InputError, OutputError, RunError
from strandwise.experiment import (
    Experiment,
    Run,
    check,
    compare_strands,
    conjoin,
    ensemble,
    evaluate,
    import_factornet,
    predict,
    train,
    write_report,
)
from strandwise.experiment.finetuning import take_over
from strandwise.models import Ensemble

Files = dict[str, bytes]
TRACKS = ("CTCF", "REST")


def files(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tied(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of shared weights and another architecture, beside `trained`, which is post-hoc conjoined."""
    changes = ["strand.strategy=rcps", "model.name=shrikumar_simulated", "training.epochs=1", "training.seed=5"]
    options = [f"model.{key}={value}" for key, value in {"filters": 3, "kernel_size": 9, "pool_width": 12}.items()]
    table = small.model_dump(mode="json", exclude_none=True)
    table["model"] = {"name": "shrikumar_simulated"}
    plain = Experiment.from_table(table, folder=Path.cwd())
    run = train(plain.changed(*changes, *options), tmp_path_factory.mktemp("tied") / "tied")
    evaluate(run)
    return run


@pytest.fixture(scope="module")
def made(trained: Run, tied: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The mean of both, judged."""
    out = tmp_path_factory.mktemp("ensemble") / "both"
    assert ensemble([trained, tied.path], out).paths == [out]
    evaluate(Run.open(out))
    return Run.open(out)


@pytest.fixture
def copied(made: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.path, tmp_path / "copied"))


def test_an_ensemble_says_the_mean_of_its_members(made: Run, trained: Run, tied: Run) -> None:
    tables = [run.predictions("test") for run in (trained, tied, made)]
    for track in TRACKS:
        for kind in ("pred", "revcomp"):
            one, other, both = (table[f"{kind}/{track}"].to_numpy() for table in tables)
            np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-5)
    assert made.metrics["n"] == trained.metrics["n"]
    assert made.metrics["strand"]["max_deviation"] < 1e-6
    assert made.metrics["heads"]["bound"]["tracks"].keys() == set(TRACKS)


def test_the_mean_of_logits(trained: Run, tied: Run, tmp_path: Path) -> None:
    ensemble([trained, tied], tmp_path / "run", on="logits")
    letters = ["ACGT" * 30, "TTGCA" * 24]
    logits = [np.log(p) - np.log1p(-p) for p in (run.predict(letters).to_numpy() for run in (trained, tied))]
    found = Run.open(tmp_path / "run").predict(letters)
    assert list(found) == list(TRACKS)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.mean(logits, axis=0))), rtol=1e-5)


def test_the_folder_is_whole_by_itself(small: Experiment, trained: Run, tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(trained.path, tmp_path / "a")), tmp_path / "b"]
    train(small.changed("training.epochs=1", "training.seed=3"), runs[1])
    (runs[0] / "checkpoints" / "notes.txt").write_text("mine")
    before = [files(run) for run in runs]
    ensemble(runs, tmp_path / "both")
    assert [files(run) for run in runs] == before
    letters = ["ACGGT" * 24]
    expected = np.mean([Run.open(run).predict(letters) for run in runs], axis=0)
    for run in runs:
        shutil.rmtree(run)
    moved = (tmp_path / "both").rename(tmp_path / "moved")
    np.testing.assert_allclose(Run.open(moved).predict(letters), expected, rtol=1e-6)
    kept = ["config.toml", "history.csv", "provenance.json", "weights.safetensors"]
    assert sorted(files(moved)) == [
        "config.toml",
        *(f"members/{number}/{name}" for number in (0, 1) for name in kept),
        "provenance.json",
    ]
    for number, whole in enumerate(before):
        assert all(files(moved)[f"members/{number}/{name}"] == whole[name] for name in kept)
    # A member is a run of its own.
    assert Run.open(moved / "members" / "1").predict(letters).shape == (1, 2)


def test_it_is_reported_compared_and_predicts_like_any_run(made: Run, trained: Run, tied: Run, tmp_path: Path) -> None:
    page = write_report([made], tmp_path / "one.html").read_text()
    assert "shrikumar_chip + shrikumar_simulated ensemble model with the posthoc + rcps strategy" in page
    assert "<title>Ensemble of run, tied" in page
    write_report([trained, tied, made], tmp_path / "all.html")
    found = compare_strands(made, out=tmp_path, n=20)
    assert found["strategy"] == "posthoc + rcps"
    assert found["promised"]
    assert "Lawful by construction" in found["verdict"]
    places = [layer["place"] for layer in found["layers"]]
    assert places[0] == "member 0 bound"
    assert "member 1 conv1" in places
    assert places[-1] == "mean bound"
    tables = []
    for number, run in enumerate((trained, tied, made)):
        (path,) = predict(run, tmp_path / f"{number}.parquet", chrom="chr4", step_bp=500)
        tables.append(pd.read_parquet(path))
    np.testing.assert_allclose(tables[2]["pred/CTCF"], (tables[0]["pred/CTCF"] + tables[1]["pred/CTCF"]) / 2, rtol=1e-5)


def test_provenance_names_its_members(made: Run, trained: Run, tied: Run) -> None:
    assert isinstance(made.network, Ensemble)
    record = made.provenance
    assert [member["run"] for member in record["members"]] == [str(run.path.resolve()) for run in (trained, tied)]
    assert record["members"][1]["epochs"] == 1
    assert record["parameters"] == sum(run.provenance["parameters"] for run in (trained, tied))
    assert record["files"] == trained.provenance["files"]
    assert record["windows"] == trained.provenance["windows"]
    settings = made.experiment.ensemble
    assert settings is not None
    assert settings.members == ("run", "tied")
    assert Experiment.load(made.path / "config.toml") == made.experiment
    assert made.history.empty


def test_members_are_conjoined_each_where_asked(made: Run, trained: Run, tied: Run, tmp_path: Path) -> None:
    for member in (trained, tied):
        evaluate(member, conjoin=False, out=tmp_path / member.name)
    metrics = evaluate(made, conjoin=False, out=tmp_path / "both")
    assert metrics["strand"]["max_deviation"] > 1e-4
    one, other, both = (Run(tmp_path / name).predictions("test") for name in ("run", "tied", "both"))
    np.testing.assert_allclose(both["pred/CTCF"], (one["pred/CTCF"] + other["pred/CTCF"]) / 2, rtol=1e-5)
    for way in (True, False):
        with pytest.raises(InputError, match=r"both strands would pass for those of its strategy 'posthoc \+ rcps'"):
            evaluate(made, conjoin=way)


def test_a_member_of_other_splits_holds_out_nothing(small: Experiment, trained: Run, tmp_path: Path) -> None:
    other = train(small.changed("split.test=['chr1']", "training.epochs=1"), tmp_path / "other")
    made = ensemble([trained, other], tmp_path / "both")
    assert made.notes == [
        "members hold out different places, so the ensemble holds out none: judge it with --bed, at places that none "
        "of them was trained on"
    ]
    run = Run.open(tmp_path / "both")
    assert run.provenance["windows"] == []
    with pytest.raises(InputError, match="the test split has no windows to judge"):
        evaluate(run)
    bed = tmp_path / "some.bed"
    bed.write_text("".join(f"chr4\t{at}\t{at + 50}\n" for at in range(1000, 20_000, 400)))
    assert any("train" in note for note in evaluate(run, bed=bed)["notes"])


def test_members_that_were_labelled_otherwise_are_told(small: Experiment, trained: Run, tmp_path: Path) -> None:
    changes = ["negatives.per_peak=0.5", "windows.label_bp=50", "training.epochs=1", "training.seed=9"]
    other = train(small.changed(*changes), tmp_path / "other")
    (note,) = ensemble([trained, other], tmp_path / "both").notes
    assert note == (
        f"{other.path}: trained with other [negatives], windows.label_bp than {trained.path}, whose windows and labels "
        "are used"
    )
    assert evaluate(tmp_path / "both")["n"] == trained.metrics["n"]


def test_a_member_of_shorter_windows_reads_the_middle(small: Experiment, trained: Run, tmp_path: Path) -> None:
    short = train(small.changed("windows.input_bp=100", "training.epochs=1"), tmp_path / "short")
    ensemble([short, trained], tmp_path / "both")
    letters = "ACGTGCAGTCATGCTAGCATGCATCGATGA" * 4
    found = Run.open(tmp_path / "both").predict(letters)
    expected = (short.predict(letters[10:-10]) + trained.predict(letters)) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert Run.open(tmp_path / "both").experiment.windows.input_bp == 120


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_runs_become_a_table_at_windows_that_are_named(how: str, trained: Run, tied: Run, tmp_path: Path) -> None:
    made = ensemble([trained, tied], tmp_path / "x.parquet", how=how, split="test")  # pyright: ignore[reportArgumentType]
    tables = [run.path / "predictions.test.parquet" for run in (trained, tied)]
    again = ensemble(tables, tmp_path / "y.parquet", how=how)  # pyright: ignore[reportArgumentType]
    one, other = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in "xy")
    pd.testing.assert_frame_equal(one, other)
    assert list(made.scores["CTCF"]["auroc"]) == [str(trained.path), str(tied.path), "ensemble"]
    assert [*made.scores["CTCF"]["auroc"].values()] == [*again.scores["CTCF"]["auroc"].values()]
    for run in (trained, tied):
        measured = run.metrics["heads"]["bound"]["tracks"]["CTCF"]["auroc"]
        assert made.scores["CTCF"]["auroc"][str(run.path)] == pytest.approx(measured)


def test_runs_are_ranked_at_intervals(trained: Run, tied: Run, tmp_path: Path) -> None:
    bed = tmp_path / "some.bed"
    bed.write_text("".join(f"chr4\t{at}\t{at + 50}\n" for at in range(1000, 20_000, 400)))
    made = ensemble([trained, tied], tmp_path / "x.bed", how="rank", bed=bed)
    found = pd.read_csv(tmp_path / "x.bed", sep="\t")
    assert len(found) == 48
    assert made.scores.keys() == set(TRACKS)
    # A window in the order of the file, ranks among all.
    assert found["pred/CTCF"].max() <= 1
    assert found["pred/CTCF"].mean() == pytest.approx((48 + 1) / 2 / 48, abs=1e-5)


def test_published_networks_are_asked_as_one(write_factornet: Callable[..., Path], tmp_path: Path) -> None:
    runs = [
        import_factornet(write_factornet(tmp_path / f"f{seed}", inputs=1, seed=seed), tmp_path / f"r{seed}")
        for seed in (0, 1)
    ]
    notes = ensemble(runs, tmp_path / "both").notes
    assert len(notes) == 1
    assert "imported, so nobody knows here whether it was trained on windows" in notes[0]
    made = Run.open(tmp_path / "both")
    batch = {"sequence": torch.randint(0, 4, (5, 31), dtype=torch.uint8), "signal": torch.rand(5, 1, 31)}
    one, other, both = (next(run.predictor().predict([batch])) for run in (*runs, made))
    np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-6)
    three = import_factornet(write_factornet(tmp_path / "f3", inputs=2, seed=3), tmp_path / "r3")
    with pytest.raises(InputError, match=r"r3 reads .*'signal' of unstranded\(2\), and .*r0 .*combine tables of their"):
        ensemble([runs[0], three], tmp_path / "no")


def test_profiles_of_a_member_with_a_bias_run(small: Experiment, tmp_path: Path) -> None:
    table = small.model_dump(mode="json", exclude_none=True)
    folder = Path(table["genome"]["fasta"]).parent
    signal = {"plus": str(folder / "signal/CTCF.alpha.plus.bw"), "minus": str(folder / "signal/CTCF.alpha.minus.bw")}
    table |= {
        "targets": [{**table["targets"][0], **signal}],
        "windows": {"input_bp": 160},
        "negatives": {"per_peak": 0.5},
        "model": {"name": "bpnet", "filters": 2, "stem_width": 15, "dilated_layers": 1, "profile_width": 15},
        "signals": {"folder": str(tmp_path / "cache")},
        "training": {"epochs": 1, "accelerator": "cpu", "monitor": "valid_loss"},
    }
    first = Experiment.from_table(table, folder=tmp_path)
    runs = [train(first.changed(f"strand.strategy={way}"), tmp_path / way) for way in ("posthoc", "rcps")]
    table["bias"] = {"run": str(runs[1].path)}
    runs[1] = train(Experiment.from_table(table, folder=tmp_path), tmp_path / "with_bias")
    ensemble([runs[1], runs[0]], tmp_path / "both")
    made = Run.open(tmp_path / "both")
    assert (made.path / "members/0/bias/weights.safetensors").is_file()
    assert made.experiment.bias is None
    shutil.rmtree(tmp_path / "rcps")
    tables, signals = [], []
    batch = {"sequence": torch.randint(0, 4, (5, 160), dtype=torch.uint8)}
    for run in (*runs, made):
        tables.append(next(run.predictor().predict([batch])))
        (logits,) = run.predictor().logits([batch])
        signals.append(torch.softmax(logits["profile"], -1).numpy())
    # Totals near 0 are small differences of larger numbers.
    np.testing.assert_allclose(tables[2], (tables[0] + tables[1]) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(signals[2], (signals[0] + signals[1]) / 2, rtol=1e-4)
    assert {"profile", "counts"} == evaluate(made)["heads"].keys()
    again = Experiment.from_table(table | {"bias": {"run": str(made.path)}}, folder=tmp_path)
    with pytest.raises(RunError, match="a bias run that is an ensemble: give a single network"):
        train(again, tmp_path / "no")


def test_members_that_do_not_fit_are_refused(small: Experiment, trained: Run, made: Run, tmp_path: Path) -> None:
    table = small.model_dump(mode="json", exclude_none=True)
    table["targets"] = table["targets"][::-1]
    turned = train(Experiment.from_table(table, folder=tmp_path).changed("training.epochs=1"), tmp_path / "turned")
    conjoined = conjoin(trained, tmp_path / "conjoined", merge="max")
    same = Path(shutil.copytree(trained.path, tmp_path / "same"))
    (tmp_path / "empty").mkdir()
    before = files(tmp_path)
    refused: list[tuple[list[Run | Path], str]] = [
        ([trained], "an ensemble of 1 has nothing to average: name two runs or more"),
        ([trained, trained], "run: stands there twice, and would count twice"),
        ([trained, same], "same: the same weights as .*run, which would count twice"),
        ([trained, turned], "turned predicts REST, CTCF, and .*run CTCF, REST: give members with the same targets"),
        ([trained, made], "both: an ensemble itself: name its members instead, .*both/members/0 and on"),
        (
            [trained, trained.path / "predictions.test.parquet"],
            "run is a run and .*parquet a table: give runs, or tables",
        ),
        ([trained, tmp_path / "none"], "none: no such run folder or table of predictions"),
    ]
    for members, said in refused:
        with pytest.raises(InputError, match=said):
            ensemble(members, tmp_path / "no")
    with pytest.raises(RunError, match=r"empty: not a run folder, it has no config.toml"):
        ensemble([trained, tmp_path / "empty"], tmp_path / "no")
    assert files(tmp_path) == before
    # The same weights, asked in two ways.
    ensemble([trained, conjoined], tmp_path / "yes")


def test_options_that_do_not_go_together_are_refused(trained: Run, tied: Run, tmp_path: Path) -> None:
    runs, bed = [trained, tied], tmp_path / "x.bed"
    refused: list[tuple[str, dict, str]] = [
        ("x", {"how": "rank"}, "--how rank needs all predictions at once.*--split or --bed, and --out x.parquet"),
        ("x.parquet", {}, "runs give a table where it is known what to predict: add --split or --bed"),
        ("x", {"split": "test"}, "x: predictions at --split or --bed are a table: end --out in one of .parquet"),
        ("x.parquet", {"split": "test", "bed": bed}, "--split and --bed each say where to predict"),
        ("x.parquet", {"split": "test", "cell": "K562"}, "--cell K562 says in which cell"),
        ("x.parquet", {"split": "test", "on": "logits"}, "--on logits is for runs made one run"),
        ("x", {"genome": bed}, "--genome has no part in making a run"),
    ]
    for out, options, said in refused:
        with pytest.raises(InputError, match=said):
            ensemble(runs, tmp_path / out, **options)
    assert not [*tmp_path.iterdir()]


def test_what_is_in_the_way_stays(trained: Run, tied: Run, copied: Path, tmp_path: Path) -> None:
    before = files(copied)
    with pytest.raises(RunError, match="exists and is not empty: give another --out, --overwrite"):
        ensemble([trained, tied], copied)
    with pytest.raises(RunError, match="is a member, or lies in one, and would be overwritten"):
        ensemble([copied / "members" / "0", tied], copied / "members" / "0" / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not a run folder, so it is not overwritten"):
        ensemble([trained, tied], tmp_path / "mine", overwrite=True)
    assert files(copied) == before
    (copied / "notes.txt").write_text("mine")
    # Its own members, in the other order, over itself.
    ensemble([copied / "members" / "1", copied / "members" / "0"], copied, overwrite=True)
    after = files(copied)
    assert after["members/0/weights.safetensors"] == before["members/1/weights.safetensors"]
    assert after["notes.txt"] == b"mine"
    assert "metrics.json" not in after
    assert Run.open(copied).predict("ACGT" * 30).shape == (1, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied", "mine"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_is_full_leaves_what_was_there(
    overwrite: bool, trained: Run, tied: Run, copied: Path, tmp_path: Path, full_disk: Callable
) -> None:
    before = files(tmp_path)
    out = copied if overwrite else tmp_path / "new"
    with full_disk(500), pytest.raises(OutputError, match="the disk is full"):
        ensemble([trained, tied], out, overwrite=overwrite)
    assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["copied"]


def test_a_process_that_is_killed_leaves_no_run(
    trained: Run, tied: Run, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(copied)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("copy_to", "write_json"):
        with monkeypatch.context() as patch:
            patch.setattr(Run, step, killed)
            # As a kill would, leave what has been written.
            patch.setattr("strandwise.experiment.ensembling.shutil.rmtree", lambda *_, **__: None)
            for out, overwrite in ((tmp_path / "new", False), (copied, True)):
                with pytest.raises(KeyboardInterrupt):
                    ensemble([trained, tied], out, overwrite=overwrite)
        assert files(copied) == before
        assert not (tmp_path / "new").exists()
    assert all(path.name.startswith(".") and ".tmp." in path.name for path in tmp_path.iterdir() if path != copied)
    ensemble([trained, tied], tmp_path / "new")
    assert Run.open(tmp_path / "new").finished


def test_an_ensemble_is_not_trained_nor_wrapped(made: Run, small: Experiment, tmp_path: Path) -> None:
    for job in (lambda: train(made.experiment, tmp_path / "x"), lambda: check(made.experiment)):
        with pytest.raises(ConfigError, match=r"\[ensemble\] is made of runs that are trained already: make one with"):
            job()
    with pytest.raises(RunError, match="an ensemble asks each member in its own way: conjoin the runs it is made of"):
        conjoin(made, tmp_path / "x")
    begun = small.changed(f"model.init={made.path}")
    with pytest.raises(ConfigError, match=r"the run is an ensemble: name one of its members, such as .*/members/0"):
        take_over(Run(made.path / "members" / "0").network, begun)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RunError, match="no epoch was kept by 'valid_loss'"):
        evaluate(made, chosen_by="valid_loss", out=tmp_path / "y")
    assert not [*tmp_path.iterdir()]


def test_damaged_members_are_named(copied: Path) -> None:
    member = copied / "members" / "1"
    whole = (member / "weights.safetensors").read_bytes()
    (member / "weights.safetensors").write_bytes(whole[:100])
    with pytest.raises(RunError, match=r"members/1/weights.safetensors: damaged or cut short"):
        Run.open(copied).predict("ACGT" * 30)
    (member / "weights.safetensors").unlink()
    with pytest.raises(RunError, match=r"members/1: not a whole member, it has no weights.safetensors: make the ensem"):
        Run.open(copied).predict("ACGT" * 30)
    (member / "weights.safetensors").write_bytes(whole)
    config = copied / "config.toml"
    text = config.read_text()
    config.write_text(text.replace("input_bp = 120", "input_bp = 130"))
    with pytest.raises(RunError, match="its config says 130 bp, bound of CTCF, REST, and its members 120 bp, bound of"):
        Run.open(copied).predict("ACGT" * 30)
    # An ensemble that is its own member.
    config.write_text(text)
    shutil.rmtree(member)
    member.symlink_to(copied)
    with pytest.raises(RunError, match="members/1: not a whole member, it has no weights"):
        Run.open(copied).predict("ACGT" * 30)
    shutil.rmtree(copied / "members")
    with pytest.raises(RunError, match=r"there is no weights.safetensors"):
        Run.open(copied)
