"""Every error that strandwise raises on purpose, and how its message is built.

    StrandwiseError
    ├── ConfigError      a key or a value in a config
    ├── InputError       a file or an argument somebody gave: missing, malformed, contradictory
    ├── StrandLawError   a tensor or an operation that cannot follow the reverse-complement law
    ├── RunError         a run folder: in the way, incomplete, damaged
    │   └── StoppedError     a run whose training was stopped from outside
    └── OutputError      a place that cannot be written: full, read-only, gone

A message names the thing, the value and the fix, as in
``peaks.bed: chromosome '1' is not in hg38.fa (did you mean 'chr1'?)``.
The command line prints the message alone and exits with status 2.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches


class StrandwiseError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user's eyes."""


class ConfigError(StrandwiseError):
    """A key or a value in a config is wrong."""


class InputError(StrandwiseError, ValueError):
    """A file or an argument that somebody gave is missing, malformed or contradictory."""


class StrandLawError(StrandwiseError, ValueError):
    """A tensor or an operation cannot follow the reverse-complement law."""


class RunError(StrandwiseError):
    """A run folder is in the way, incomplete or damaged."""


class StoppedError(RunError):
    """Training was stopped from outside, by Ctrl-C or by the system."""


class OutputError(StrandwiseError):
    """A result cannot be written where it was asked for."""


def did_you_mean(name: str, known: Iterable[str], spelled: Callable[[str], str] = str.lower) -> str:
    """Return `` (did you mean 'chr1'?)`` for the nearest known name, or nothing where none is near.

    Args:
        name: what was written.
        known: what there is.
        spelled: what of a name is compared.

    >>> did_you_mean("strateg", ["strategy", "groups"])
    " (did you mean 'strategy'?)"
    """
    by_spelling = {spelled(option): option for option in known}
    nearest = get_close_matches(spelled(name), by_spelling, n=1, cutoff=0.6)
    return f" (did you mean '{by_spelling[nearest[0]]}'?)" if nearest else ""


def listing(names: Iterable[object], most: int = 6) -> str:
    """Return names joined by commas, cut with a count after the first few.

    >>> listing(["chrI", "chrII", "chrIII"], most=2)
    'chrI, chrII and 1 more'
    """
    shown = [str(name) for name in names]
    text = ", ".join(shown[:most])
    return text if len(shown) <= most else f"{text} and {len(shown) - most} more"
