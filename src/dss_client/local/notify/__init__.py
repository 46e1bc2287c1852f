"""Subscriptions and the delivery of notifications."""
