"""Single-base variants with a known effect: inside bound sites, and matched ones beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from strandwise.data.simulation.background import base_frequencies
from strandwise.data.simulation.settings import HALF_BP, OPEN_HALF_BP
from strandwise.data.simulation.sites import Plan
from strandwise.motifs.motif import Motif

_LETTERS = np.array(list("ACGT"))


def draw_variants(
    rng: np.random.Generator, plan: Plan, motifs: list[Motif], names: list[str], per_factor: int, gc: float
) -> pd.DataFrame:
    """Return variants in bound sites of alpha, and for each a matched one in the same open region.

    A matched variant changes the same letter to the same letter outside of all sites: its effect is 0.

    Returns:
        Columns position (as in the plan), ref, alt (codes), factor (name), effect (bits, ref to alt, on the
        site's strand), matched; sorted, one variant at a position.
    """
    parts = []
    for factor, motif in enumerate(motifs):
        bound = plan.sites.loc[(plan.sites["factor"] == factor) & plan.sites["bound_alpha"]]
        bound = bound.iloc[rng.permutation(len(bound))[:per_factor]]
        inside = rng.integers(0, len(motif), len(bound))
        position = bound["start"].to_numpy() + inside
        ref = plan.codes[position].astype(np.int64)
        alt = (ref + rng.integers(1, 4, len(ref))) % 4
        plus = bound["strand"].to_numpy() == 1
        table = motif.log_odds(base_frequencies(gc))
        row = np.where(plus, inside, len(motif) - 1 - inside)
        effect = table[row, np.where(plus, alt, 3 - alt)] - table[row, np.where(plus, ref, 3 - ref)]
        planted = pd.DataFrame({"position": position, "ref": ref, "alt": alt, "effect": effect})
        centres = plan.elements["centre"].to_numpy()[bound["element"]]
        parts.append(planted.assign(factor=names[factor], matched=False))
        parts.append(_matched(rng, plan, planted, centres).assign(factor=names[factor], matched=True))
    table = pd.concat(parts, ignore_index=True)
    return table.drop_duplicates("position").sort_values("position", ignore_index=True)


def _matched(rng: np.random.Generator, plan: Plan, planted: pd.DataFrame, centres: np.ndarray) -> pd.DataFrame:
    """Choose for each variant a base with the same letter in the open region's flanks, where no site is."""
    flank = np.arange(HALF_BP + 1, OPEN_HALF_BP)
    candidates = centres[:, None] + np.concatenate([-flank, flank])
    alike = plan.codes[candidates] == planted["ref"].to_numpy()[:, None]
    chosen = np.argmax(rng.random(candidates.shape) * alike, axis=1)[:, None]
    found = alike.any(axis=1)
    position = np.take_along_axis(candidates, chosen, axis=1)[:, 0]
    return planted.assign(position=position, effect=0.0).loc[found]


def write_variants(path: Path, plan: Plan, variants: pd.DataFrame) -> None:
    """Write variants as a bgzip-ed VCF with a tabix index beside it."""
    chroms, positions = plan.locate(variants["position"].to_numpy())
    header = [
        "##fileformat=VCFv4.2",
        *(f"##contig=<ID={chrom},length={size}>" for chrom, size in plan.sizes.items()),
        '##INFO=<ID=FACTOR,Number=1,Type=String,Description="Factor of the site in or beside">',
        '##INFO=<ID=EFFECT,Number=1,Type=Float,Description="Log-odds of alt minus ref, bits">',
        '##INFO=<ID=MATCHED,Number=0,Type=Flag,Description="Beside the sites, for comparison; no effect">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    refs, alts = _LETTERS[variants["ref"]], _LETTERS[variants["alt"]]
    info = [
        f"FACTOR={factor};EFFECT={effect:.4f}{';MATCHED' if matched else ''}"
        for factor, effect, matched in zip(variants["factor"], variants["effect"], variants["matched"], strict=True)
    ]
    rows = [
        f"{chrom}\t{position + 1}\tvar{i}\t{ref}\t{alt}\t.\tPASS\t{info[i]}"
        for i, (chrom, position, ref, alt) in enumerate(zip(chroms, positions, refs, alts, strict=True))
    ]
    plain = path.with_suffix("")
    plain.write_text("\n".join([*header, *rows]) + "\n", encoding="utf-8")
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    pysam.tabix_index(str(path), preset="vcf", force=True)
