"""The thread's event log on Redis: append, replay, follow, and the wire format of server-sent events. Knows no chat."""
