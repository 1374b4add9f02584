"""What launches by itself: conditions, schedules and sensors."""
