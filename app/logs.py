"""Structured logs: one JSON object a line, with the ids of what was being done, never with contents or secrets."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

# These log addresses, headers or arguments at INFO, or repeat what we log ourselves.
_QUIET = ("httpx2", "httpcore2", "openai", "anthropic", "mcp", "celery.worker.strategy", "celery.app.trace", "alembic")

# Logs a traceback for each request that it lets through while Redis is away; other lines tell of that.
_SILENT = ("flask-limiter",)


def configure(level: str) -> None:
    """Send structlog's and the standard library's records to standard output as JSON lines."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    # Our lines say nothing of thread, process and caller, so nobody need find them out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the documented way
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
