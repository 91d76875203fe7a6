"""A guest's boot disk made anew from an image."""
