"""Faults on purpose, and limits of requests."""
