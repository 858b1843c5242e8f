"""Who feeds the kernel and carries out its commands."""
