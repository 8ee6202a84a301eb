"""What every experiment runs on: data, networks, training, ledger, progress."""
