"""Celery's settings, each with its reason. Celery delivers wake-ups; what must survive is in the database."""

from kombu import Queue

from app.config import current_settings

_settings = current_settings()

broker_url = _settings.redis_url
# Results are rows; a second store of them would only disagree.
result_backend = None
task_ignore_result = True
# Celery makes a backend, even one that is switched off, for each thread; with gevent each request is one.
result_backend_thread_safe = True
# Pickle would let anybody who reaches the broker run code in the worker.
task_serializer = "json"
accept_content = ["json"]

# Separate queues, so that many replies cannot starve maintenance; no others, so that a misspelt name is an error.
# A wake-up that was fetched is gone: its row is the truth, and one that is lost is sent again seconds later, which
# Celery, with gevent, never does. To keep each until it is acknowledged is two round trips before a reply's first word.
task_queues = (Queue("replies", no_ack=True), Queue("maintenance", no_ack=True))
task_default_queue = "maintenance"
task_create_missing_queues = False

# With late acknowledgement a task longer than the visibility timeout runs twice at once, and a restart of Redis ends
# the worker. A job's lease in the database recovers what a dead worker held.
task_acks_late = False
task_reject_on_worker_lost = False
# One message a free thread, none kept in reserve: another worker may be idle.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# Replies wait for providers, not for the processor. Our own commands start the worker with `--pool gevent`, under
# gevent's patch, which cannot be a setting (docs/adr/0010); without it threads do the same for more processor time.
worker_pool = "threads"
worker_concurrency = _settings.worker_threads
# A reply hands itself over when the worker drains, in seconds; nothing to wait for afterwards.
worker_soft_shutdown_timeout = 0
# Our own logging is structured; Celery shall not replace it.
worker_hijack_root_logger = False
worker_redirect_stdouts = False
# Flower shows what these events tell.
worker_send_task_events = True
# Redis may be away at any time; keep trying, for ever.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that turns into a replica answers a waiting worker with an error instead of closing its connection.
broker_channel_error_retry = True
# Without a limit on silence, publishing to a frozen Redis blocks for ever. Every running thread may acknowledge and
# publish at once, hence the connections.
broker_transport_options = {
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "max_connections": 2 * _settings.worker_threads + 50,
}
broker_pool_limit = 50

# Each entry expires before the next is due: a beat that outlived its workers must not flood them.
beat_schedule = {
    "clean-up": {
        "task": "tasks.clean_up",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 55.0},
    }
}
beat_schedule_filename = str(_settings.data_dir / "beat-schedule")
timezone = "UTC"
