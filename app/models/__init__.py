"""The tables, one a file. Importing this package registers them all."""

from app.models.api_key import ApiKey
from app.models.attachment import Attachment
from app.models.attempt import Attempt
from app.models.idempotency_key import IdempotencyKey
from app.models.job import Job
from app.models.message import Message
from app.models.session import LoginSession
from app.models.status import ACTIVE, TERMINAL, Status, among
from app.models.step import Step
from app.models.thread import Thread
from app.models.tool_call import ToolCall
from app.models.user import User
from app.models.worker_lease import WorkerLease

__all__ = [
    "ACTIVE",
    "TERMINAL",
    "ApiKey",
    "Attachment",
    "Attempt",
    "IdempotencyKey",
    "Job",
    "LoginSession",
    "Message",
    "Status",
    "Step",
    "Thread",
    "ToolCall",
    "User",
    "WorkerLease",
    "among",
]
