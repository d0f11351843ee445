"""Gunicorn's settings: the master process imports the application once, then forks the workers."""
# ruff: noqa: INP001

wsgi_app = "service:app"
worker_class = "asgi"
workers = 2
preload_app = True
