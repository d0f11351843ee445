"""What has no opinion on telemetry: guard, clocks, a lock, files. Imports nothing of ours."""
