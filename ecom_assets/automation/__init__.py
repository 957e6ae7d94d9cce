"""What starts runs by itself: jobs, schedules and sensors."""
