"""Results on disk, and what people and programs read of them."""

from msgport.report.data import VariantResult, exit_status, run_data
from msgport.report.ktap import ktap
from msgport.report.results import ResultsError, ResultsFolder
from msgport.report.text import print_report

__all__ = ["ResultsError", "ResultsFolder", "VariantResult", "exit_status", "ktap", "print_report", "run_data"]
