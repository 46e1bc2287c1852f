"""Tests of the build-time generator."""
