"""What goes wrong on purpose, and what keeps the rest from going wrong."""
