"""What lies in the buckets: objects, their documents, and how they come and go."""
