"""Seeded mutants: a copy of the project with one promise broken, and the tests that must notice."""
