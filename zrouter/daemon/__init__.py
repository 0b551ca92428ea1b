"""What every program here needs: options, logs, readiness, figures of its own process."""
