"""What a recipe is: the tree, its values and names, and capturing live objects as trees.

May import: the standard library only."""
