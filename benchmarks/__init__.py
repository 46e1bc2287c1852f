"""Figures of the client, measured: ``python -m benchmarks`` compares downloads with other clients.

This file is also imported by the interpreter of the reference client: the standard library alone.
"""
