"""Do published FactorNets know the motifs of their factors? Their first filters, and their answers to planted sites.

python experiments/factornet_motifs.py    (STRANDWISE_DATA holds factornet/models, human and motifs/HOCOMOCOv9.meme)

First table: each first filter becomes a motif, from human and from random sequences, and is compared with HOCOMOCO v9;
printed is the filter that is most like the factor's own motif, and what that filter is most like of all.
Second table: by how much one site, and three, raise the logit, beside the same letters reversed, for several
backgrounds and signals around the site.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from strandwise.analysis.filters import filter_motifs
from strandwise.errors import InputError
from strandwise.experiment import Run
from strandwise.experiment.importing import import_factornet
from strandwise.genome import read_fasta
from strandwise.models import SequenceModel
from strandwise.motifs import Motif, compare_motifs, read_motifs
from strandwise.prediction import Predictor
from strandwise.sequence import Codes, encode

NETWORKS = {
    "FOXA1": "FOXA1/onePeak_DGF",
    "GABPA": "GABPA/metaGENCODE_RNAseq_Unique35_DGF",
    "MAX": "MAX/onePeak_Unique35_DGF",
}
WINDOWS, PLANTED = 400, 60
"""Windows that filters are shown, and windows that sites are planted in."""
APART_BP = 60
"""Between three sites."""
GENOME_GC = 0.41
FLANK_BITS = 0.25
HOW: dict[str, Any] = {
    "half of the maximum": {"above": 0.5, "sites": "all"},
    "best of each sequence": {"above": 0.0, "sites": "best"},
}
"""Sites as GOPHER chooses them, and as FactorNet does."""


def main() -> None:
    """Print both tables."""
    data = Path(os.environ.get("STRANDWISE_DATA", "../shared/data"))
    known = read_motifs(data / "motifs" / "HOCOMOCOv9.meme")
    own = {motif.name: motif for motif in known if motif.name in NETWORKS}
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            factor: import_factornet(data / "factornet" / "models" / path, Path(folder) / factor)
            for factor, path in NETWORKS.items()
        }
        print(filter_table(runs, known, own, data).to_string(index=False, float_format="{:.2g}".format), flush=True)
        print()
        table = pd.concat([planting(run, factor, own[factor], data) for factor, run in runs.items()])
        print(table.to_string(index=False, float_format="{:.1f}".format))
        print()
        print(conditions(table))


def filter_table(runs: Mapping[str, Run], known: list[Motif], own: Mapping[str, Motif], data: Path) -> pd.DataFrame:
    """Return how like its factor's motif the likest filter of each network is."""
    rng, rows = np.random.default_rng(0), []
    for factor, run in runs.items():
        network = run.network
        if not isinstance(network, SequenceModel):
            raise InputError(f"{run.path}: an ensemble has no first filters of its own: give its members.")
        length = network.input_bp
        shown = {"human": human_windows(data, WINDOWS, length, rng), "random": random_windows(WINDOWS, length, rng)}
        for name, codes in shown.items():
            for how in HOW:
                found = filter_motifs(network, partial(batches, run, codes, 1.0), **HOW[how])
                queries = [motif for each in found if (motif := trimmed(each.motif)) is not None]
                table = compare_motifs(queries, known)
                best = table[table["target"] == own[factor].accession].sort_values("p").iloc[0]
                likest = table[table["query"] == best["query"]].iloc[0]
                sites_of = next(each.sites for each in found if f"filter{each.number}" == best["query"])
                rows.append(
                    {
                        "factor": factor,
                        "shown": name,
                        "sites": how,
                        "filter": best["query"],
                        "n": sites_of,
                        "p": best["p"],
                        "q": best["q"],
                        "likest": likest["name"],
                    }
                )
    return pd.DataFrame(rows)


def trimmed(motif: Motif | None) -> Motif | None:
    """Return a motif without flanks that say nothing; None where all of it says nothing."""
    try:
        return None if motif is None else motif.trimmed(FLANK_BITS)
    except InputError:
        return None


