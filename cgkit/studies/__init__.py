"""Studies: variants of a spec, trained with several seeds and on several data sets, and compared by their scores."""

from cgkit.studies.results import Results, collect
from cgkit.studies.running import run_study
from cgkit.studies.study import Study, read_study

__all__ = ["Results", "Study", "collect", "read_study", "run_study"]
