"""`grace`: the first epoch at which a trial is judged. A number of epochs, or `auto`.

Where to look first matters more than what is done there. On some tasks the first epoch says nothing of the end, and
who looks then loses the best configurations; on others it says nearly all, and who looks later pays for it. So with
`auto` it is measured.

- Without anything known, every new trial trains to the epoch at which epochs are compared: the highest power of eta
  that is at most a third of max epochs. There it is judged as at any rung, and it counts at every rung that it passes.
- Once PROBES (9) trials have got there, the earliest power of eta whose scores are ordered like those at the compared
  epoch (Spearman's rank correlation of at least TELLS, 0.6) becomes the first rung; if there is none, that epoch does.
- A trial that diverges, fails or ends on the way counts among the nine, but there is nothing to compare: the choice
  is made with those that are left, five of them at least.
- A new first rung binds the trials that have not yet begun; the others keep theirs.
- It is measured again each time the number of trials at the compared epoch has doubled, and changed when TELLS lies
  more than one standard error, 1/sqrt(n - 1), on the other side. Those trials were by then chosen by their scores at
  early epochs, which lowers the correlation among them; it is corrected for the narrower range with Thorndike's case 2,
  r u / sqrt(1 + r^2 (u^2 - 1)), u being the ratio of the standard deviations of normal scores of the ranks at the
  early epoch, of all trials over those compared.
- In a run of fewer than 18 trials, or too few epochs for two powers of eta to compare, there are no probes: grace is 1.
- A score's first value stands, also when another attempt trains the epoch again; a report that jumps over an epoch
  counts there. A failed trial counts nowhere.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from math import inf, isfinite, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.adaptation import Adaptation
from orchestrator.stoppers.rungs import rungs_of

PROBES = 9
LEAST = 5
"""Of the probes, so many must be left to be compared."""
TELLS = 0.6

Floats = NDArray[np.float64]


class Grace:
    def __init__(self, grace: int | str, eta: int, max_epochs: int, trials: int | None) -> None:
        if grace != "auto" and (isinstance(grace, bool) or not isinstance(grace, int) or grace < 1):
            raise ValueError(f"grace is {grace}: use auto, or a whole number of at least 1")
        self.max_epochs = max_epochs
        self.epochs = rungs_of(1 if isinstance(grace, str) else grace, eta, max_epochs)
        """All the rungs there are; each trial is judged from its first one on."""
        early = [epoch for epoch in self.epochs if 3 * epoch <= max_epochs]
        enough = trials is None or trials >= 2 * PROBES
        self.scores: dict[int, array[float]] = {}
        """For each epoch that is compared, by trial; infinite where there is none. Empty when nothing is measured."""
        if grace == "auto" and enough and len(early) > 1:
            self.scores = {epoch: array("d") for epoch in early}
        self.compared = max(self.scores, default=0)
        self.since = [0]
        """From these trials on, `firsts` are the first rungs."""
        self.firsts = [self.compared or next(iter(self.epochs), max_epochs)]
        self.begun_trials = 0
        self.arrivals = 0
        """Trials with a score at the compared epoch."""
        self.fallen = 0
        """Trials that ended before they had one, until the first choice."""
        self.check_at = PROBES
        self.proposal: Adaptation | None = None

    # Asked.

    def first(self, trial: int) -> int:
        """The first rung of a trial, begun or not; max epochs when there is none."""
        return self.firsts[bisect_right(self.since, trial) - 1]

    def is_probe(self, trial: int) -> bool:
        """Whether it began, or would begin, before the first choice."""
        return self.compared > 0 and (not self._chosen or trial < self.since[1])

    def next_rung(self, trial: int, epoch: int) -> int:
        """The next epoch, after `epoch`, at which a trial is judged; max epochs when there is none."""
        first = self.first(trial)
        return next((rung for rung in self.epochs if rung > epoch and rung >= first), self.max_epochs)

    def adaptation(self) -> Adaptation | None:
        return self.proposal

    # Told.

    def begun(self, trial: int) -> None:
        self.begun_trials = max(self.begun_trials, trial + 1)

    def reported(self, trial: int, epoch: int, score: float) -> None:
        if not self.scores or not isfinite(score):
            return
        arrived = False
        for early, scores in self.scores.items():
            if early > epoch:
                return
            if trial >= len(scores):
                scores.extend([inf] * (trial + 1 - len(scores)))
            arrived = scores[trial] == inf
            if arrived:
                scores[trial] = score
        if arrived:
            self.arrivals += 1
            self._check()

    def ended(self, trial: int) -> None:
        """The trial diverged, was stopped or reached its end."""
        if self.scores and not self._chosen and not self._arrived(trial):
            self.fallen += 1
            self._check()

    def withdrawn(self, trial: int) -> None:
        if self.scores:
            self.arrivals -= self._arrived(trial)
            for scores in self.scores.values():
                if trial < len(scores):
                    scores[trial] = inf
            self.ended(trial)

    def closed(self) -> None:
        """Nothing is left that a change could bind."""
        self.scores.clear()
        self.proposal = None

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.since.append(self.begun_trials)
        self.firsts.append(settings["grace"])
        self.proposal = None

    # Measuring.

    @property
    def _chosen(self) -> bool:
        return len(self.firsts) > 1

    def _arrived(self, trial: int) -> bool:
        scores = self.scores[self.compared]
        return trial < len(scores) and scores[trial] != inf

    def _check(self) -> None:
        count = self.arrivals + (0 if self._chosen else self.fallen)
        if count < self.check_at or self.arrivals < LEAST:
            return
        self.check_at = 2 * max(PROBES, self.arrivals)
        agreement = {epoch: self._agreement(epoch) for epoch in self.scores if epoch != self.compared}
        grace = self._changed(agreement) if self._chosen else self._earliest(agreement, TELLS)
        if not self._chosen or grace != self.firsts[-1]:
            self.proposal = Adaptation({"grace": grace}, self._reason(grace, agreement))

    def _earliest(self, agreement: Mapping[int, float], least: float) -> int:
        return next((epoch for epoch, rho in agreement.items() if rho >= least), self.compared)

    def _changed(self, agreement: Mapping[int, float]) -> int:
        """The first rung from now on, given the present one: a change must be worth more than its noise."""
        present = self.firsts[-1]
        error = 1 / sqrt(self.arrivals - 1)
        earlier = self._earliest(agreement, TELLS + error)
        if earlier < present:
            return earlier
        if agreement.get(present, 1.0) < TELLS - error:
            return self._earliest({epoch: rho for epoch, rho in agreement.items() if epoch > present}, TELLS)
        return present

    def _agreement(self, early: int) -> float:
        """Spearman's rank correlation of the scores at two epochs, as it would be among all that reached the first."""
        first, last = np.array(self.scores[early]), np.array(self.scores[self.compared])
        ranks = ranks_of(first[np.isfinite(first)])
        both = np.isfinite(last)
        rho = spearman(first[: len(last)][both], last[both])
        if len(ranks) == self.arrivals:
            return rho
        normal = NormalDist().inv_cdf
        compared = ranks[both[np.isfinite(first[: len(last)])].nonzero()[0]]
        spread = float(np.std([normal((rank - 0.5) / len(ranks)) for rank in compared]))
        return widened(rho, 1 / spread) if 0 < spread < 1 else rho

    def _reason(self, grace: int, agreement: Mapping[int, float]) -> str:
        """Why this epoch, and why none before it."""
        words = []
        for epoch, rho in agreement.items():
            if epoch <= grace:
                tells = "predicts" if epoch == grace else "does not predict"
                words.append(f"epoch {epoch} {tells} epoch {self.compared}, Spearman {rho:.2f}")
        return f"grace {grace}: {'; '.join(words)} over {self.arrivals} trials"


def ranks_of(values: Floats) -> Floats:
    """1 for the smallest; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation of two samples [n], n of at least 1; 0 where one of them is constant."""
    x, y = ranks_of(first), ranks_of(second)
    x, y = x - x.mean(), y - y.mean()
    scale = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale else 0.0


def widened(rho: float, ratio: float) -> float:
    """A correlation in a sample chosen by its first variable, as in one where that is spread `ratio` times as wide."""
    return rho * ratio / sqrt(1 + rho**2 * (ratio**2 - 1))
