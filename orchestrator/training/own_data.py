"""The data of a study whose `data` runs in each worker: made once, or for each trial of its configuration."""

import traceback
from typing import Any

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError
from orchestrator.study import Study
from orchestrator.training.failures import BadStudy
from orchestrator.training.session import begin_trial

SEED = 0
"""Workers and trials draw alike while they make data, so that all are trained and validated on the same rows."""


def make_data(study: Study, configuration: Configuration) -> Any:
    """What `data` returns, checked if `fit` is to read it.

    Raises:
        UserError: It does not fit; or whatever `data` raises.
    """
    assert study.data is not None
    begin_trial(SEED)
    made = study.data(dict(configuration)) if study.data_takes_configuration else study.data()
    if study.train is not None:
        return made
    from orchestrator.training.pipelines import check_made  # And with it TensorFlow.

    return check_made(made)


class OwnData:
    """A worker's."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._kept: Any = None
        self._mistake: BadStudy | None = None
        if not study.data_takes_configuration:
            self._keep()

    def of(self, configuration: Configuration) -> Any:
        """For one trial.

        Raises:
            BadStudy: It does not fit, or `data()` raised; or whatever `data(configuration)` raises.
        """
        if self._mistake is not None:
            raise self._mistake
        return self._made(configuration) if self._study.data_takes_configuration else self._kept

    def _keep(self) -> None:
        """A mistake is told of by the first trial, before which nobody listens."""
        try:
            self._kept = self._made({})
        except BadStudy as mistake:
            self._mistake = mistake
        except (Exception, SystemExit) as error:
            traceback.print_exc()  # Into the worker's log.
            what = f"data() raised {type(error).__name__}: {error}".replace("\n", " ")
            self._mistake = BadStudy(what, self._study.data)

    def _made(self, configuration: Configuration) -> Any:
        try:
            return make_data(self._study, configuration)
        except UserError as error:
            raise BadStudy(str(error), self._study.data) from error
