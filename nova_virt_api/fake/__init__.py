"""The in-memory reference driver: a whole hypervisor that exists in this process only, with faults on demand."""
