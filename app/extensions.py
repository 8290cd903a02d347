"""The things every part shares, made here unbound and bound in `app/base.py`."""

from __future__ import annotations

from celery import Celery
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from app.config import Settings


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can drop what they made."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base, disable_autonaming=True)
celery = Celery("holdfast")


def settings() -> Settings:
    """The settings of the current application."""
    found: Settings = current_app.config["HOLDFAST"]
    return found


def redis() -> Redis:
    """The application's Redis client. It never retries: a repeated append would double text."""
    found: Redis = current_app.extensions["redis"]
    return found
