"""Plain sets of sequences with labels: FASTA of positives and negatives, FASTA and a table, or a .mat file."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, model_validator

from strandwise.data.mat_file import read_mat
from strandwise.data.reading import SequenceReader, stack_readers
from strandwise.data.splits import SplitSettings, assign_split, held_out_regions
from strandwise.data.windows import LabelledWindows
from strandwise.errors import ConfigError, InputError, did_you_mean, listing
from strandwise.files import existing_file
from strandwise.genome import FastaRecord, read_fasta
from strandwise.schema import Settings
from strandwise.sequence import dinucleotide_shuffle, encode, shuffle

_NO_END = 2**62
_COORDINATES = re.compile(r"^(?P<chrom>[^:\s]+):(?P<start>\d+)-(?P<end>\d+)(\([+-]\))?$")


class SequenceSettings(Settings):
    """One `[[sequences]]` table of a config: positives against negatives, or sequences with labels of many tracks.

    The .mat files are those of DeepSEA, as Gupta & Rush 2017 read them too; each is a split of its own.
    """

    name: str = Field(default="positive", min_length=1, description="name of the track, for positives and negatives")
    positives: Path | None = Field(default=None, description="FASTA of bound sequences")
    negatives: Path | None = Field(default=None, description="FASTA of unbound sequences")
    shuffled: Literal["mononucleotide", "dinucleotide"] | None = Field(
        default=None, description="make negatives by shuffling the positives, keeping these counts"
    )
    per_positive: PositiveInt = Field(default=1, description="shuffled negatives for each positive")
    fasta: Path | None = Field(default=None, description="FASTA of sequences whose labels stand in a table")
    labels: Path | None = Field(default=None, description="tab-separated table: name, then one 0/1 column a track")
    mat: Path | None = Field(default=None, description=".mat file of DeepSEA: sequences with labels; give its split")
    track_names: Path | None = Field(
        default=None, description="text file with the name of each track of mat on a line; track1, ... if not given"
    )
    split: Literal["train", "valid", "test"] | None = Field(
        default=None, description="put the whole table into this split; by [split] if not given"
    )

    @model_validator(mode="after")
    def _whole(self) -> "SequenceSettings":
        table = self.fasta is not None or self.labels is not None
        if self.track_names is not None and self.mat is None:
            raise ValueError("track_names are those of a .mat file: give mat, or remove them")
        if self.mat is not None:
            if table or self.positives or self.negatives or self.shuffled:
                raise ValueError("a .mat file holds sequences and labels: give no other file beside it")
            if self.split is None:
                raise ValueError("mat: say which split it is, as in split = 'train'")
            return self
        if table and (self.positives or self.negatives or self.shuffled):
            raise ValueError("give positives and negatives, or fasta and labels, not both")
        if table and not (self.fasta and self.labels):
            raise ValueError("fasta and labels belong together: give both")
        if not table and self.positives is None:
            raise ValueError("give positives (with negatives or shuffled), fasta and labels, or mat")
        if not table and (self.negatives is None) == (self.shuffled is None):
            raise ValueError("give negatives = FILE or shuffled = 'dinucleotide', one of them")
        return self

    def files(self) -> list[Path]:
        """Return the files this table names."""
        given = (self.positives, self.negatives, self.fasta, self.labels, self.mat, self.track_names)
        return [path for path in given if path is not None]


class _Set(NamedTuple):
    """Sequences of one `[[sequences]]` table with their labels ``(sequences, tracks)``, before they are joined."""

    names: list[str]
    codes: np.ndarray
    tracks: Sequence[str]
    labels: np.ndarray
    origin: list[str]


def read_sequence_sets(
    tables: Sequence[SequenceSettings], input_bp: int, split: SplitSettings, *, jitter_bp: int = 0, seed: int = 0
) -> LabelledWindows:
    """Read sets of sequences into windows: the middle `input_bp` of each sequence.

    A track that a table says nothing about has weight 0 for its sequences. A sequence goes to the split its
    table names; else, where `[split]` names chromosomes, to that of the coordinates in its header
    (``>chr1:100-300``); else by chance, with the fractions of `[split]`, all sequences of one name together.
    Sequences with coordinates on a chromosome of `split.exclude` are left out. With jitter, each sequence must be
    longer than a window by `jitter_bp` on both sides.

    Raises:
        InputError: sequences shorter than a window, letters that are not DNA, a table of labels that does not
            match its FASTA, or a held-out chromosome without a sequence.
        ConfigError: no way to tell the split of a sequence.
    """
    rng = np.random.default_rng(seed)
    sets = [_read(table, input_bp + 2 * jitter_bp, split, rng) for table in tables]
    tracks = tuple(dict.fromkeys(track for part in sets for track in part.tracks))
    frame = _assigned(pd.concat([_frame(*pair, input_bp) for pair in zip(tables, sets, strict=True)]), split, rng)
    # Joined by a reader, for they are too many to hold twice.
    reader = stack_readers([SequenceReader(part.codes, input_bp) for part in sets], [len(part.names) for part in sets])
    labels, weights = _joined(sets, tracks)
    excluded = (frame["placed"] & frame["chrom"].isin(list(split.exclude))).to_numpy()
    across = (frame["split"] == "").to_numpy() & ~excluded
    reasons = {"on an excluded chromosome": excluded, "across the border of a split": across}
    dropped = Counter({reason: int(where.sum()) for reason, where in reasons.items() if where.any()})
    frame = frame.drop(columns="placed")
    windows = LabelledWindows(frame, labels, weights, tracks, reader, input_bp, dropped)
    return windows.take(np.flatnonzero(~excluded & ~across))


def _joined(sets: list[_Set], tracks: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of all sets and their weights, ``(sequences, tracks)``; the sets are used up."""
    total = sum(len(part.names) for part in sets)
    if all(tuple(part.tracks) == tuple(tracks) for part in sets):
        # All are known, which takes no memory to say.
        weights = np.broadcast_to(np.True_, (total, len(tracks)))
    else:
        columns = [np.isin(tracks, part.tracks) for part in sets]
        weights = np.repeat(np.stack(columns), [len(part.names) for part in sets], axis=0)
    if len(sets) == 1:
        return sets[0].labels, weights
    labels = np.zeros((total, len(tracks)), dtype=bool)
    row, places = 0, {track: column for column, track in enumerate(tracks)}
    while sets:
        # Taken off the list, so that labels of millions of sequences are not there twice for long.
        part = sets.pop(0)
        here = labels[row : row + len(part.names)]
        here[:, [places[track] for track in part.tracks]] = part.labels
        row += len(part.names)
    return labels, weights


