"""`make env-example`: prints .env.example, every setting of app/config.py with its description and default."""

from __future__ import annotations

import inspect
import re

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.config import Settings

HEAD = """\
# Every variable Holdfast reads, with its default. Copy this file to .env and change what you need: the environment is
# stronger than .env. Made by `make env-example` from app/config.py.
"""


def main() -> None:
    """Print the file."""
    print(example(), end="")


def example() -> str:
    """The whole text of .env.example."""
    headings = _headings()
    blocks = [HEAD]
    for name, field in Settings.model_fields.items():
        heading = f"\n# ---- {headings[name]}\n\n" if name in headings else ""
        blocks.append(f"{heading}# {field.description}\n#{name.upper()}={_default(field)}\n")
    return "".join(blocks)


def _headings() -> dict[str, str]:
    """The comment that opens each group of settings in the class, by the group's first setting."""
    groups = re.findall(r"\n    # (.+)\n    (\w+):", inspect.getsource(Settings))
    return {name: heading for heading, name in groups}


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, list):
        value = ",".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
