"""Chromosome names that differ from file to file ('1' and 'chr1', 'MT' and 'chrM'), and how they match."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from strandwise.errors import InputError, did_you_mean, listing

_MITOCHONDRION = {"m", "mt", "mito", "mitochondrion"}


def _bare(name: str) -> str:
    return name.removeprefix("chr")


def _bare_mitochondrion(name: str) -> str:
    return "M" if _bare(name).lower() in _MITOCHONDRION else _bare(name)


def _any_case(name: str) -> str:
    bare = name.lower().removeprefix("chr")
    return "m" if bare in _MITOCHONDRION else bare


# From the safest reading to the boldest; the first that finds anything decides.
_READINGS: tuple[Callable[[str], str], ...] = (str, _bare, _bare_mitochondrion, _any_case)


def candidates(name: str, available: Iterable[str]) -> list[str]:
    """Return the names that `name` may stand for: one when it is clear, several when it is not.

    >>> candidates("MT", ["chrI", "chrM"])
    ['chrM']
    """
    known = list(dict.fromkeys(available))
    for reading in _READINGS:
        found = [other for other in known if reading(other) == reading(name)]
        if found:
            return found
    return []


def name_hint(name: str, available: Iterable[str]) -> str:
    """Return `` (did you mean 'chr1'?)`` for the name that `name` most likely stands for, or nothing.

    >>> name_hint("1", ["chr1", "chr2"])
    " (did you mean 'chr1'?)"
    """
    known = list(available)
    found = candidates(name, known)
    if len(found) > 1:
        return f" (it could be {' or '.join(repr(other) for other in found)})"
    found = found or _other_numerals(name, known)
    return f" (did you mean '{found[0]}'?)" if found else did_you_mean(name, known, _any_case)


def _other_numerals(name: str, known: Sequence[str]) -> list[str]:
    """Return the name with the same number in a genome that counts in Roman numerals, as those of yeast and worm do."""
    bare = _bare(name)
    # An X alone is no ten.
    if not bare.isdecimal() or not {"ii", "iii", "iv"}.intersection(map(_any_case, known)):
        return []
    tens, ones = divmod(int(bare), 10)
    roman = "x" * tens + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]
    return [other for other in known if _any_case(other) == roman]


def unknown_chromosome(name: str, path: object, available: Iterable[str]) -> InputError:
    """Return the error of a chromosome that a file does not have: what it may be there, and which there are."""
    known = list(available)
    return InputError(f"chromosome '{name}' is not in {path}{name_hint(name, known)}. {_there(known)}")


def _there(known: Sequence[str]) -> str:
    return f"There: {listing(known)}." if known else "No chromosome is there."


@dataclass(frozen=True)
class NameMatch:
    """How the chromosome names of one file are found in another.

    Attributes:
        mapping: each name that was found, and what the other file calls it.
        missing: names that were not found, or that could be more than one.
        available: the names of the other file.
        what: the file that holds the names, for messages.
        where: the file they are looked for in.
    """

    mapping: dict[str, str]
    missing: tuple[str, ...]
    available: tuple[str, ...]
    what: str
    where: str

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The part of the mapping where the two files use different names."""
        return {name: other for name, other in self.mapping.items() if name != other}

    def notes(self) -> list[str]:
        """Return the lines a user should read: names read under others, and names not found."""
        lines = []
        if self.renamed:
            pairs = [f"{name!r} as {other!r}" for name, other in self.renamed.items()]
            shown = ", ".join(pairs[:1] if len(pairs) > 2 else pairs) + (", ..." if len(pairs) > 2 else "")
            lines.append(f"{self.what}: {_count(len(pairs))} read under other names in {self.where} ({shown})")
        if self.missing:
            lines.append(f"{self.what}: {_count(len(self.missing))} not in {self.where}: {listing(self.missing)}")
        return lines

    def require(self) -> "NameMatch":
        """Return this match if every name was found.

        Raises:
            InputError: naming the files, the missing names and the nearest name there is.
        """
        if not self.missing:
            return self
        first = self.missing[0]
        taken = {other for other in self.mapping.values() if other in candidates(first, self.available)}
        if taken:
            hint = f" ('{min(taken)}' would be read for it, but {self.what} names that one besides)"
        else:
            hint = name_hint(first, self.available)
        if len(self.missing) == 1:
            raise InputError(
                f"{self.what}: chromosome '{first}' is not in {self.where}{hint}. {_there(self.available)}"
            )
        raise InputError(
            f"{self.what}: {len(self.missing)} chromosomes are not in {self.where}: {listing(self.missing)}; "
            f"the first is '{first}'{hint}. {_there(self.available)}"
        )

    def require_one_name_each(self) -> "NameMatch":
        """Return this match if no chromosome goes by two names, of which one would be left out.

        Raises:
            InputError: naming both.
        """
        for name in self.missing:
            taken = {other for other in self.mapping.values() if other in candidates(name, self.available)}
            if taken:
                raise InputError(
                    f"{self.what}: chromosome '{min(taken)}' of {self.where} is there by two names, of which '{name}' "
                    "is one: use one name for each chromosome."
                )
        return self


def _count(n: int) -> str:
    return f"{n} chromosome name{'' if n == 1 else 's'}"


def match_names(wanted: Iterable[str], available: Iterable[str], what: str, where: str) -> NameMatch:
    """Find the chromosome names of one file in another, though the two may write them differently.

    A name is taken as it stands; else with or without ``chr``; else, for the mitochondrion, as any of
    M, MT, Mito and mitochondrion; else in any case. A name that could be two others is missing rather
    than guessed, and so are two names that would become one.

    Args:
        wanted: the names to find.
        available: the names there are.
        what: the file of the wanted names, for messages.
        where: the file of the available names, for messages.
    """
    names, known = list(dict.fromkeys(wanted)), tuple(dict.fromkeys(available))
    found = {name: candidates(name, known) for name in names}
    clear = {name: options[0] for name, options in found.items() if len(options) == 1}
    claims = Counter(clear.values())
    mapping = {name: other for name, other in clear.items() if name == other or claims[other] == 1}
    missing = tuple(name for name in names if name not in mapping)
    return NameMatch(mapping, missing, known, what, where)
