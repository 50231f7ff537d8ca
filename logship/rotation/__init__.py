"""
Rotation of files that nobody rotates, without the writer's help.

The head of the file is handed to a backup and removed in place
(`fallocate(FALLOC_FL_COLLAPSE_RANGE)`): the writer goes on in the same file
with its O_APPEND descriptor, and no byte is lost at any speed.
"""
