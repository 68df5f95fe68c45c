"""A trained model over windows, intervals and whole chromosomes; tables and tracks out."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pysam
import torch
from torch import Tensor, nn

from strandwise.data.batches import one_hot
from strandwise.data.reading import GenomeReader, PackedGenome
from strandwise.data.windows import LabelledWindows, Reader
from strandwise.errors import InputError, OutputError
from strandwise.files import atomic_path
from strandwise.genome import Genome, write_bigwig
from strandwise.layers import Conjoined, Head, Merge
from strandwise.models import SequenceModel
from strandwise.strand import revcomp

BIGWIG = (".bw", ".bigWig", ".bigwig")
ENDINGS = (".parquet", ".bed", ".bed.gz", *BIGWIG)


@dataclass(frozen=True)
class Predictor:
    """A network ready to be asked: where it runs, and whether it merges both strands.

    A copy is asked, so the network stays in the mode, place and precision it is in.

    Attributes:
        network: the network as it was trained.
        conjoin: merge what both strands say (conjoined and post-hoc conjoined).
        device: where to run.
        dtype: float32, or float64 to see how exact the strand law is.
        merge: how, where it conjoins.
    """

    network: SequenceModel
    conjoin: bool
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    merge: Merge = field(default_factory=Merge)

    @property
    def head(self) -> Head:
        """The head that is predicted."""
        return self.network.heads[0]

    @property
    def input_bp(self) -> int:
        """Length of the DNA that the network reads."""
        return self.network.input_bp

    def logits(self, batches: Iterable[np.ndarray], *, reverse: bool = False) -> Iterator[Tensor]:
        """Yield the head's logits ``(batch, tracks)`` of batches of codes ``(batch, input_bp)``.

        Args:
            batches: codes, uint8.
            reverse: read the reverse complement of each window instead.
        """
        network = copy.deepcopy(self.network).to(self.device, self.dtype).eval()
        asked: nn.Module = Conjoined(network, self.merge) if self.conjoin else network
        kind = network.input_types["sequence"]
        for codes in batches:
            # Entered for each batch anew: between batches the caller's own code runs.
            with torch.inference_mode():
                sequence = one_hot(torch.from_numpy(codes).to(self.device), self.dtype)
                logits = asked(revcomp(sequence, kind) if reverse else sequence)[self.head.name].cpu()
            yield logits

    def predict(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield predictions ``(batch, tracks)`` on the scale people read, such as probabilities."""
        for logits in self.logits(batches):
            yield self.head.activate(logits).numpy()


def gathered(reader: Reader, n: int, batch_size: int = 512) -> Iterator[np.ndarray]:
    """Yield the codes of n windows, batch by batch."""
    for start in range(0, n, batch_size):
        yield reader.gather(np.arange(start, min(start + batch_size, n)))


def predict_frames(predictor: Predictor, windows: LabelledWindows, batch_size: int = 512) -> Iterator[pd.DataFrame]:
    """Yield tables of predictions, a row a window: its coordinates, and `pred/TRACK` for each track."""
    row = 0
    for values in predictor.predict(gathered(windows.reader, len(windows), batch_size)):
        places = windows.frame.iloc[row : row + len(values)][["chrom", "start", "end", "name"]]
        row += len(values)
        yield places.reset_index(drop=True).join(prediction_columns(predictor.head, values))


def prediction_columns(head: Head, values: np.ndarray, prefix: str = "pred") -> pd.DataFrame:
    """Return a table with a column `PREFIX/TRACK` for each track of ``(rows, tracks)``."""
    return pd.DataFrame(values, columns=[f"{prefix}/{track}" for track in head.tracks])


def chromosome_frames(
    predictor: Predictor, genome: Genome, chrom: str, step_bp: int, batch_size: int = 512
) -> Iterator[pd.DataFrame]:
    """Yield predictions along a whole chromosome: one window centred on each stretch of `step_bp`.

    Rows hold the stretches, which tile the chromosome; at its ends the windows read N.
    """
    size = genome.sizes[chrom]
    start = np.arange(0, size, step_bp)
    end = np.minimum(start + step_bp, size)
    packed = PackedGenome(genome, [chrom], predictor.input_bp)
    origin = (start + end) // 2 - predictor.input_bp // 2 + packed.offsets[chrom]
    reader = GenomeReader(packed, origin, predictor.input_bp)
    row = 0
    for values in predictor.predict(gathered(reader, len(start), batch_size)):
        here = slice(row, row + len(values))
        row += len(values)
        places = pd.DataFrame({"chrom": chrom, "start": start[here], "end": end[here], "name": "."})
        yield places.join(prediction_columns(predictor.head, values))


