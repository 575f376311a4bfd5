"""Fine-tuning: files, jobs, the queue and the training itself."""
