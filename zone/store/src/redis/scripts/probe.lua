-- Changes nothing, and is refused like a write where writing is.
return 1
