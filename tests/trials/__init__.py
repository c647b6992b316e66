"""The workflows that come with the product, tried on real projects: what their reports say is checked by what they name for it."""
