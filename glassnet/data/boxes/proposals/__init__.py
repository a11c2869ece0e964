"""Where objects may lie on a picture, before anything is known of classes."""
