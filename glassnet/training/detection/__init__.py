"""What a detector is worth: boxes matched to objects, precision by recall, where objects are lost."""
