"""What a model is worth: recalls with intervals, tables, feature overlap, the study."""
