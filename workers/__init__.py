"""The processes of Holdfast: the web server's settings, the Celery worker, and what starts them all."""
