"""A TCP proxy to stand between any two parts, and everything a network can do to them.

`with Proxy("127.0.0.1", port) as proxy:` listens on `proxy.port` and passes everything on; see tests/proxy/proxy.py.
"""

from tests.proxy.proxy import Proxy

__all__ = ["Proxy"]
