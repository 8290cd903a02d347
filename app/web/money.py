"""Amounts as pages show them."""

from __future__ import annotations

from decimal import Decimal

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the filter."""
    app.add_template_filter(cents, "cents")


def cents(amount: Decimal) -> str:
    """E.g. 0.0123 ¢: all places that say something, at most six."""
    shown = f"{amount:.6f}".rstrip("0").rstrip(".")
    return f"{shown} ¢"
