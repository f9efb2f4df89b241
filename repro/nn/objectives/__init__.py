"""What training minimises: losses that methods share or that are a method's own."""
