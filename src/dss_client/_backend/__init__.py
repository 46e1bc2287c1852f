"""What differs in kind between the two clients: the same names, once awaited and once blocking.

`_async/` imports `asynchronous`; `_sync/`, which is generated from it, imports `blocking`.
"""
