"""Search: the index of a replica, and the queries it understands."""
