"""The asynchronous client. What is written here once is the blocking client's, too: see `_sync`."""