def read_records(path: Path, width: int) -> tuple[list[FastaRecord], np.ndarray]:
    """Return the records of a FASTA and the codes ``(records, width)`` of the middle of each.

    Raises:
        InputError: a sequence shorter than a window, or letters that are not DNA.
    """
    records = list(read_fasta(existing_file(path, "a FASTA of sequences")))
    short = [record for record in records if len(record.letters) < width]
    if short:
        raise InputError(
            f"{path}: {len(short)} of {len(records)} sequences are shorter than the {width} bp that are read "
            f"of each, the first is '{short[0].name}' ({len(short[0].letters)} bp): lower windows.input_bp or "
            "windows.jitter_bp, lengthen them with their flanks, or remove them."
        )
    middles = []
    for record in records:
        start = (len(record.letters) - width) // 2
        what = f"{path}: sequence '{record.name}'"
        middles.append(encode(record.letters[start : start + width], what=what))
    return records, np.stack(middles)


def _read(table: SequenceSettings, width: int, split: SplitSettings, rng: np.random.Generator) -> _Set:
    if table.mat is not None:
        found = read_mat(table.mat, width)
        tracks = _track_names(table, found.labels.shape[1])
        names = [f"{table.mat.stem}:{number}" for number in range(1, len(found.codes) + 1)]
        return _Set(names, found.codes, tracks, found.labels, ["labelled"] * len(names))
    if table.fasta is not None and table.labels is not None:
        records, codes = read_records(table.fasta, width)
        names = [record.name for record in records]
        tracks, labels = _read_labels(table.labels, names, table.fasta)
        return _Set(names, codes, tracks, labels, ["labelled"] * len(records))
    if table.positives is None:
        raise ConfigError("sequences: give positives, or fasta and labels.")
    records, positives = read_records(table.positives, width)
    names = [record.name for record in records]
    if table.negatives is not None:
        others, negatives = read_records(table.negatives, width)
        names += [record.name for record in others]
        origin = "negative"
    else:
        how = dinucleotide_shuffle if table.shuffled == "dinucleotide" else shuffle
        # A shuffle takes long, and those of sequences on excluded chromosomes are dropped with them.
        left_out = _excluded(names, split)
        shuffled = [
            np.tile(codes, (table.per_positive, 1)) if out else how(codes, table.per_positive, rng)
            for codes, out in zip(positives, left_out, strict=True)
        ]
        negatives = np.concatenate(shuffled)
        names += [name for name in names for _ in range(table.per_positive)]
        origin = "shuffled"
    label = np.repeat([True, False], [len(positives), len(negatives)])[:, None]
    origins = ["positive"] * len(positives) + [origin] * len(negatives)
    return _Set(names, np.concatenate([positives, negatives]), [table.name], label, origins)


def _track_names(table: SequenceSettings, tracks: int) -> list[str]:
    """Return the names of the tracks of a .mat file, which holds none itself."""
    if table.track_names is None:
        return [f"track{number}" for number in range(1, tracks + 1)]
    path = existing_file(table.track_names, "names of tracks")
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error}).") from None
    if len(names) != tracks or "" in names or len(set(names)) != tracks:
        raise InputError(
            f"{path}: {len(names)} lines for the {tracks} tracks of {table.mat}: give each track a line with a name "
            "of its own."
        )
    return names