def write_predictions(frames: Iterable[pd.DataFrame], out: Path, sizes: Mapping[str, int] | None = None) -> list[Path]:
    """Write tables of predictions as they come, in the format of the ending of `out`.

    ``.parquet`` and ``.bed``/``.bed.gz`` hold all tracks; ``.bw`` makes one file a track, with the name of
    the track before the ending where there are several. Nothing appears under `out` until all is written.

    Args:
        frames: as `predict_frames` and `chromosome_frames` yield them.
        out: where to write.
        sizes: lengths of the chromosomes, for bigWig.

    Returns:
        The files written.

    Raises:
        InputError: an ending that is not known, no rows, or bigWig of windows that overlap or have no place.
        OutputError: the place cannot be written.
    """
    check_ending(out)
    frames = _some(frames, out)
    if out.name.endswith(BIGWIG):
        return _write_bigwigs(frames, out, sizes)
    with atomic_path(out) as temporary:
        if out.name.endswith(".parquet"):
            _write_parquet(frames, temporary)
        else:
            _write_bed(frames, temporary, compress=out.name.endswith(".gz"))
    return [out]


def check_ending(out: Path) -> None:
    """Refuse a path whose ending names no format.

    Raises:
        InputError: with the endings that do.
    """
    if not out.name.endswith(ENDINGS):
        raise InputError(f"{out}: the ending names no format that can be written: use {', '.join(ENDINGS)}.")


def _some(frames: Iterable[pd.DataFrame], out: Path) -> Iterator[pd.DataFrame]:
    empty = True
    for frame in frames:
        empty = False
        yield frame
    if empty:
        raise InputError(f"{out}: there is no window to predict, so nothing was written.")


def _write_parquet(frames: Iterable[pd.DataFrame], path: Path) -> None:
    writer = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_bed(frames: Iterable[pd.DataFrame], path: Path, compress: bool) -> None:
    # Blocks of gzip that tabix and genome browsers can enter anywhere.
    with pysam.BGZFile(str(path), "wb", None) if compress else path.open("wb") as stream:
        for number, frame in enumerate(map(_as_bed, frames)):
            header = "#" + "\t".join(map(str, frame.columns)) + "\n" if number == 0 else ""
            text = frame.to_csv(sep="\t", header=False, index=False, float_format="%.6g", lineterminator="\n")
            stream.write((header + text).encode())


def _as_bed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return predictions as BED: starts from 0, and a score of 0 to 1000 by the highest prediction, then each track."""
    predictions = frame.filter(like="pred/")
    score = (1000 * predictions.max(axis=1)).clip(0, 1000).round().astype(int)
    places = frame[["chrom", "start", "end", "name"]].assign(start=frame["start"].clip(lower=0))
    return places.assign(score=score, strand=".").join(predictions)


def _write_bigwigs(frames: Iterable[pd.DataFrame], out: Path, sizes: Mapping[str, int] | None) -> list[Path]:
    if sizes is None:
        raise InputError(f"{out}: sequences have no place on a chromosome: use .parquet or .bed instead of bigWig.")
    # Batch by batch first, so that most overlaps are found before everything is predicted.
    parts = [_sorted_apart(frame.drop(columns="name"), out) for frame in frames]
    whole = _sorted_apart(pd.concat(parts, ignore_index=True), out)
    columns = [name for name in whole.columns if str(name).startswith("pred/")]
    names = bigwig_paths(out, [str(name).removeprefix("pred/") for name in columns])
    used = {name: size for name, size in sizes.items() if name in set(whole["chrom"])}
    start = whole["start"].clip(lower=0)
    end = np.minimum(whole["end"], whole["chrom"].map(sizes))
    with ExitStack() as together:
        for column, path in zip(columns, names, strict=True):
            temporary = together.enter_context(atomic_path(path))
            values = zip(whole["chrom"], start, end, whole[column].astype(float), strict=True)
            try:
                write_bigwig(temporary, used, values)
            except OutputError as error:
                raise OutputError(str(error).replace(str(temporary), str(path))) from error
    return names


def _sorted_apart(frame: pd.DataFrame, out: Path) -> pd.DataFrame:
    """Return windows in the order that a bigWig wants, by name and start, or refuse those that overlap."""
    frame = frame.sort_values(["chrom", "start"], kind="stable", ignore_index=True)
    same = frame["chrom"].to_numpy()[1:] == frame["chrom"].to_numpy()[:-1]
    overlap = np.flatnonzero(same & (frame["start"].to_numpy()[1:] < frame["end"].to_numpy()[:-1]))
    if len(overlap):
        first = frame.iloc[overlap[0] + 1]
        raise InputError(
            f"{out}: a base has one value in a bigWig, and windows overlap at {first['chrom']}:{first['start']}: "
            "use .parquet or .bed.gz, or predict whole chromosomes with --chrom."
        )
    return frame


def bigwig_paths(out: Path, tracks: Sequence[str]) -> list[Path]:
    """Return the bigWig of each track: `out` itself for one, ``NAME.TRACK.bw`` for several."""
    if len(tracks) == 1:
        return [out]
    safe = [re.sub(r"[^\w.+-]", "_", track) for track in tracks]
    if len(set(safe)) < len(safe):
        raise InputError(f"{out}: track names differ only in characters that a file name cannot hold: rename them.")
    return [out.with_name(f"{out.stem}.{track}{out.suffix}") for track in safe]
