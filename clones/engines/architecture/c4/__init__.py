"""Context, containers and components of a target in the notation of Simon Brown's C4 model, from what its code shows."""
