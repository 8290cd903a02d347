"""A fake model provider over real HTTP: OpenAI's chat completions and Anthropic's messages, with every known fault.

In a test: `with FakeProvider() as provider:` and point OPENAI_BASE_URL at `provider.openai_url`. As a process:
`python -m tests.provider --port 0 --calls calls.jsonl`, whose first line of output is its URL. The model's name says
how it behaves: see tests/provider/behaviour.py.
"""

from tests.provider.server import FakeProvider

__all__ = ["FakeProvider"]
