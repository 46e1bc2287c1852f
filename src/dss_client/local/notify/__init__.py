"""Subscriptions: who wants to know what, and how they are told."""
