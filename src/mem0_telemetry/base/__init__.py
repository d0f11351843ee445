"""What has no opinion on telemetry: guard, clocks, a lock, files, frozen values. Imports nothing of ours."""
