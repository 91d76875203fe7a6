"""The verbs and reads of the contract's roles, family by family; each file has the three faces of its verbs."""
