"""The support matrix: what every driver claims, beside what it has shown. Made from reports and from nothing else."""
