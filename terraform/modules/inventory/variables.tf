# This module has no inputs: the list is a file of the repository.
