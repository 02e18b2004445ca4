"""The kinds of jobs in the queue."""

READ, REGISTER, EXPORT = "read", "register", "export"
SECOND = "second"
"""Another engine is asked about a result that is in doubt."""
ON_DEVICE = (REGISTER, SECOND)
"""What heat has a say over."""
