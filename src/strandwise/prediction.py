"""A trained model over windows, intervals and whole chromosomes; tables and tracks out."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pysam
import torch
from torch import Tensor, nn

from strandwise.data.batches import model_inputs, read_inputs
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, OutputError
from strandwise.files import atomic_path
from strandwise.genome import write_bigwig
from strandwise.layers import Conjoined, Head, Merge
from strandwise.models import Ensemble, SequenceModel, WithBias
from strandwise.models.stretches import Stretched, stretched
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

    network: SequenceModel | WithBias | Ensemble | Stretched
    conjoin: bool
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    merge: Merge = field(default_factory=Merge)

    @property
    def head(self) -> Head:
        """The head that says one number of a window and track, or whose mean over bins is that number."""
        return next((head for head in self.network.heads if not head.type.positions), self.network.heads[0])

    @property
    def profile(self) -> Head | None:
        """The head that says how the total of a window is spread along it, if there is one."""
        return next((head for head in self.network.heads if head.link == "softmax"), None)

    @property
    def bins(self) -> Head | None:
        """The head that answers for each bin of a window, if there is one."""
        heads = self.network.heads
        return next((head for head in heads if head.type.positions and head.link != "softmax"), None)

    @property
    def input_bp(self) -> int:
        """Length of the DNA that the network reads."""
        return self.network.input_bp

    def logits(self, batches: Iterable[Mapping[str, Tensor]], *, reverse: bool = False) -> Iterator[dict[str, Tensor]]:
        """Yield the logits of each head, ``(batch, tracks)`` or ``(batch, tracks, positions)``.

        Args:
            batches: what the network reads by name, as `gathered` yields it.
            reverse: read the reverse complement of each window instead.
        """
        asked = self._asked()
        for batch in batches:
            yield self._answer(asked, batch, reverse)

    def both_strands(
        self, batches: Iterable[Mapping[str, Tensor]]
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Yield the logits for each batch, and for the reverse complement of its windows."""
        asked = self._asked()
        for batch in batches:
            yield self._answer(asked, batch, False), self._answer(asked, batch, True)

    def _asked(self) -> nn.Module:
        network = copy.deepcopy(self.network).to(self.device, self.dtype).eval()
        return Conjoined(network, self.merge) if self.conjoin else network

    def _answer(self, asked: nn.Module, batch: Mapping[str, Tensor], reverse: bool) -> dict[str, Tensor]:
        # Entered for each batch anew: between batches the caller's own code runs.
        with torch.inference_mode():
            inputs = model_inputs(batch, self.dtype, self.device)
            if reverse:
                kinds = self.network.input_types
                inputs = {name: revcomp(value, kinds[name]) for name, value in inputs.items()}
            return {name: value.cpu() for name, value in asked(**inputs).items()}

    def predict(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[np.ndarray]:
        """Yield predictions ``(batch, tracks)`` on the scale people read: probabilities, total counts, or coverage.

        Of a network that answers for bins, their mean.
        """
        for logits in self.logits(batches):
            said = self.head.activate(logits[self.head.name])
            yield (said.mean(-1) if self.head.type.positions else said).numpy()

    def expected(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[np.ndarray]:
        """Yield ``(batch, tracks, positions)`` as `signal` does; one position of what is said of windows as a whole."""
        for logits in self.logits(batches):
            yield self.read(logits).numpy()

    def read(self, logits: Mapping[str, Tensor]) -> Tensor:
        """Return what logits by head say on the scale people read, as `expected` yields it."""
        profile, bins = self.profile, self.bins
        if bins is not None:
            return bins.activate(logits[bins.name])
        said = self.head.activate(logits[self.head.name]).unsqueeze(-1)
        return said if profile is None else profile.activate(logits[profile.name]) * said

    def along(self, step_bp: int) -> "Predictor | None":
        """Return one that reads windows every `step_bp` bases as a stretch of DNA, if the network can.

        It says of each window what this one says; see `strandwise.models.stretches`.
        """
        fast = stretched(self.network, step_bp, self.merge if self.conjoin else None)
        return None if fast is None else replace(self, network=fast, conjoin=False)

    def signal(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[np.ndarray]:
        """Yield what is expected along windows, ``(batch, tracks, positions)``.

        Of bins, their coverage or probability; of profiles the predicted total, spread by the predicted shape.

        Raises:
            InputError: a network that says one number of a window.
        """
        if self.profile is None and self.bins is None:
            raise InputError("the model says one number of a window, so it predicts no signal along it.")
        yield from self.expected(batches)


def gathered(windows: LabelledWindows, batch_size: int = 512) -> Iterator[dict[str, Tensor]]:
    """Yield what a model reads of windows, batch by batch."""
    n = len(windows)
    for start in range(0, n, batch_size):
        yield read_inputs(windows, np.arange(start, min(start + batch_size, n)))


def predict_frames(predictor: Predictor, windows: LabelledWindows, batch_size: int = 512) -> Iterator[pd.DataFrame]:
    """Yield tables of predictions, a row a window: its coordinates, and `pred/TRACK` for each track."""
    row = 0
    for values in predictor.predict(gathered(windows, batch_size)):
        places = windows.frame.iloc[row : row + len(values)][["chrom", "start", "end", "name"]]
        row += len(values)
        yield places.reset_index(drop=True).join(prediction_columns(predictor.head, values))


def signal_frames(
    predictor: Predictor, windows: LabelledWindows, bin_bp: int = 1, batch_size: int = 512
) -> Iterator[pd.DataFrame]:
    """Yield tables of what is expected along windows, a row a bin: its coordinates, and `pred/TRACK`.

    Bins that lie past the start of a chromosome are left out; those past its end are for the writer to cut.
    """
    row = 0
    for values in predictor.signal(gathered(windows, batch_size)):
        n, tracks, positions = values.shape
        places = windows.frame.iloc[row : row + n]
        row += n
        first = places["start"].to_numpy() + (windows.input_bp - positions * bin_bp) // 2
        start = (first[:, None] + bin_bp * np.arange(positions)).reshape(-1)
        table = pd.DataFrame(
            {
                "chrom": np.repeat(places["chrom"].to_numpy(), positions),
                "start": start,
                "end": start + bin_bp,
                "name": np.repeat(places["name"].to_numpy(), positions),
            }
        )
        columns = values.transpose(0, 2, 1).reshape(n * positions, tracks)
        yield table.join(prediction_columns(predictor.head, columns))[start >= 0].reset_index(drop=True)


def prediction_columns(head: Head, values: np.ndarray, prefix: str = "pred") -> pd.DataFrame:
    """Return a table with a column `PREFIX/TRACK` for each track of ``(rows, tracks)``."""
    return pd.DataFrame(values, columns=[f"{prefix}/{track}" for track in head.tracks])


def write_predictions(
    frames: Iterable[pd.DataFrame], out: Path, sizes: Mapping[str, int] | None = None, *, missing: bool = False
) -> list[Path]:
    """Write tables of predictions as they come, in the format of the ending of `out`.

    ``.parquet`` and ``.bed``/``.bed.gz`` hold all tracks; ``.bw`` makes one file a track, with the name of
    the track before the ending where there are several. Nothing appears under `out` until all is written.

    Args:
        frames: as `predict_frames` and `chromosome_frames` yield them.
        out: where to write.
        sizes: lengths of the chromosomes, for bigWig.
        missing: leave out of a bigWig what is NaN, where that means not known and not a model that has diverged.

    Returns:
        The files written.

    Raises:
        InputError: an ending that is not known, no rows, or bigWig of windows that overlap or have no place.
        OutputError: the place cannot be written.
    """
    check_ending(out)
    frames = _some(frames, out)
    if out.name.endswith(BIGWIG):
        return _write_bigwigs(frames, out, sizes, missing)
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
            text = frame.to_csv(
                sep="\t", header=False, index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"
            )
            stream.write((header + text).encode())


def _as_bed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return predictions as BED: starts from 0, and a score of 0 to 1000 by the highest prediction, then each track."""
    predictions = frame[[name for name in frame.columns if str(name).startswith("pred/")]]
    score = (1000 * predictions.max(axis=1).fillna(0)).clip(0, 1000).round().astype(int)
    places = frame[["chrom", "start", "end", "name"]].assign(start=frame["start"].clip(lower=0))
    return places.assign(score=score, strand=".").join(predictions)


def _write_bigwigs(
    frames: Iterable[pd.DataFrame], out: Path, sizes: Mapping[str, int] | None, missing: bool
) -> list[Path]:
    if sizes is None:
        raise InputError(f"{out}: sequences have no place on a chromosome: use .parquet or .bed instead of bigWig.")
    # Batch by batch first, so that most overlaps are found before everything is predicted.
    parts = [_sorted_apart(frame.drop(columns="name"), out) for frame in frames]
    whole = _sorted_apart(pd.concat(parts, ignore_index=True), out)
    columns = [name for name in whole.columns if str(name).startswith("pred/")]
    names = bigwig_paths(out, [str(name).removeprefix("pred/") for name in columns])
    used = {name: size for name, size in sizes.items() if name in set(whole["chrom"])}
    whole = whole[whole["start"] < whole["chrom"].map(sizes)]
    start = whole["start"].clip(lower=0)
    end = np.minimum(whole["end"], whole["chrom"].map(sizes))
    with ExitStack() as together:
        for column, path in zip(columns, names, strict=True):
            temporary = together.enter_context(atomic_path(path))
            known = whole[column].notna() | (not missing)
            parts = (whole["chrom"], start, end, whole[column].astype(float))
            values = zip(*(part[known] for part in parts), strict=True)
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
