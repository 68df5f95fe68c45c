"""Cross-validation by chromosome, in folds of nearly equal size."""

from collections.abc import Mapping, Sequence

from strandwise.errors import InputError


def chromosome_folds(sizes: Mapping[str, int], folds: int) -> tuple[tuple[str, ...], ...]:
    """Return chromosomes in `folds` groups that are balanced by size.

    The largest chromosome left goes to the group that is smallest so far, which keeps the largest group within
    4/3 of the best there can be (Graham 1969). The same sizes give the same groups in any order.

    Args:
        sizes: a number for each chromosome to balance by: its bases, or its windows.
        folds: number of groups.

    Raises:
        InputError: fewer than two folds, or fewer chromosomes than folds.

    >>> chromosome_folds({"chrI": 230, "chrII": 813, "chrIII": 316, "chrIV": 1531}, 2)
    (('chrIV',), ('chrI', 'chrII', 'chrIII'))
    """
    if folds < 2:
        raise InputError(f"folds = {folds}: give at least 2.")
    if len(sizes) < folds:
        raise InputError(f"folds = {folds} of {len(sizes)} chromosomes: give at most {len(sizes)}.")
    totals = [0] * folds
    groups: list[list[str]] = [[] for _ in range(folds)]
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        # An empty group first, lest chromosomes of size 0 leave one empty.
        smallest = min(range(folds), key=lambda fold: (bool(groups[fold]), totals[fold], fold))
        groups[smallest].append(name)
        totals[smallest] += sizes[name]
    return tuple(tuple(name for name in sizes if name in group) for group in groups)


def held_out_folds(folds: Sequence[Sequence[str]], number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the chromosomes that choose a model's epoch, those of the next fold, and those that judge it.

    Args:
        folds: of `chromosome_folds`; at least three, so that something is left to train on.
        number: which fold judges, from 0.

    Raises:
        InputError: too few folds, or no such fold.
    """
    if len(folds) < 3:
        raise InputError(f"{len(folds)} folds leave no training set beside validation and test: give at least 3.")
    if not 0 <= number < len(folds):
        raise InputError(f"fold {number} of {len(folds)}: give 0 to {len(folds) - 1}.")
    return tuple(folds[(number + 1) % len(folds)]), tuple(folds[number])