def planting(run: Run, factor: str, motif: Motif, data: Path) -> pd.DataFrame:
    """Return what sites add to the mean logit, for each background and signal."""
    rng, length = np.random.default_rng(1), run.network.input_bp
    backgrounds = {
        "equal bases": random_windows(PLANTED, length, rng, gc=0.5),
        "41 % GC": random_windows(PLANTED, length, rng, gc=GENOME_GC),
        "human": human_windows(data, PLANTED, length, rng),
    }
    site = encode(motif.consensus)
    middle = (length - len(site)) // 2
    at = {"one": [middle], "three": [middle - APART_BP, middle, middle + APART_BP]}
    predictor, rows = run.predictor(device="cpu"), []
    for background, codes in backgrounds.items():
        for signal, cuts in signals(length).items():
            base = logits(predictor, run, codes, cuts)
            row = {"factor": factor, "background": background, "signal": signal, "logit": base.mean()}
            for number, places in at.items():
                for word, letters in (("", site), (" reversed", site[::-1])):
                    changed = logits(predictor, run, planted(codes, letters, places), cuts)
                    row[number + word] = (changed - base).mean()
            rows.append(row)
    return pd.DataFrame(rows)


def signals(length: int) -> dict[str, np.ndarray]:
    """Return cleavage around a site in the middle: the same everywhere, a hill, or a hill with a footprint."""
    away = np.abs(np.arange(length) - (length - 1) / 2)
    found = {f"{level:g} everywhere": np.full(length, level) for level in (0.0, 0.02, 0.05, 0.1, 0.5, 1.0)}
    for width in (20, 100):
        hill = np.exp(-0.5 * (away / width) ** 2)
        found[f"hill, sd {width} bp"] = hill
        found[f"footprint, sd {width} bp"] = np.where(away <= 8, 0.1 * hill, hill)
    return found


def conditions(table: pd.DataFrame) -> str:
    """Say where one site raises the logit by 5 and by three times what its letters reversed do."""
    lines = ["One site raises the mean logit by 5 or more, and by 3 times its letters reversed or more:"]
    for factor, part in table.groupby("factor"):
        enough = part[(part["one"] >= 5) & (part["one"] >= 3 * part["one reversed"].abs())]
        lines.append(f"{factor}: in {len(enough)} of {len(part)} conditions")
        lines += [
            f"  {row['background']}, {row['signal']}: {row['one']:+.1f} ({row['one reversed']:+.1f}), from "
            f"{row['logit']:.1f}"
            for _, row in enough.sort_values("one", ascending=False).iterrows()
        ]
    return "\n".join(lines)


def random_windows(n: int, length: int, rng: np.random.Generator, gc: float = GENOME_GC) -> Codes:
    """Return windows of independent bases."""
    return rng.choice(4, (n, length), p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]).astype(np.uint8)


def human_windows(data: Path, n: int, length: int, rng: np.random.Generator) -> Codes:
    """Return windows filled with bound sequences of CTCF and PU.1, one after the other, random bases at the ends."""
    files = [data / "human" / name for name in ("ctcf.fa.gz", "pu1.fa.gz")]
    pieces = [encode(record.letters, ambiguous="n") for path in files for record in read_fasta(path)]
    each = len(pieces[0])
    pieces = np.stack([piece for piece in pieces if len(piece) == each])
    fit = length // each
    codes, start = random_windows(n, length, rng), (length - fit * each) // 2
    chosen = pieces[rng.choice(len(pieces), n * fit, replace=False)]
    codes[:, start : start + fit * each] = chosen.reshape(n, -1)
    return codes


def planted(codes: Codes, letters: Codes, places: list[int]) -> Codes:
    """Return windows with the letters written over them at each place."""
    changed = codes.copy()
    for place in places:
        changed[:, place : place + len(letters)] = letters
    return changed


def batches(run: Run, codes: Codes, cuts: float | np.ndarray) -> Iterator[dict[str, Tensor]]:
    """Yield what a network reads: mappable everywhere, cleavage as told, and metadata of 0."""
    kinds = run.network.input_types
    for at in range(0, len(codes), 50):
        part = codes[at : at + 50]
        signal = torch.ones(len(part), kinds["signal"].channels, part.shape[1])
        signal[:, -1] = torch.from_numpy(np.broadcast_to(cuts, part.shape).astype(np.float32))
        batch = {"sequence": torch.from_numpy(part), "signal": signal}
        if "metadata" in kinds:
            batch["metadata"] = torch.zeros(len(part), kinds["metadata"].channels)
        yield batch


def logits(predictor: Predictor, run: Run, codes: Codes, cuts: np.ndarray) -> np.ndarray:
    """Return the logit of each window, of the mean probability of both strands."""
    return np.concatenate([said["bound"][:, 0].numpy() for said in predictor.logits(batches(run, codes, cuts))])


if __name__ == "__main__":
    main()
