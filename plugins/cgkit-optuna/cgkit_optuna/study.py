"""The study of a sweep in Optuna: its storage, sampler and pruner, which any number of processes share."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, Trial, TrialState

from cgkit.errors import ResourceError, UsageError
from cgkit_optuna.sweep import Sweep, Value

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
IDENTITY = "cgkit.sweep"
STEPS = "steps"
"""The attribute of a trial with the number of steps that it has trained."""


def open_study(
    sweep: Sweep, folder: Path, *, identity: str, storage: str | None, better: str, patience: int
) -> optuna.Study:
    """Return the study of a sweep, which is created unless it exists.

    Args:
        sweep: the sweep.
        folder: the folder of the sweep, which exists.
        identity: the digest of all that must be the same for all trials.
        storage: the address of the database; by default the file `study.db` in the folder.
        better: whether `higher` or `lower` scores are better.
        patience: the seconds after which a trial is taken over if its process gives no sign of life.

    Raises:
        UsageError: the study belongs to another sweep.
        ResourceError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # `cgkit tune` says itself how trials end
    warnings.filterwarnings("ignore", category=ExperimentalWarning)  # of heartbeats
    address = storage or f"sqlite:///{(folder / 'study.db').resolve()}"
    try:
        # Two processes that create the tables of a new database at the same time would disturb each other.
        with FileLock(folder / ".study.lock"):
            study = optuna.create_study(
                study_name=folder.resolve().name,
                storage=RDBStorage(
                    address,
                    engine_kwargs={"connect_args": {"timeout": 60}} if address.startswith("sqlite") else None,
                    heartbeat_interval=max(1, patience // 5),
                    grace_period=patience,
                    heartbeat_stale_trial_callback=try_again,
                ),
                direction="maximize" if better == "higher" else "minimize",
                pruner=_pruner(sweep),
                load_if_exists=True,
            )
            known = study.user_attrs.get(IDENTITY)
            if known is None:
                study.set_user_attr(IDENTITY, identity)
    except optuna.exceptions.StorageInternalError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ResourceError(f"{address} cannot be opened: {reason}") from error
    if known not in (None, identity):
        problem = f"{folder} has the trials of another sweep: the spec, the metric, the seed or a range was different"
        raise UsageError(problem, hint="choose another --output; only `trials` may change")
    return study


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put a trial that was interrupted back into the queue, with what it has reported."""
    RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, trial)


def sampler_of(study: optuna.Study, seed: int, number: int) -> BaseSampler:
    """Return the sampler of one trial.

    Its seed is that of the sweep and the place of the trial among those that continue no other, so that processes do
    not draw the same values, and a sweep that is interrupted draws the same ones as without the interruption.
    """
    place = sum(first_number(trial) == trial.number for trial in study.get_trials(deepcopy=False)[:number])
    digest = hashlib.sha256(f"{seed} {place}".encode()).digest()
    return TPESampler(seed=int.from_bytes(digest[:4], "big"))


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Value:
    """Return the value of a parameter that Optuna chooses for a trial."""
    match distribution:
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            chosen = trial.suggest_categorical(name, choices)
            assert chosen is not None
            return chosen
    raise TypeError(f"unknown distribution {distribution}")


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial, or of the one that it continues."""
    number: int = trial.system_attrs.get("failed_trial", trial.number)
    return number


def folder_of(folder: Path, trial: FrozenTrial) -> Path:
    """Return the run folder of a trial."""
    return folder / "trials" / f"{first_number(trial):05d}"


def count_trials(study: optuna.Study) -> Counter[TrialState]:
    """Return the number of trials in each state; what was interrupted has failed, and counts as what continues it."""
    return Counter(trial.state for trial in study.get_trials(deepcopy=False))


def steps_trained(study: optuna.Study) -> int:
    """Return the number of steps that all trials together have trained."""
    steps: Counter[int] = Counter()
    for trial in study.get_trials(deepcopy=False):
        first = first_number(trial)
        steps[first] = max(steps[first], int(trial.user_attrs.get(STEPS, 0)))
    return steps.total()


def _pruner(sweep: Sweep) -> BasePruner:
    if sweep.pruning is None:
        return NopPruner()
    pruning = sweep.pruning
    return SuccessiveHalvingPruner(
        min_resource=pruning.first, reduction_factor=pruning.factor, bootstrap_count=pruning.bootstrap
    )
