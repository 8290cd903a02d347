"""Worker leases: which worker processes are alive."""

from __future__ import annotations

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import CreatedAt, Key, Moment


class WorkerLease(Base):
    """One worker process's claim on all its jobs. Lapsed once, lapsed for ever: the process takes a new one."""

    __tablename__ = "worker_leases"

    id: Mapped[Key]
    host: Mapped[str] = mapped_column(String(255))
    boot_id: Mapped[str] = mapped_column(String(64))
    pid: Mapped[int]
    pid_started: Mapped[float] = mapped_column(Float(53))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment] = mapped_column(UtcDateTime(), index=True)
