"""Tests of the file system."""
