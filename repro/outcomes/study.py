"""A search's trials: settings that Optuna's TPE proposes one after another, and what each was worth, on disk for any number of workers.

studies/<name>/ beside the runs, named by what is searched without how many trials it takes, so that a larger search continues a smaller one:
    journal.log     Optuna's own journal (optuna.storages.JournalStorage); REPRO_STUDIES=URL keeps studies in that database instead
    workers/        who works on a trial now

Trial n is proposed from (seed, n) and from the trials that are finished by then, so one worker always makes the same study, however often
it is killed: a trial that its worker left is run again under its own number. Of several workers each proposal depends on who was faster. The
settings are proposed together (multivariate TPE), as Optuna does from version 5 on; AutoFT's authors had 3.3, which drew each by itself.
Bergstra et al. 2011; Optuna: Akiba et al. 2019.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from repro.errors import UserError
from repro.outcomes import claims, processes
from repro.outcomes.store import now
from repro.record import Record, digest

if TYPE_CHECKING:
    import optuna

TIE = 1e-10  # of equal trials the later is better by so little (cchoi1/auto-ft@594e6a2 autoft/src/models/autoft.py:204-206)
DATABASE = "REPRO_STUDIES"


class Interval(Record):
    """What a setting is drawn from: evenly, evenly in its logarithm, or of whole numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Trial(Record):
    """One finished trial; `score` is what was measured, None where the training diverged, `rank` what is maximised."""

    number: int
    settings: dict[str, float]
    score: float | None
    rank: float | None
    seconds: float = 0.0
    worker: str = ""


class Study:
    """One search. `space`: setting → what it is drawn from, in the order in which they are drawn."""

    def __init__(self, folder: Path, space: dict[str, Interval], seed: int):
        self.folder, self.space, self.seed = folder, space, seed
        self.worker = digest(processes.this_process())[:12]
        self.claims = claims.Claims()
        (folder / "workers").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".taking.lock")  # freed by the kernel where its holder dies
        self._storage = _storage(folder)
        self._study = _study_in(self._storage, folder.name)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Within the block this process can take trials, and shows that it lives."""
        own = self._claim(self.worker)
        own.mkdir(exist_ok=True)
        self.claims.take(own, now())
        try:
            with self.claims.beating(own):
                yield
        finally:
            self.claims.release(own)

    def take(self, most: int) -> tuple[int, dict[str, float]] | None:
        """Number and settings of a trial for this worker, one that its own worker left before a new one; None: all are done or taken."""
        with self._lock:
            known = self._study.get_trials(deepcopy=False)[:most]
            left = next((trial for trial in known if not trial.state.is_finished() and self._left(trial)), None)
            if left is not None:
                self._storage.set_trial_user_attr(left._trial_id, "worker", self.worker)
                return left.number, _ordered(left, self.space)
            return self._propose(known) if len(known) < most else None

    def tell(self, number: int, score: float | None, rank: float | None, seconds: float) -> None:
        """What a trial was worth; None where its training diverged, which counts as worse than anything."""
        from optuna.trial import TrialState

        trial = self._study.get_trials(deepcopy=False)[number]
        outcome = {"score": score, "rank": rank, "seconds": round(seconds, 3)}
        self._storage.set_trial_user_attr(trial._trial_id, "outcome", outcome)
        if rank is None:
            self._study.tell(number, state=TrialState.PRUNED)
        else:
            self._study.tell(number, -rank - number * TIE)

    def finished(self, most: int) -> list[Trial]:
        """The finished ones of the first `most` trials, in their order."""
        known = self._study.get_trials(deepcopy=False)[:most]
        return [
            Trial(
                number=trial.number, settings=_ordered(trial, self.space), worker=trial.user_attrs["worker"], **trial.user_attrs["outcome"]
            )
            for trial in known
            if trial.state.is_finished()
        ]

    def _claim(self, worker: str) -> Path:
        return self.folder / "workers" / worker

    def _left(self, trial: optuna.trial.FrozenTrial) -> bool:
        worker = trial.user_attrs["worker"]
        if worker == self.worker:
            return True
        owner = claims.end_of_chain(self._claim(worker))
        return owner is None or self.claims.gone(owner)

    def _propose(self, known: list[optuna.trial.FrozenTrial]) -> tuple[int, dict[str, float]]:
        """The next trial, from those known, as one entry: no kill leaves a part of it."""
        import optuna

        number = len(known)
        sampler = _sampler(int(digest([self.seed, number])[:8], 16))
        sketch = optuna.create_study(sampler=sampler, direction="minimize")
        sketch.add_trials(known)
        draft = sketch.ask()
        for name, interval in self.space.items():
            _draw(draft, name, interval)
        whole = sketch.trials[number]
        whole.user_attrs = {"worker": self.worker}
        made = self._storage.get_trial(self._storage.create_new_trial(self._study._study_id, template_trial=whole))
        if made.number != number:
            raise RuntimeError(f"trial {made.number} was made in place of {number}: the locks of {self.folder} do not hold")
        return number, _ordered(made, self.space)


def _ordered(trial: optuna.trial.FrozenTrial, space: dict[str, Interval]) -> dict[str, float]:
    return {name: trial.params[name] for name in space}


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    """TPE as it is by default in Optuna 5; trials that others work on now count as bad ones, so that workers do not all try the same."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # earlier versions call these options experimental
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def best(trials: list[Trial]) -> Trial:
    """The trial of the highest rank, the later of equals; RuntimeError where every one diverged."""
    ranked = [trial for trial in trials if trial.rank is not None]
    if not ranked:
        raise RuntimeError(f"all {len(trials)} trials diverged")
    return max(ranked, key=lambda trial: trial.rank + trial.number * TIE)


