"""Pages that show what a model learned and how far to trust it, from plain results."""

from strandwise.report.comparison import write_comparison
from strandwise.report.page import write_page
from strandwise.report.results import RunResults

__all__ = ["RunResults", "write_comparison", "write_page"]
