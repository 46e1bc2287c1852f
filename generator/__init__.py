"""The build-time generator: the pinned specification in, typed models and operations out.

Run ``python -m generator``; with ``--check`` it only says what differs. Not part of the wheel.
"""
