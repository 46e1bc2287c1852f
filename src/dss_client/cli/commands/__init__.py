"""The commands: each module here registers its own with ``@app.command()``, and is found."""
