"""Loggers by name; each writes the rows of metrics.csv, too."""

from __future__ import annotations

from lightning.pytorch.loggers.logger import Logger

from zoo.core import registry
from zoo.core.console import is_first_process
from zoo.core.errors import UserError, ZooError, first_line
from zoo.core.foreign import errors_of
from zoo.core.part_setting import PartSetting, build_parts, named_parts
from zoo.runs.folder import Run
from zoo.runs.logged import LoggedRun, record_tracker_ids, tracker_ids


def named_loggers(setting: PartSetting | None, run: Run, done_steps: int) -> dict[str, Logger]:
    """Build loggers by name, and record what their trackers call the run.

    The contract of ``zoo.loggers``: ``builder(run: zoo.LoggedRun, **options)`` returns a Lightning ``Logger``. It gets
    the rows of metrics.csv by ``log_metrics`` and a new run's configuration by ``log_hyperparams``. Where it has the
    method ``log_files(files, step)``, it gets report, drawings and configuration after training, and its method
    ``close()`` is called last. The value of its property ``version`` comes back as ``run.tracker_id`` when the run is
    resumed.

    Args:
        setting: of ``--logger``: names that ``zoo list loggers`` shows, with options; or None.
        run: the folder they write to.
        done_steps: optimizer steps that a resumed run has done, else 0.

    Returns:
        The loggers by their titles: name and distribution.

    Raises:
        UserError: there is no such logger, its package is not installed, it cannot begin, or it breaks the contract.
    """
    ids, loggers, versions = tracker_ids(run), {}, {}
    for name, options in named_parts("logger", setting):
        logged = LoggedRun(run.path.absolute(), done_steps, ids.get(name, ""))
        try:
            [(title, logger)] = build_parts("logger", {"name": name, **options}, {name: (logged,)}, Logger).items()
        except ZooError as error:
            raise UserError(f"logger {name}: {error}") from error
        except OSError as error:
            title = registry.find("logger", name).title
            raise UserError(f"{title} cannot begin: {type(error).__name__}: {first_line(error)}") from error
        with errors_of(title):
            loggers[title], versions[name] = logger, logger.version
    if is_first_process():
        record_tracker_ids(run, {name: str(version) for name, version in versions.items() if version is not None})
    return loggers
