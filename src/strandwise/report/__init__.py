"""Pages that show what a model learned and how far to trust it, from plain results."""

from strandwise.report.comparison import write_comparison
from strandwise.report.page import write_page
from strandwise.report.rendering import check_installed
from strandwise.report.results import RunResults
from strandwise.report.strand_page import StrandResults, write_strand_page

__all__ = ["RunResults", "StrandResults", "check_installed", "write_comparison", "write_page", "write_strand_page"]
