"""The processes of a frontend: one worker, or several and the supervisor that starts them again.

Owns: start, readiness, shutdown, the pipe by which supervisor and worker know that the other lives.
"""
