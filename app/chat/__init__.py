"""The use cases: what people and programs do with threads, and how a reply comes to be. Knows no HTTP and no Celery."""
