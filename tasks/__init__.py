"""The Celery tasks: delivery policy in the decorator, one call in the body."""

from tasks.maintenance import clean_up
from tasks.replies import process_message

__all__ = ["clean_up", "process_message"]
