"""What every program here needs: options, logs, readiness, output, figures of its own process.

Must not know: routing, or the link.
"""
