"""The distributed engine: tasks in one Postgres database, run by any number of processes on any number of machines."""
