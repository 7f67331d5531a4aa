"""One JSON object a line, for programs. NaN is null; infinity is the text "inf"."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.display.base import Display
from orchestrator.display.summary import Epochs, best_model
from orchestrator.leaderboard import cells, leaderboard
from orchestrator.scheduler.instructions import Adapt, Record
from orchestrator.scheduler.spending import spending
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.tables import plain

SECONDS = 1.0


class EventsDisplay(Display):
    def _say(self, line: str) -> None:
        self._emit("said", text=line)

    def _opened(self) -> None:
        about = self.about
        self._next = 0.0
        self._ended: set[int] = set()
        self._emit(
            "opened",
            study=about.study,
            run_dir=str(about.run_dir),
            objective=about.objective.name,
            direction=about.objective.direction,
            space=about.space.table(),
            warnings=about.warnings,
            search_size=about.search_size,
            settings=asdict(about.settings),
            workers=about.workers,
            worker_cpus=about.worker_cpus,
            worker_gpus=about.worker_gpus,
            cluster=asdict(about.cluster),
            versions=about.versions,
        )

    def _watched(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Adapt):
                self._emit(
                    "adapted", at=self.state.now, part=record.part, settings=record.settings, reason=record.reason
                )
            self._tell_ended(record)
        if self.clock() >= self._next:
            self._next = self.clock() + SECONDS
            self._emit("progress", **self._progress())

    def _finished(self) -> None:
        assert self.state.finished is not None
        frame = leaderboard(self.state, self.about.space)
        rows = {name: column[0] for name, column in cells(frame.head(1)).items()} if self.state.best else None
        epochs = Epochs.of(self.state, self.about.settings.epochs)
        model = best_model(self.about.run_dir)
        self._emit(
            "finished",
            outcome=self.state.finished.outcome,
            reason=self.state.finished.reason,
            **self._progress(),
            epochs_without_stopping=epochs.unstopped,
            best_row=rows,
            best_model=None if model is None else str(model),
            run_dir=str(self.about.run_dir),
        )

    def _tell_ended(self, record: Record) -> None:
        number = getattr(record, "trial", None)
        if number is None or number in self._ended:
            return
        trial = self.state.trials[number]
        if trial.status.ended:
            self._ended.add(number)
            self._emit("trial_ended", at=self.state.now, **self._trial(trial), reason=trial.reason)

    def _trial(self, trial: Trial) -> dict[str, Any]:
        best = trial.best if trial.score is not None else None
        return {
            "trial": trial.number,
            "status": str(trial.status),
            "score": best and best.metrics[self.state.objective.name],
            "epoch": best and best.epoch,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
        }

    def _progress(self) -> dict[str, Any]:
        state = self.state
        return {
            "at": self.progress.now,
            "trials": {str(status): state.count(status) for status in Status},
            "epochs_trained": state.epochs_trained,
            "busy_share": self.progress.busy_share,
            "worker_seconds": self._worker_seconds(),
            "seconds_left": self.progress.seconds_left,
            "best": None if state.best is None else self._trial(state.best),
        }

    def _worker_seconds(self) -> dict[str, Any] | None:
        """Of all workers; "start" until they were ready, "over" when nothing was left to do."""
        spent = spending(self.state)
        if spent is None:
            return None
        start = sum(spent.starting.values())
        return {"start": start, **spent.at_trials, "wait": spent.waiting, "over": spent.over}

    def _emit(self, event: str, **content: Any) -> None:
        self._write([json.dumps(plain({"event": event, **content}), allow_nan=False)])
