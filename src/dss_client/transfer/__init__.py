"""What downloads and uploads share."""
