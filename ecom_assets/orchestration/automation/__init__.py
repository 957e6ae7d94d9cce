"""Jobs, schedules and sensors that start runs, and alerts about failed ones."""
