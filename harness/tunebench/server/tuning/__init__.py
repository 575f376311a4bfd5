"""Fine-tuning: training files, jobs, their queue, and the training itself."""
