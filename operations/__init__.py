"""What a deploy does to a host, one concern a module. Functions take the model and reach for nothing else."""
