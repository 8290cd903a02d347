"""Commands for the owner of this machine: `flask --app app …`."""
