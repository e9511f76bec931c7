"""One module for each subject: SETUPS by name, and a generator `cases`."""
