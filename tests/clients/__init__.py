"""Clients that behave as good clients should, each in a thread of its own, and write down what they saw.

`SseReply(access, folder, reply_id).start()` and the like; tests/clients/transcript.py has the format they write.
"""

from tests.clients.client import Access, Client
from tests.clients.polling import Polling
from tests.clients.posting import Posted, Poster
from tests.clients.pubsub import PubSub
from tests.clients.sse import SseReply, SseThread
from tests.clients.websocket import WebSocket

__all__ = ["Access", "Client", "Polling", "Posted", "Poster", "PubSub", "SseReply", "SseThread", "WebSocket"]
