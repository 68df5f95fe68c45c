"""What a simulated genome holds: its size, its factors, and the pair of factors that help each other."""

from typing import Self

from pydantic import Field, model_validator

from strandwise.schema import Settings

SLOT_BP = 750
"""Each regulatory element has a stretch of this length for itself."""
OPEN_HALF_BP = 150
"""An open region reaches this far on both sides of the centre of its element."""
HALF_BP = 85
"""The sites of an element lie within this distance of its centre..."""
GAP_BP = 5
"""...and at least this far from it, so that two loci on its two sides never touch."""
LOCUS_BP = HALF_BP - GAP_BP
"""The room of a locus: one site, or a pair of sites."""


class FactorSettings(Settings):
    """One factor: its matrix, how often it stands alone, and how readily it binds."""

    accession: str
    sites_per_mb: float = Field(ge=0, description="sites planted without a partner")
    bias: float = Field(default=2.0, description="log-odds of binding an average site in open DNA")


class PairSettings(Settings):
    """Two factors whose sites stand at a fixed distance, where the second binds well only by help."""

    anchor: str = Field(default="MA0058.4", description="accession of the factor that needs no help")
    helped: str = Field(default="MA0482.3", description="accession of the factor that the anchor helps")
    spacing: int = Field(default=8, ge=0, description="bases between the sites; the anchor lies 5' of the helped")
    pairs_per_mb: float = Field(default=425, ge=0)
    misspaced_per_mb: float = Field(default=75, ge=0, description="pairs at other distances, where nothing helps")
    cooperativity: float = Field(default=5.0, description="added to the helped factor's log-odds of binding")


class SimulationSettings(Settings):
    """A simulated genome; numbers per Mb, so that a genome of any size looks alike."""

    total_bp: int = Field(default=2_000_000, ge=100_000)
    chromosomes: int = Field(default=8, ge=1, le=24)
    gc: float = Field(default=0.42, gt=0.1, lt=0.9)
    cpg: float = Field(default=0.3, gt=0, le=1, description="how often CG stands, against chance")
    n_runs: int = Field(default=6, ge=0, description="runs of N")
    factors: tuple[FactorSettings, ...] = (
        FactorSettings(accession="MA0139.2", sites_per_mb=500),
        FactorSettings(accession="MA0138.3", sites_per_mb=500),
        FactorSettings(accession="MA0058.4", sites_per_mb=125),
        FactorSettings(accession="MA0482.3", sites_per_mb=200, bias=-2.0),
    )
    pair: PairSettings | None = PairSettings()
    loci_per_element: float = Field(default=1.7, ge=1, le=2)
    degeneracy: float = Field(
        default=0.1, ge=0, le=1, description="chance that a base of a site is one of the background"
    )
    empty_per_mb: float = Field(default=50, ge=0, description="open regions without a site")
    strength_slope: float = Field(default=1.0, ge=0, description="log-odds of binding per standard deviation of score")
    open_alpha: float = Field(default=0.75, ge=0, le=1, description="part of the elements open in alpha")
    open_beta: float = Field(default=0.5, ge=0, le=1, description="part open in beta, whatever they are in alpha")
    variants_per_factor: int = Field(default=100, ge=0)

    @model_validator(mode="after")
    def _pair_is_known(self) -> Self:
        known = [factor.accession for factor in self.factors]
        if not known:
            raise ValueError("factors is empty: name at least one factor by its JASPAR accession.")
        if len(set(known)) < len(known):
            raise ValueError(f"factors names an accession twice ({', '.join(known)}): name each once.")
        if self.pair is not None:
            absent = {self.pair.anchor, self.pair.helped} - set(known)
            if absent:
                raise ValueError(
                    f"pair names {', '.join(sorted(absent))}, which is not among the factors "
                    f"({', '.join(known)}): add it there, or set pair to None."
                )
            if self.pair.anchor == self.pair.helped:
                raise ValueError(f"pair names {self.pair.anchor} twice: a factor does not help itself.")
        return self

    def count(self, per_mb: float) -> int:
        """Return how many of a thing this genome holds, from how many there are per Mb."""
        return round(per_mb * self.total_bp / 1e6)