def _read_labels(path: Path, names: Sequence[str], fasta: Path) -> tuple[list[str], np.ndarray]:
    existing_file(path, "a table of labels")
    try:
        # As text, since a sequence may be named NA.
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a tab-separated table ({error}).") from None
    if "name" not in table.columns or len(table.columns) < 2:
        raise InputError(
            f"{path}: a table of labels needs a column 'name' and a column for each track; "
            f"found {listing(table.columns)}{did_you_mean('name', map(str, table.columns))}."
        )
    table = table.set_index("name")
    if table.index.has_duplicates:
        raise InputError(f"{path}: '{table.index[table.index.duplicated()][0]}' is named twice: keep one row each.")
    missing = [name for name in names if name not in table.index]
    if missing:
        raise InputError(f"{path}: no labels for {len(missing)} sequences of {fasta}: {listing(missing)}.")
    table = table.loc[list(names)]
    return [*map(str, table.columns)], np.stack([_ones(table[track], path) for track in table.columns], axis=1)


def _ones(column: pd.Series, path: Path) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce")
    wrong = column[~values.isin([0, 1])]
    if len(wrong):
        raise InputError(
            f"{path}: column '{column.name}' holds {wrong.iloc[0]!r} for '{wrong.index[0]}': labels are 0 or 1."
        )
    return values.to_numpy() == 1


def _coordinates(names: Sequence[str], input_bp: int) -> pd.DataFrame | None:
    """Return where the middle `input_bp` of each sequence lie, if every name tells."""
    found = [_COORDINATES.match(name) for name in names]
    if not all(found):
        return None
    rows = [(hit["chrom"], int(hit["start"]), int(hit["end"])) for hit in found if hit]
    places = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    # Holds for BED-like headers and for those of samtools faidx, which count from 1 and include the end.
    start = places["start"] + (places["end"] - places["start"] - input_bp) // 2
    return places.assign(start=start, end=start + input_bp)


def _excluded(names: Sequence[str], split: SplitSettings) -> list[bool]:
    places = _coordinates(names, 0)
    return [False] * len(names) if places is None else places["chrom"].isin(list(split.exclude)).tolist()


def _frame(table: SequenceSettings, part: _Set, input_bp: int) -> pd.DataFrame:
    where = _coordinates(part.names, input_bp)
    if where is None:
        places = pd.DataFrame({"chrom": part.names, "start": 0, "end": input_bp, "placed": False})
    else:
        places = where.assign(placed=True)
    return places.assign(name=part.names, origin=part.origin, split=table.split or "")


def _assigned(frame: pd.DataFrame, split: SplitSettings, rng: np.random.Generator) -> pd.DataFrame:
    """Return the sequences with the split of those whose table names none; "" across a border."""
    frame = frame.reset_index(drop=True)
    free = (frame["split"] == "").to_numpy()
    if not free.any():
        return frame
    rows, roles = frame[free], frame["split"].to_numpy(dtype=object, copy=True)
    roles[free] = _by_place(rows, split) if split.valid or split.test else _by_chance(rows, split, rng)
    return frame.assign(split=roles)


def _by_place(rows: pd.DataFrame, split: SplitSettings) -> np.ndarray:
    if not rows["placed"].all():
        raise ConfigError(
            "split.valid and split.test name chromosomes, and some sequences have no coordinates in their "
            "headers (as in '>chr1:100-300'): use split.valid_fraction and split.test_fraction, or give "
            "the table its own split."
        )
    # The lengths of the chromosomes are not known here, and need not be.
    sizes = dict.fromkeys(map(str, rows["chrom"].unique()), _NO_END)
    for region in (*split.valid, *split.test):
        if region not in sizes and region.rpartition(":")[0] not in sizes:
            chrom = region.rpartition(":")[0] or region
            raise InputError(
                f"split: no sequence lies on '{chrom}'{did_you_mean(chrom, sizes)}: hold out some of {listing(sizes)}."
            )
    chrom, start, end = (rows[column].to_numpy() for column in ("chrom", "start", "end"))
    return assign_split(chrom, start, end, held_out_regions(split, sizes))


def _by_chance(rows: pd.DataFrame, split: SplitSettings, rng: np.random.Generator) -> np.ndarray:
    # A shuffled negative keeps its positive's name, and so its split.
    names, inverse = np.unique(rows["name"].to_numpy(dtype=str), return_inverse=True)
    draw = rng.random(len(names))[inverse]
    held = split.test_fraction + split.valid_fraction
    return np.select([draw < split.test_fraction, draw < held], ["test", "valid"], "train").astype(object)
