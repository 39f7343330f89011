"""Words for a run that is interrupted: what is kept, and how to go on."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agg2exp.cli.application import JobError
from agg2exp.domain.errors import RankLostError
from agg2exp.domain.hints import pasted
from agg2exp.store.atomic import UnwritableError
from agg2exp.store.rank import rank
from agg2exp.store.run_folder import to_resume
from agg2exp.store.under_way import UnderWay

log = logging.getLogger(__name__)


@contextmanager
def telling_how_to_resume(output: Path, kept: str = "what was finished is kept") -> Iterator[None]:
    """Say how to go on after Ctrl-C, SIGTERM (pre-emption) or a full disk, which end the run in order."""

    def terminate(signum: int, frame: object) -> None:
        signal.signal(signum, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + signum)

    hint = pasted("resume", to_resume(output))
    before, killed = signal.signal(signal.SIGTERM, terminate), False
    try:
        yield
    except RankLostError:
        killed = True
        raise
    except RuntimeError as error:
        killed = "DataLoader worker" in str(error)
        if not killed:
            raise
        raise JobError(
            f"agg2exp: a process that read ahead was killed, perhaps because memory ran out ({error}). What was "
            f"finished is kept in {output}. To go on, repeat the command with {hint} and a smaller "
            "data.num_workers"
        ) from error
    except UnwritableError as error:
        raise JobError(
            f"agg2exp: {error.strerror}. What was finished before is kept in {output}. Make room, or make the folder "
            f"writable, and repeat the command with {hint}"
        ) from error
    except (KeyboardInterrupt, SystemExit):
        log.warning("interrupted; %s. To go on, repeat the command with %s", kept, hint)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        if rank() == 0 and not killed:
            UnderWay(output).end()