def importances(trials: list[Trial], space: dict[str, Interval]) -> dict[str, float]:
    """Share of each setting in the variance of the rank, the largest first (functional ANOVA, Hutter et al. 2014); diverged trials are left out.

    None where no two trials differ.
    """
    optuna = _quiet_optuna()
    ranked = [trial for trial in trials if trial.rank is not None]
    if len({trial.rank for trial in ranked}) < 2:
        return {}
    study = optuna.create_study(direction="maximize")
    drawn = {name: _distribution(interval) for name, interval in space.items()}
    for trial in ranked:
        settings = {name: int(value) if space[name].whole else value for name, value in trial.settings.items()}
        study.add_trial(optuna.trial.create_trial(params=settings, distributions=drawn, value=trial.rank))
    found = optuna.importance.get_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}


def _quiet_optuna() -> ModuleType:
    """Optuna, which would tell of every study that it makes."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distribution(interval: Interval) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    kind = IntDistribution if interval.whole else FloatDistribution
    low, high = (int(interval.low), int(interval.high)) if interval.whole else (interval.low, interval.high)
    return kind(low, high, log=interval.log)


def _draw(trial: optuna.Trial, name: str, interval: Interval) -> float:
    if interval.whole:
        return trial.suggest_int(name, int(interval.low), int(interval.high))
    return trial.suggest_float(name, interval.low, interval.high, log=interval.log)


def _study_in(storage: Any, name: str) -> optuna.Study:
    import optuna

    return optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)


def _storage(folder: Path) -> Any:
    """Where Optuna keeps the study."""
    from optuna.storages.journal import JournalFileBackend

    optuna = _quiet_optuna()
    if url := os.environ.get(DATABASE):
        try:
            return optuna.storages.RDBStorage(url)
        except Exception as error:
            raise UserError(
                f"{DATABASE}: the database cannot be opened", str(error).split("\n")[0], f"unset {DATABASE}, or give another address"
            ) from None
    journal, lock = folder / "journal.log", FileLock(folder / ".journal.lock")
    with lock:
        _mend(journal)
    return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def _mend(journal: Path) -> None:
    """Cut off a line that its writer was killed in; what it said is then not so, and will be done again."""
    if not journal.exists():
        return
    with open(journal, "r+b") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
            file.flush()
            os.fsync(file.fileno())
